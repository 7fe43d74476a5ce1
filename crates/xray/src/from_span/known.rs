//! The span attributes that mean something to a document, found by one look into a table.
//!
//! A span has some ten attributes and the translation knows about a hundred names. Each attribute is looked up once;
//! from then on it is a [`Key`], a set of them is a word of 128 bits, and asking for one is an index.

/// Declares the keys with their names.
macro_rules! keys {
    ($($key:ident = $name:literal,)+) => {
        /// A span attribute that is known by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Key { $(#[doc = $name] $key,)+ }

        const KEYS: &[Key] = &[$(Key::$key,)+];
        const NAMES: &[&[u8]] = &[$($name.as_bytes(),)+];
    };
}

keys! {
    HttpMethod = "http.method",
    HttpRequestMethod = "http.request.method",
    HttpClientIp = "http.client_ip",
    ClientAddress = "client.address",
    HttpUserAgent = "http.user_agent",
    UserAgentOriginal = "user_agent.original",
    HttpStatusCode = "http.status_code",
    HttpResponseStatusCode = "http.response.status_code",
    HttpUrl = "http.url",
    UrlFull = "url.full",
    HttpScheme = "http.scheme",
    UrlScheme = "url.scheme",
    HttpHost = "http.host",
    HttpTarget = "http.target",
    HttpServerName = "http.server_name",
    NetHostPort = "net.host.port",
    UrlPath = "url.path",
    UrlQuery = "url.query",
    HostName = "host.name",
    NetHostName = "net.host.name",
    NetPeerName = "net.peer.name",
    ServerAddress = "server.address",
    NetPeerPort = "net.peer.port",
    ServerPort = "server.port",
    NetPeerIp = "net.peer.ip",
    NetworkPeerAddress = "network.peer.address",
    HttpStatusText = "http.status_text",
    MessageType = "message.type",
    MessageSize = "messaging.message_payload_size_bytes",
    ResponseContentLength = "http.response_content_length",
    ResponseBodySize = "http.response.body.size",
    SpanKind = "aws.span.kind",
    LocalService = "aws.local.service",
    RemoteService = "aws.remote.service",
    RemoteOperation = "aws.remote.operation",
    RemoteTarget = "remoteTarget",
    RemoteNamespace = "K8s.RemoteNamespace",
    PeerService = "peer.service",
    AwsService = "aws.service",
    RpcService = "rpc.service",
    RpcSystem = "rpc.system",
    RpcMethod = "rpc.method",
    AwsOperation = "aws.operation",
    AwsAccountId = "aws.account_id",
    AwsRegion = "aws.region",
    AwsRequestId = "aws.request_id",
    AwsRequestIdCamel = "aws.requestId",
    AwsQueueUrl = "aws.queue_url",
    AwsQueueUrlDotted = "aws.queue.url",
    AwsTableName = "aws.table_name",
    AwsTableNameDotted = "aws.table.name",
    MessagingUrl = "messaging.url",
    DynamodbTableNames = "aws.dynamodb.table_names",
    DbSystem = "db.system",
    DbName = "db.name",
    DbStatement = "db.statement",
    DbUser = "db.user",
    DbConnectionString = "db.connection_string",
    DbSystemName = "db.system.name",
    DbNamespace = "db.namespace",
    DbQueryText = "db.query.text",
    EnduserId = "enduser.id",
    InProgress = "aws.xray.inprogress",
    Annotations = "aws.xray.annotations",
    XrayType = "aws.xray.type",
}

impl Key {
    /// The key of an attribute with this name.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let mut slot = hash(name);
        loop {
            let index = usize::from(TABLE[slot % SLOTS].checked_sub(1)?);
            if NAMES.get(index).is_some_and(|known| *known == name) {
                return KEYS.get(index).copied();
            }
            slot += 1;
        }
    }
}

/// How many keys there are.
pub(super) const COUNT: usize = KEYS.len();

/// A set of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet(u128);

impl KeySet {
    /// No key.
    pub(super) const NONE: Self = Self(0);

    /// These keys.
    pub(super) const fn of(keys: &[Key]) -> Self {
        let mut set = 0;
        let mut rest = keys;
        while let Some((key, after)) = rest.split_first() {
            set |= 1 << *key as u8;
            rest = after;
        }
        Self(set)
    }

    #[inline]
    pub(super) const fn has(self, key: Key) -> bool {
        self.0 & 1 << key as u8 != 0
    }

    #[inline]
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(super) const fn insert(&mut self, key: Key) {
        self.0 |= 1 << key as u8;
    }

    #[inline]
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const SLOTS: usize = 512;

/// Index plus one of the key whose name hashes here, or here and a few slots on; 0 where there is none.
static TABLE: [u8; SLOTS] = table();

const fn table() -> [u8; SLOTS] {
    let mut table = [0; SLOTS];
    let mut index = 0;
    while index < COUNT {
        let mut slot = hash(NAMES[index]);
        while table[slot % SLOTS] != 0 {
            slot += 1;
        }
        index += 1;
        table[slot % SLOTS] = index as u8;
    }
    table
}

/// From the length and both ends, which is where the names differ.
#[inline]
const fn hash(name: &[u8]) -> usize {
    let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (short(name), 0),
    };
    let mixed = (first.rotate_left(7) ^ last ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 55) as usize
}

/// A name of fewer than eight bytes as a number.
const fn short(name: &[u8]) -> u64 {
    let mut word = 0;
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        word = word << 8 | *byte as u64;
        rest = after;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_key_and_no_other() {
        const { assert!(COUNT <= 128) };
        for (key, name) in KEYS.iter().zip(NAMES) {
            assert_eq!(Key::of(name), Some(*key));
            let mut longer = name.to_vec();
            longer.push(b'x');
            assert_eq!(Key::of(&longer), None);
            assert!(Key::of(&name[1..]).is_none_or(|other| other != *key));
        }
        for name in ["", "a", "db.nam", "service.name"] {
            assert_eq!(Key::of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn names_are_found_within_a_few_slots() {
        let full = TABLE.iter().chain(&TABLE).copied();
        let longest = full.fold((0, 0), |(longest, run), slot| {
            let run = if slot == 0 { 0 } else { run + 1 };
            (i32::max(longest, run), run)
        });
        assert!(longest.0 <= 5, "{}", longest.0);
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = KeySet::of(&[Key::HttpMethod, Key::Annotations]);
        assert!(set.has(Key::HttpMethod) && set.has(Key::Annotations) && !set.has(Key::DbName));
        assert!(set.meets(KeySet::of(&[Key::Annotations])));
        assert!(KeySet::NONE.with(set).has(Key::HttpMethod));
    }
}
