//! The cases of the specification, as data: what the reference was seen to do, or does wrong and this does right.

mod support;

use collimator_xray::from_span::{Cursor, Documents, Enough, Losses, Options, Reason, Translator};
use serde_json::{Value, json};
use support::{PARENT, SPAN, attributes, name_ids, translated, wire, with};

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
const INTERNAL: i32 = 1;

/// A span, by what is special about it.
struct Case {
    id: &'static str,
    kind: i32,
    root: bool,
    name: &'static str,
    attributes: Value,
    resource: Value,
    /// Other fields of the span, in OTLP/JSON.
    more: Value,
    options: fn(&mut Options),
    /// The documents, without what all have.
    expected: Vec<Value>,
}

impl Case {
    fn new(id: &'static str, kind: i32, attributes: Value) -> Self {
        Self {
            id,
            kind,
            root: false,
            name: "op",
            attributes,
            resource: json!({}),
            more: json!({}),
            options: |_| {},
            expected: Vec::new(),
        }
    }

    fn root(mut self) -> Self {
        self.root = true;
        self
    }

    fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    fn svc(self) -> Self {
        self.resource(json!({"service.name": "shop"}))
    }

    fn resource(mut self, resource: Value) -> Self {
        self.resource = resource;
        self
    }

    fn more(mut self, more: Value) -> Self {
        self.more = more;
        self
    }

    fn options(mut self, options: fn(&mut Options)) -> Self {
        self.options = options;
        self
    }

    /// Adds the document that is expected next.
    fn gives(mut self, expected: Value) -> Self {
        self.expected.push(expected);
        self
    }

    fn request(&self) -> Vec<u8> {
        let mut span = json!({
            "traceId": "5f84c7a1e7d1852db8c4fd35d88bf49a",
            "spanId": SPAN,
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": "1700000000123456789",
            "endTimeUnixNano": "1700000001500000000",
            "attributes": attributes(&self.attributes),
        });
        if !self.root {
            span["parentSpanId"] = json!(PARENT);
        }
        let span = with(&span, &self.more);
        wire(&json!({"resourceSpans": [{
            "resource": {"attributes": attributes(&self.resource)},
            "scopeSpans": [{"spans": [span]}],
        }]}))
    }

    fn check(&self) {
        let mut options = Options::default();
        (self.options)(&mut options);
        let (_, documents) = translated(&self.request(), options);
        let mut documents = Value::Array(documents);
        name_ids(&mut documents, &[SPAN, PARENT, "1111111111111111"]);
        let usual = json!({
            "id": SPAN,
            "name": self.name,
            "start_time": 1_700_000_000.123_456_7,
            "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
            "end_time": 1_700_000_001.5,
            "fault": false,
            "error": false,
            "throttle": false,
            "aws": {"xray": {"auto_instrumentation": false}},
        });
        let usual = if self.root { usual } else { with(&usual, &json!({"parent_id": PARENT})) };
        let expected: Value = self.expected.iter().map(|changes| with(&usual, changes)).collect();
        let shown = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
        assert!(
            documents == expected,
            "{}:\n{}\nexpected:\n{}",
            self.id,
            shown(&documents),
            shown(&expected)
        );
    }
}

fn check(cases: Vec<Case>) {
    for case in cases {
        case.check();
    }
}

/// The metadata of a root whose resource says no more than its name.
fn shop() -> Value {
    json!({"default": {"otel.resource.service.name": "shop"}})
}

#[test]
fn kinds_and_parents() {
    let link = json!({"links": [{
        "traceId": "5f84c7a1e7d1852db8c4fd35d88bf49a",
        "spanId": "1111111111111111",
        "attributes": attributes(&json!({"messaging.x": "y"})),
    }]});
    check(vec![
        Case::new("X1", SERVER, json!({})).root().svc().gives(json!({"name": "shop", "metadata": shop()})),
        Case::new("X2", INTERNAL, json!({})).svc().gives(json!({"type": "subsegment"})),
        Case::new("X3", CLIENT, json!({}))
            .root()
            .svc()
            .gives(json!({"namespace": "remote", "metadata": shop()})),
        Case::new("X4", PRODUCER, json!({})).gives(json!({"type": "subsegment", "namespace": "remote"})),
        Case::new("X5", CONSUMER, json!({"aws.local.service": "L"}))
            .svc()
            .name("q process")
            .more(link)
            .gives(json!({
                "links": [{
                    "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
                    "id": "1111111111111111",
                    "attributes": {"messaging.x": "y"},
                }],
                "metadata": {"default": {"aws.local.service": "L", "otel.resource.service.name": "shop"}},
            })),
        Case::new("kind of its own", 0, json!({})).gives(json!({"type": "subsegment"})),
        Case::new("X46", SERVER, json!({}))
            .root()
            .options(|options| options.skip_timestamp_validation = false),
    ]);
    let nameless = Case::new("no span id", INTERNAL, json!({})).more(json!({"spanId": ""}));
    assert_eq!(translated(&nameless.request(), Options::default()).1[0].get("id"), Some(&Value::Null));
}

#[test]
fn ids_with_a_time_that_is_not_right_are_refused_where_that_matters() {
    let request = |trace: &str, link: &str| {
        let more = json!({"traceId": trace, "links": [{"traceId": link, "spanId": "1111111111111111"}]});
        Case::new("", SERVER, json!({})).more(more).request()
    };
    let options = || Options { skip_timestamp_validation: false, ..Options::default() };
    // 1,700,000,000 is 0x6553f100.
    let good = "6553f100e7d1852db8c4fd35d88bf49a";
    let (found, documents) = translated(&request("5f84c7a1e7d1852db8c4fd35d88bf49a", good), options());
    assert_eq!((documents.len(), found.refused[0].reason), (0, Reason::TraceIdTime));
    assert_eq!(
        translated(&request(good, good), options()).1[0]["links"][0]["trace_id"],
        "1-6553f100-e7d1852db8c4fd35d88bf49a"
    );
    // A link to an old trace is left out, and the span is kept.
    let (found, documents) = translated(&request(good, "5f84c7a1e7d1852db8c4fd35d88bf49a"), options());
    assert_eq!((found.refused.len(), documents[0].get("links")), (0, None));
}

#[test]
fn http() {
    let agent = json!({"http.request.method": "GET", "url.scheme": "https", "server.address": "api.test",
        "server.port": 8443, "url.path": "/a", "url.query": "x=1", "client.address": "10.0.0.9",
        "user_agent.original": "curl", "http.response.status_code": 200, "http.route": "/a"});
    let client = |case: Case, more: Value| {
        case.gives(with(&json!({"type": "subsegment", "namespace": "remote"}), &more))
    };
    let http = |request: Value, response: Value| json!({"request": request, "response": with(&json!({"content_length": 0}), &response)});
    check(vec![
        Case::new("X6", SERVER, agent).root().svc().gives(json!({
            "name": "shop",
            "http": http(
                json!({"x_forwarded_for": true, "method": "GET", "url": "https://api.test:8443/a?x=1",
                    "user_agent": "curl", "client_ip": "10.0.0.9"}),
                json!({"status": 200}),
            ),
            "metadata": {"default": {"http.route": "/a", "otel.resource.service.name": "shop"}},
        })),
        client(
            Case::new("X7", CLIENT, json!({"http.request.method": "GET", "url.scheme": "https",
                "server.address": "api.test", "server.port": 8443, "url.path": "/a",
                "http.response.status_code": 404})).name("GET"),
            json!({"error": true, "http": http(json!({"method": "GET", "url": "https://api.test:8443/a"}), json!({"status": 404}))}),
        ),
        client(
            Case::new("X8", CLIENT, json!({"http.request.method": "GET", "url.full": "https://api.test:8443/a?x=1",
                "http.response.status_code": 503})),
            json!({"fault": true, "http": http(json!({"method": "GET", "url": "https://api.test:8443/a?x=1"}), json!({"status": 503}))}),
        ),
        client(
            Case::new("X9", CLIENT, json!({"http.method": "GET", "net.peer.name": "pn", "net.peer.port": 8080, "http.target": "/t"})),
            json!({"name": "pn", "http": http(json!({"method": "GET", "url": "http://pn:8080/t"}), json!({}))}),
        ),
        Case::new("X10", SERVER, json!({"http.method": "GET", "http.scheme": "https", "http.server_name": "sn",
            "net.host.name": "nh", "net.host.port": 8443, "http.target": "/p?q=1"}))
        .gives(json!({"http": http(json!({"method": "GET", "url": "https://sn:8443/p?q=1"}), json!({}))})),
        Case::new("X12", CLIENT, json!({"http.response.status_code": 429})).gives(json!({
            "type": "subsegment", "namespace": "remote", "error": true, "throttle": true,
            "http": {"request": {}, "response": {"status": 429, "content_length": 0}},
        })),
        Case::new("X13", CLIENT, json!({"http.response.status_code": 301}))
            .more(json!({"status": {"code": 2, "message": "x"}}))
            .gives(json!({
                "type": "subsegment", "namespace": "remote", "fault": true,
                "http": http(json!({}), json!({"status": 301})),
                "cause": {"exceptions": [{"id": "<1>", "message": "x", "type": ""}]},
            })),
        client(
            Case::new("a default port", CLIENT, json!({"http.url": "", "http.scheme": "https"})),
            json!({"http": http(json!({}), json!({}))}),
        ),
        client(
            Case::new("IPv6", CLIENT, json!({"http.method": "GET", "server.address": "2001:db8::1", "server.port": "8080"})),
            json!({"http": http(json!({"method": "GET", "url": "http://[2001:db8::1]:8080/"}), json!({}))}),
        ),
        client(
            Case::new("no host", CLIENT, json!({"http.method": "GET", "host.name": "mine", "url.path": "/a"})),
            json!({"http": http(json!({"method": "GET"}), json!({}))}),
        ),
        client(
            Case::new("usual ports", CLIENT, json!({"url.scheme": "https", "net.peer.name": "h", "net.peer.port": 443, "url.query": "?a"})),
            json!({"name": "h", "http": http(json!({"url": "https://h/?a"}), json!({}))}),
        ),
        Case::new("a peer that is known", SERVER, json!({"http.client_ip": "1.1.1.1", "net.peer.ip": "2.2.2.2", "http.host": "h:1"}))
            .gives(json!({"name": "h:1", "http": http(json!({"url": "http://h:1/", "client_ip": "1.1.1.1"}), json!({}))})),
        Case::new("a message's size", SERVER, json!({"http.method": "GET", "message.type": "RECEIVED", "messaging.message_payload_size_bytes": 5}))
            .gives(json!({
                "http": http(json!({"method": "GET"}), json!({"content_length": 5})),
                "metadata": {"default": {"message.type": "RECEIVED", "messaging.message_payload_size_bytes": 5}},
            })),
        Case::new("the body's size", SERVER, json!({"http.method": "GET", "http.response.body.size": 5}))
            .options(|options| options.body_size_as_content_length = true)
            .gives(json!({
                "http": http(json!({"method": "GET"}), json!({"content_length": 5})),
                "metadata": {"default": {"http.response.body.size": 5}},
            })),
    ]);
}

#[test]
fn of_an_old_and_a_new_status_the_later_is_shown_and_the_old_one_counts() {
    let mut case = Case::new("X11", SERVER, json!({}));
    case.more = json!({"attributes": [
        {"key": "http.status_code", "value": {"intValue": "500"}},
        {"key": "http.response.status_code", "value": {"intValue": "200"}},
    ]});
    case.gives(
        json!({"fault": true, "http": {"request": {}, "response": {"status": 200, "content_length": 0}}}),
    )
    .check();
}

#[test]
fn databases() {
    let client = |case: Case, more: Value| {
        case.gives(with(&json!({"type": "subsegment", "namespace": "remote"}), &more))
    };
    let redis =
        || json!({"db.system": "redis", "server.address": "r1", "server.port": 6379, "net.peer.name": "r1"});
    check(vec![
        client(
            Case::new("X14", CLIENT, redis()).name("SELECT db"),
            json!({"name": "r1", "metadata": {"default": {"db.system": "redis"}}}),
        ),
        client(
            Case::new("X14, kept", CLIENT, redis())
                .name("SELECT db")
                .options(|options| options.keep_network_attributes = true),
            json!({"name": "r1", "metadata": {"default": redis()}}),
        ),
        client(
            Case::new(
                "X15",
                CLIENT,
                json!({"db.system": "postgresql", "db.name": "d", "db.user": "u",
                "db.statement": "select 1", "db.operation": "SELECT"}),
            )
            .name("SELECT"),
            json!({
                "name": "d",
                "sql": {"connection_string": "localhost/d", "url": "SELECT", "sanitized_query": "select 1",
                    "database_type": "postgresql", "user": "u"},
                "metadata": {"default": {"db.operation": "SELECT"}},
            }),
        ),
        client(
            Case::new(
                "X16",
                CLIENT,
                json!({"db.name": "d", "db.connection_string": "jdbc:postgresql://u:p@h.x:5432/z", "db.system": "postgresql"}),
            ),
            json!({
                "name": "d@h.x",
                "sql": {"connection_string": "jdbc:postgresql://u:p@h.x:5432/z/d", "url": "op", "database_type": "postgresql"},
            }),
        ),
        client(
            Case::new("X17", CLIENT, json!({"db.system": "MySQL", "db.name": "d"})),
            json!({"name": "d", "metadata": {"default": {"db.system": "MySQL", "db.name": "d"}}}),
        ),
        Case::new("X25", SERVER, json!({"db.name": "d"})).svc().gives(json!({
            "name": "d", "metadata": {"default": {"db.name": "d", "otel.resource.service.name": "shop"}},
        })),
        client(
            Case::new(
                "stable names",
                CLIENT,
                json!({"db.system.name": "microsoft.sql_server", "db.namespace": "d",
                "db.query.text": "select 1", "server.address": "h", "server.port": 1433, "db.operation.name": "SELECT"}),
            ),
            json!({
                "sql": {"connection_string": "h:1433/d", "url": "op", "sanitized_query": "select 1", "database_type": "mssql"},
                "metadata": {"default": {"db.operation.name": "SELECT"}},
            }),
        ),
        client(
            Case::new(
                "old names win",
                CLIENT,
                json!({"db.system": "mysql", "db.name": "d", "db.namespace": "e", "db.query.text": "q"}),
            ),
            json!({
                "name": "d",
                "sql": {"connection_string": "localhost/d", "url": "op", "sanitized_query": "q", "database_type": "mysql"},
                "metadata": {"default": {"db.namespace": "e"}},
            }),
        ),
        client(
            Case::new("stable names, not wanted", CLIENT, json!({"db.system.name": "mysql"}))
                .options(|options| options.stable_database_conventions = false),
            json!({"metadata": {"default": {"db.system.name": "mysql"}}}),
        ),
        client(
            Case::new("stable names as names", CLIENT, json!({"db.namespace": "d"}))
                .options(|options| options.stable_names = true),
            json!({"name": "d", "metadata": {"default": {"db.namespace": "d"}}}),
        ),
        client(
            Case::new("servers as names", CLIENT, json!({"server.address": "h"}))
                .options(|options| options.stable_names = true),
            json!({"name": "h"}),
        ),
    ]);
}

#[test]
fn local_roots() {
    let link =
        || json!({"links": [{"traceId": "5f84c7a1e7d1852db8c4fd35d88bf49a", "spanId": "1111111111111111"}]});
    let links = || json!([{"trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a", "id": "1111111111111111"}]);
    let call = json!({"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "shopA", "aws.remote.service": "AWS::DynamoDB",
        "aws.remote.operation": "GetItem", "remoteTarget": "t", "rpc.system": "aws-api", "rpc.service": "DynamoDB",
        "rpc.method": "GetItem", "aws.table_name": "T1", "url.full": "https://d/", "http.request.method": "POST",
        "http.response.status_code": 500, "custom": "v"});
    let all = || {
        json!({"aws.local.service": "L", "aws.remote.service": "R", "aws.remote.operation": "ro", "remoteTarget": "t",
        "K8s.RemoteNamespace": "ns", "x": "y", "aws.span.kind": "LOCAL_ROOT"})
    };
    let annotations = all();
    check(vec![
        Case::new("X18", CLIENT, call).name("DynamoDB.GetItem").resource(json!({"service.name": "shop", "service.version": "1.2"})).more(link())
            .gives(json!({
                "name": "DynamoDB", "parent_id": "<1>", "type": "subsegment", "namespace": "aws", "links": links(),
                "http": {"request": {"method": "POST", "url": "https://d/"}, "response": {"status": 500, "content_length": 0}},
                "fault": true,
                "aws": {"xray": {"auto_instrumentation": false}, "operation": "GetItem", "table_name": "T1"},
                "service": {"version": "1.2"},
                "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "shopA",
                    "aws.remote.service": "AWS::DynamoDB", "aws.remote.operation": "GetItem", "remoteTarget": "t",
                    "rpc.system": "aws-api", "rpc.service": "DynamoDB", "custom": "v"}},
            }))
            .gives(json!({
                "id": "<1>", "name": "shopA", "fault": true, "service": {"version": "1.2"}, "metadata": {"default": {}},
            })),
        Case::new("X19", CONSUMER, json!({"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "shopA", "aws.remote.service": "SQS", "rpc.system": "aws-api"}))
            .svc().more(link())
            .gives(json!({
                "name": "SQS", "parent_id": "<1>", "type": "subsegment", "namespace": "aws",
                "metadata": {"default": {"otel.resource.service.name": "shop", "aws.span.kind": "LOCAL_ROOT",
                    "aws.local.service": "shopA", "aws.remote.service": "SQS", "rpc.system": "aws-api"}},
            }))
            .gives(json!({"id": "<1>", "name": "shopA", "links": links(), "metadata": shop()})),
        Case::new("X20", PRODUCER, json!({"aws.span.kind": "LOCAL_ROOT"})).root().svc()
            .gives(json!({
                "parent_id": "<1>", "type": "subsegment", "namespace": "remote",
                "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT"}},
            }))
            .gives(json!({"id": "<1>", "name": "shop", "metadata": shop()})),
        Case::new("X21", INTERNAL, json!({"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "shopA"})).svc()
            .gives(json!({"name": "shopA", "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "shopA"}}})),
        Case::new("X22", CLIENT, json!({"aws.span.kind": "LOCAL_ROOT"})).resource(json!({"cloud.provider": "gcp"}))
            .gives(json!({"parent_id": "<1>", "type": "subsegment", "namespace": "remote", "aws": null,
                "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT"}}}))
            .gives(json!({"id": "<1>", "aws": null, "metadata": {"default": {}}})),
        Case::new("X47", CLIENT, all()).svc().options(|options| options.index_all_attributes = true)
            .gives(json!({"name": "R", "parent_id": "<1>", "type": "subsegment", "namespace": "remote", "annotations": annotations}))
            .gives(json!({"id": "<1>", "name": "L",
                "annotations": {"aws.local.service": "L", "aws.span.kind": "LOCAL_ROOT", "x": "y"}})),
        Case::new("no name for the call", CLIENT, json!({"aws.span.kind": "LOCAL_ROOT", "aws.remote.service": ""}))
            .gives(json!({"parent_id": "<1>", "type": "subsegment", "namespace": "remote",
                "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT", "aws.remote.service": ""}}}))
            .gives(json!({"id": "<1>", "metadata": {"default": {}}})),
        Case::new("the service is not called after its callee", CLIENT, json!({"aws.span.kind": "LOCAL_ROOT", "aws.remote.service": "R"}))
            .gives(json!({"name": "R", "parent_id": "<1>", "type": "subsegment", "namespace": "remote",
                "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT", "aws.remote.service": "R"}}}))
            .gives(json!({"id": "<1>", "metadata": {"default": {}}})),
        Case::new("but after its peer", PRODUCER, json!({"aws.span.kind": "LOCAL_ROOT", "aws.remote.service": "R", "peer.service": "ps"}))
            .gives(json!({"name": "R", "parent_id": "<1>", "type": "subsegment", "namespace": "remote",
                "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT", "aws.remote.service": "R", "peer.service": "ps"}}}))
            .gives(json!({"id": "<1>", "name": "ps", "metadata": {"default": {}}})),
        Case::new("other namespaces", CLIENT, json!({"aws.span.kind": "LOCAL_ROOT",
            "aws.xray.metadata.ns": "{\"a\":1, \"otel.resource.b\":[2]}", "aws.xray.metadata.nul": "null"}))
            .gives(json!({"parent_id": "<1>", "type": "subsegment", "namespace": "remote",
                "metadata": {"default": {"aws.span.kind": "LOCAL_ROOT"}, "ns": {"a": 1, "otel.resource.b": [2]}, "nul": null}}))
            .gives(json!({"id": "<1>", "metadata": {"default": {}, "ns": {"otel.resource.b": [2]}, "nul": null}})),
    ]);
}

#[test]
fn names() {
    let remote = || json!({"aws.remote.service": "AWS.SDK.S3"});
    check(vec![
        Case::new("X23, another's", CLIENT, remote())
            .gives(json!({"name": "AWS.SDK.S3", "type": "subsegment", "namespace": "remote", "metadata": {"default": remote()}})),
        Case::new("X23", CLIENT, with(&remote(), &json!({"rpc.system": "aws-api"}))).gives(json!({
            "name": "S3", "type": "subsegment", "namespace": "aws",
            "metadata": {"default": {"aws.remote.service": "AWS.SDK.S3", "rpc.system": "aws-api"}},
        })),
        Case::new("X24", CLIENT, json!({"peer.service": "ps", "aws.service": "S3"})).gives(json!({
            "name": "ps", "type": "subsegment", "namespace": "remote",
            "metadata": {"default": {"peer.service": "ps", "aws.service": "S3"}},
        })),
        Case::new("X26", INTERNAL, json!({})).name("a,b(c)[d]\\e \"f\" $g é日本 ٣ Ⅷ Nn\tx")
            .gives(json!({"name": "abcde f g é日本   Nnx", "type": "subsegment"})),
        Case::new("X27", INTERNAL, json!({})).name("<>()").gives(json!({"name": "span", "type": "subsegment"})),
        Case::new("names of others are cleaned", CLIENT, json!({"peer.service": "host,1433"}))
            .gives(json!({"name": "host1433", "type": "subsegment", "namespace": "remote", "metadata": {"default": {"peer.service": "host,1433"}}})),
        Case::new("a name with nothing in it", CLIENT, json!({"peer.service": "()", "aws.service": "S3"}))
            .gives(json!({"name": "S3", "type": "subsegment", "namespace": "aws", "metadata": {"default": {"peer.service": "()", "aws.service": "S3"}}})),
        Case::new("consumers", CONSUMER, json!({})).svc().options(|options| options.consumers_named_by_service = true)
            .gives(json!({"name": "shop", "metadata": shop()})),
    ]);
}

#[test]
fn resources() {
    let root = |id, resource: Value, more: Value| {
        let names: serde_json::Map<_, _> = resource
            .as_object()
            .expect("an object")
            .iter()
            .map(|(key, value)| (format!("otel.resource.{key}"), value.clone()))
            .collect();
        let mut expected = json!({"metadata": {"default": names}});
        for (key, value) in more.as_object().expect("an object") {
            expected[key] = value.clone();
        }
        Case::new(id, SERVER, json!({})).root().resource(resource).gives(expected)
    };
    let xray = || json!({"auto_instrumentation": false});
    let logs = || json!({"aws.log.group.arns": ["arn:aws:logs:us-east-1:1:log-group:/g/a:*", "bad"], "aws.log.group.names": ["n"]});
    check(vec![
        root("X28", json!({"cloud.provider": "aws", "cloud.platform": "aws_ecs", "aws.ecs.launchtype": "fargate",
                "container.name": "c", "container.id": "cid", "cloud.availability_zone": "az"}),
            json!({"origin": "AWS::ECS::Fargate", "aws": {"xray": xray(),
                "ecs": {"container": "c", "container_id": "cid", "availability_zone": "az", "launch_type": "fargate"}}})),
        root("X29", json!({"host.id": "my-laptop"}), json!({"aws": {"xray": xray(),
            "ec2": {"instance_id": "my-laptop", "availability_zone": null, "instance_size": null, "ami_id": null}}})),
        root("X30", json!({"cloud.platform": "aws_elastic_beanstalk", "service.namespace": "env", "service.instance.id": "abc"}),
            json!({"origin": "AWS::ElasticBeanstalk::Environment", "aws": {"xray": xray(),
                "elastic_beanstalk": {"environment_name": "env", "version_label": null, "deployment_id": 0}}})),
        root("X31", json!({"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "java", "telemetry.sdk.version": "1.2",
                "telemetry.distro.version": "1"}),
            json!({"aws": {"xray": {"sdk": "opentelemetry for java", "sdk_version": "1.2", "auto_instrumentation": true}}})),
        root("X32", logs(), json!({"aws": {"xray": xray(), "cloudwatch_logs": [
                {"log_group": "/g/a", "arn": "arn:aws:logs:us-east-1:1:log-group:/g/a:*"}, {"log_group": "bad", "arn": "bad"}]}}))
            .options(|options| options.log_groups = vec!["cfg".into()]),
        root("X33", json!({"aws.log.group.names": "g1&&g2&"}),
            json!({"aws": {"xray": xray(), "cloudwatch_logs": [{"log_group": "g1"}, {"log_group": "g2"}]}})),
        root("configured groups", json!({"a": "b"}), json!({"aws": {"xray": xray(), "cloudwatch_logs": [{"log_group": "cfg"}]}}))
            .options(|options| options.log_groups = vec!["cfg".into()]),
        root("eks", json!({"k8s.cluster.name": "k", "k8s.pod.name": "p", "cloud.account.id": "12"}),
            json!({"aws": {"xray": xray(), "account_id": "12", "eks": {"cluster_name": "k", "pod": "p", "container_id": null}}})),
        root("elsewhere", json!({"cloud.provider": "gcp", "cloud.platform": "aws_ec2"}), json!({"aws": null})),
        root("version from tags", json!({"container.image.tags": ["v1", "v2"]}), json!({"service": {"version": "v1"}})),
        root("empty version", json!({"service.version": ""}), json!({"service": {}})),
        root("launch type in capitals", json!({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "FARGATE"}),
            json!({"origin": "AWS::ECS::Container", "aws": {"xray": xray(), "ecs": {"launch_type": "FARGATE"}}})),
        root("empty ecs", json!({"cloud.platform": "aws_ecs"}), json!({"origin": "AWS::ECS::Container", "aws": {"xray": xray(), "ecs": {}}})),
    ]);
}

#[test]
fn annotations_and_metadata() {
    let server = |id, attributes: Value| Case::new(id, SERVER, attributes).root();
    let indexed = |options: &mut Options| {
        options.indexed_attributes =
            ["http.request.method", "rpc.method", "enduser.id"].map(str::to_owned).into();
    };
    let names = json!(["a", "b"]);
    check(vec![
        Case::new("X34", CLIENT, json!({"aws.dynamodb.table_names": names, "aws.table_name": "x"})).gives(json!({
            "type": "subsegment", "namespace": "remote",
            "aws": {"xray": {"auto_instrumentation": false}, "table_names": names},
            "metadata": {"default": {"aws.dynamodb.table_names": names}},
        })),
        server("X35", json!({"aws.xray.annotations": ["a", "c", 3, "otel.resource.service.name", "http.request.method"],
            "a": "1", "b": "2", "http.request.method": "GET"})).svc().gives(json!({
            "name": "shop",
            "http": {"request": {"method": "GET"}, "response": {"content_length": 0}},
            "annotations": {"a": "1", "otel.resource.service.name": "shop"},
            "metadata": {"default": {"b": "2"}},
        })),
        server("X36", json!({"http.request.method": "GET", "rpc.method": "M", "enduser.id": "u"})).options(indexed).gives(json!({
            "http": {"request": {"method": "GET"}, "response": {"content_length": 0}},
            "user": "u",
            "annotations": {"http.request.method": "GET", "rpc.method": "M"},
            "aws": {"xray": {"auto_instrumentation": false}, "operation": "M"},
        })),
        server("X37", json!({"s": "s", "i": 7, "l": [1], "k.d-e f@é": "v"})).resource(json!({"r.list": ["q"]}))
            .options(|options| options.index_all_attributes = true)
            .gives(json!({
                "annotations": {"s": "s", "i": 7, "k.d_e_f__": "v"},
                "metadata": {"default": {"otel.resource.r.list": ["q"], "l": [1]}},
            })),
        server("X38", json!({"aws.xray.metadata.ns": "{\"a\":1}", "aws.xray.metadata.Default": "{\"z\":1}",
            "aws.xray.metadata.bad": "[1]", "aws.xray.metadata.nul": "null", "plain": "p"})).gives(json!({
            "metadata": {"default": {"aws.xray.metadata.bad": "[1]", "plain": "p", "z": 1}, "ns": {"a": 1}, "nul": null},
        })),
        server("X39, true", json!({"aws.xray.inprogress": true})).gives(json!({"in_progress": true, "end_time": null})),
        server("X39, false", json!({"aws.xray.inprogress": false})).gives(json!({})),
        server("X39, text", json!({"aws.xray.inprogress": "true"}))
            .gives(json!({"metadata": {"default": {"aws.xray.inprogress": "true"}}})),
        server("X49", json!({"m": 1e21, "n": 1e-7, "q": 2.0})).gives(json!({"metadata": {"default": {"m": 1e21, "n": 1e-7, "q": 2}}})),
        server("X49, NaN", json!({"x": "NaN"})).gives(json!({"metadata": {"default": {"x": "NaN"}}})),
        server("NaN is no annotation", json!({"x": "NaN"})).options(|options| options.index_all_attributes = true)
            .gives(json!({"metadata": {"default": {"x": "NaN"}}})),
        server("no dots", json!({"a.b": 1})).options(|options| {
            options.index_all_attributes = true;
            options.allow_dot = false;
        }).gives(json!({"annotations": {"a_b": 1}})),
        server("large numbers stay exact", json!({"aws.xray.metadata.ns": "{\"n\":9007199254740993}", "i": 9_007_199_254_740_993_i64}))
            .gives(json!({"metadata": {"default": {"i": 9_007_199_254_740_993_i64}, "ns": {"n": 9_007_199_254_740_993_i64}}})),
        server("own names like the resource's", json!({"otel.resource.b": 1, "otel.resource.service.name": "x"})).svc()
            .gives(json!({"name": "shop", "metadata": {"default": {"otel.resource.b": 1, "otel.resource.service.name": "x"}}})),
        server("empty values", json!({"x": null, "l": [null]})).gives(json!({"metadata": {"default": {"l": [null]}}})),
    ]);
}

#[test]
fn no_name_comes_twice() {
    let again = json!({"aws.xray.metadata.default": "{\"otel.resource.service.name\":\"z\",\"q\":1,\"q\":2}",
        "aws.xray.metadata.ns": "{\"otel.resource.a\":1,\"otel.resource.a\":{\"b\":1,\"b\":2}}",
        "aws.span.kind": "LOCAL_ROOT"});
    for (kind, count) in [(SERVER, 1), (CLIENT, 2)] {
        let (documents, parsed) =
            translated(&Case::new("again", kind, again.clone()).root().svc().request(), Options::default());
        assert_eq!(parsed.len(), count);
        for entry in &documents.entries {
            support::assert_unique(documents.text(entry));
        }
        let last = parsed.last().expect("a document");
        assert_eq!(last["metadata"]["default"]["otel.resource.service.name"], "z");
        assert_eq!(last["metadata"]["ns"], json!({"otel.resource.a": {"b": 2}}));
    }
}

#[test]
fn a_large_query_is_cut_behind_metadata_of_any_depth() {
    let deep = format!("{}{{}}{}", "{\"a\":".repeat(99), "}".repeat(99));
    let own = json!({"aws.xray.metadata.m": deep, "db.system": "mysql", "db.name": "d", "db.statement": "q".repeat(70_000)});
    let (documents, parsed) = translated(&Case::new("deep", CLIENT, own).request(), Options::default());
    assert!(documents.refused.is_empty() && documents.entries.iter().all(|entry| entry.trimmed));
    assert!(parsed[0]["sql"]["sanitized_query"].as_str().is_some_and(|query| query.ends_with(" bytes cut)")));
}

/// An event, in OTLP/JSON.
fn event(name: &str, own: &Value) -> Value {
    json!({"name": name, "timeUnixNano": "1700000000123456000", "attributes": attributes(own)})
}

#[test]
fn causes() {
    let error = |message: &str| json!({"code": 2, "message": message});
    let failure = || json!({"http.response.status_code": 503, "aws.http.error_message": "retry me"});
    let thrown = |stack: &str| {
        event(
            "exception",
            &json!({"exception.type": "T", "exception.message": "M", "exception.stacktrace": stack}),
        )
    };
    let java = "h\nCaused by: X: a\n\n\tat a.b(C.java:1)";
    let kept = event("cache miss", &json!({"k": 1}));
    check(vec![
        Case::new("X40", SERVER, json!({})).more(json!({"status": error("")})).gives(json!({"fault": true})),
        Case::new("X40, status text", SERVER, json!({"http.status_text": "Nope", "k": 1})).more(json!({"status": error("")})).gives(json!({
            "fault": true,
            "cause": {"exceptions": [{"id": "<1>", "message": "Nope", "type": ""}]},
            "metadata": {"default": {"k": 1}},
        })),
        Case::new("X41", CLIENT, json!({"rpc.system": "aws-api"})).more(json!({"events": [event("HTTP request failure", &failure())]})).gives(json!({
            "type": "subsegment", "namespace": "aws",
            "cause": {"exceptions": [{"id": "<1>", "type": "aws.http.error.event", "remote": true,
                "message": "503@1700000000.123456@retry me"}]},
            "metadata": {"default": {"rpc.system": "aws-api"}},
        })),
        Case::new("a failure that says nothing", CLIENT, json!({"rpc.system": "aws-api"}))
            .more(json!({"events": [event("HTTP request failure", &json!({}))], "status": error("why")}))
            .gives(json!({
                "type": "subsegment", "namespace": "aws", "fault": true,
                "cause": {"exceptions": [{"id": "<1>", "type": "", "message": "why"}]},
                "metadata": {"default": {"rpc.system": "aws-api"}},
            })),
        Case::new("X42", SERVER, json!({})).resource(json!({"telemetry.sdk.language": "java"})).more(json!({"events": [thrown(java)]})).gives(json!({
            "cause": {"exceptions": [
                {"id": "<2>", "message": "M", "type": "T", "remote": false, "cause": "<1>"},
                {"id": "<1>", "message": "a", "type": "X", "remote": false, "stack": [{"path": "C.java", "line": 1, "label": "a.b"}]},
            ]},
            "metadata": {"default": {"otel.resource.telemetry.sdk.language": "java"}},
        })),
        Case::new("events that are kept", SERVER, json!({})).options(|options| options.keep_events = true)
            .more(json!({"events": [kept, thrown("")]}))
            .gives(json!({
                "cause": {"exceptions": [{"id": "<1>", "message": "M", "type": "T", "remote": false}]},
                "metadata": {"default": {"otel.events": [{"name": "cache miss", "time": 1_700_000_000.123_456, "attributes": {"k": 1}}]}},
            })),
    ]);
}

#[test]
fn stack_traces() {
    let thrown = |language: &str, kind: &str, stack: &str| {
        let own = json!({"exception.type": kind, "exception.message": "x", "exception.stacktrace": stack});
        (json!({"telemetry.sdk.language": language}), json!({"events": [event("exception", &own)]}))
    };
    let frame = |path: &str, line: i64, label: &str| json!({"path": path, "line": line, "label": label});
    let first = |kind: &str, stack: Value| json!({"id": "<1>", "message": "x", "type": kind, "remote": false, "stack": stack});
    let javascript =
        "E\n    at speedy (/home/app/x.js:6:11)\n    at new Foo (native)\n    at file:///z.js:1:2";
    let dotnet = "E\n   at N.M(String s) in C:\\src\\a.cs:line 16\n   at N.O[T](T x)";
    let go = "goroutine 1 [running]:\nmain.f(0x1)\n\t/app/main.go:17 +0x1d";
    let python = "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nKeyError: 'k'\n\n\
        During handling of the above exception, another exception occurred:\n\n\
        Traceback (most recent call last):\n  File \"c.py\", line 1, in <module>\n    f()\nValueError: x";
    let during = json!([
        {"id": "<2>", "message": "x", "type": "ValueError", "remote": false, "cause": "<1>", "stack": [frame("c.py", 1, "<module>")]},
        {"id": "<1>", "message": "'k'", "type": "KeyError", "remote": false, "stack": [frame("a.py", 3, "f")]},
    ]);
    let rows = [
        // There the labels end in a blank, and the last frame is `file`, 0.
        (
            "X43",
            thrown("javascript", "T", javascript),
            json!([first(
                "T",
                json!([
                    frame("/home/app/x.js", 6, "speedy"),
                    frame("native", 0, "new Foo"),
                    frame("file:///z.js", 1, ""),
                ])
            )]),
        ),
        (
            "X44",
            thrown("dotnet", "T", dotnet),
            json!([first(
                "T",
                json!([frame("C:\\src\\a.cs", 16, "N.M(String s)"), frame("", 0, "N.O[T](T x)"),])
            )]),
        ),
        (
            "X45",
            thrown("go", "T", go),
            json!([first("T", json!([frame("/app/main.go", 17, "main.f(0x1)")]))]),
        ),
        ("X48", thrown("python", "ValueError", python), during),
    ];
    check(
        rows.into_iter()
            .map(|(id, (resource, more), exceptions)| {
                let default =
                    json!({"otel.resource.telemetry.sdk.language": resource["telemetry.sdk.language"]});
                Case::new(id, SERVER, json!({}))
                    .resource(resource)
                    .more(more)
                    .gives(json!({"cause": {"exceptions": exceptions}, "metadata": {"default": default}}))
            })
            .collect(),
    );
}

#[test]
fn members_come_in_the_reference_s_order() {
    let attributes = json!({"http.method": "GET", "http.url": "http://a/", "http.user_agent": "u", "http.client_ip": "1.1.1.1",
        "http.status_code": 500, "enduser.id": "me", "db.system": "mysql", "aws.operation": "o", "aws.region": "r",
        "a": 1, "z": 1});
    let case = Case::new("order", CLIENT, attributes)
        .resource(json!({"service.name": "s", "service.version": "1", "cloud.platform": "aws_ec2", "k8s.cluster.name": "k"}))
        .more(json!({
            "links": [{"traceId": "5f84c7a1e7d1852db8c4fd35d88bf49a", "spanId": "1111111111111111"}],
            "events": [event("exception", &json!({"exception.type": "T"}))],
        }));
    let options = Options { indexed_attributes: vec!["a".into()], ..Options::default() };
    let (documents, _) = translated(&case.request(), options);
    let text = String::from_utf8_lossy(&documents.bytes).into_owned();
    let order = [
        "\"name\"",
        "\"id\"",
        "\"start_time\"",
        "\"service\"",
        "\"origin\"",
        "\"user\"",
        "\"links\"",
        "\"trace_id\":\"1-5f84c7a1-e7d1852db8c4fd35d88bf49a\",\"end_time\"",
        "\"http\"",
        "\"x_forwarded_for\"",
        "\"method\"",
        "\"url\"",
        "\"user_agent\"",
        "\"client_ip\"",
        "\"status\"",
        "\"content_length\"",
        "\"fault\"",
        "\"error\"",
        "\"throttle\"",
        "\"cause\"",
        "\"aws\"",
        "\"ec2\"",
        "\"eks\"",
        "\"xray\"",
        "\"operation\"",
        "\"region\"",
        "\"annotations\"",
        "\"metadata\"",
        "\"namespace\"",
        "\"parent_id\"",
        "\"type\":\"subsegment\"",
        "\"sql\"",
        "\"connection_string\"",
    ];
    let mut from = 0;
    for key in order {
        let at = text[from..].find(key);
        from += at.unwrap_or_else(|| panic!("{key} is not where it should be: {text}"));
    }
}

#[test]
fn losses_are_counted() {
    let thrown =
        event("exception", &json!({"exception.type": "T", "exception.stacktrace": "s", "thread": 1}));
    let case = Case::new("losses", PRODUCER, json!({"server.address": "h", "peer.service": "p"})).svc().more(json!({
        "events": [event("cache miss", &json!({})), thrown],
        "status": {"code": 2, "message": "why"},
        "traceState": "a=b",
        "links": [{"traceId": "5f84c7a1e7d1852db8c4fd35d88bf49a", "spanId": "1111111111111111", "traceState": "c=d"}],
        "droppedEventsCount": 1,
    }));
    let counted = |options: Options, request: &[u8]| {
        let mut losses = Losses::default();
        Translator::new(options, 1).losses(request, &mut losses);
        losses.0.into_iter().map(|(loss, count)| (loss.code(), count)).collect::<Vec<_>>()
    };
    let expected = [
        ("kind", 1),
        ("name", 1),
        ("event", 1),
        ("exception_attribute", 1),
        ("stack_trace", 1),
        ("status_message", 1),
        ("network_attribute", 1),
        ("resource", 1),
        ("trace_state", 2),
        ("dropped_counts", 1),
        ("nanoseconds", 1),
    ];
    assert_eq!(counted(Options::default(), &case.request()), expected);
    let keeping = Options { keep_events: true, keep_network_attributes: true, ..Options::default() };
    let kept = expected.iter().filter(|(loss, _)| !["event", "network_attribute"].contains(loss)).copied();
    assert_eq!(counted(keeping, &case.request()), kept.collect::<Vec<_>>());
    let plain = Case::new("none", SERVER, json!({})).root().name("shop").svc();
    let times = json!({"startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001500000000"});
    assert_eq!(counted(Options::default(), &plain.more(times).request()), []);
}

#[test]
fn what_the_receiver_kept_of_exceptions_is_read_back() {
    let thrown = event(
        "exception",
        &json!({"exception.type": "T", "exception.message": "M",
        "exception.stacktrace": "T: M\n\tat f(a.java: 7)\n", "aws.xray.exception.id": "000000000000000e",
        "aws.xray.exception.cause": "000000000000000f", "aws.xray.exception.remote": true,
        "aws.xray.exception.truncated": 3, "aws.xray.exception.skipped": 1}),
    );
    let case = |id| {
        let resource = json!({"telemetry.sdk.language": "java"});
        Case::new(id, INTERNAL, json!({})).resource(resource).more(json!({"events": [thrown.clone()]}))
    };
    // Ids get their numbers by the names of the members: `cause` before `id`.
    let kept = json!({"id": "<2>", "type": "T", "message": "M", "remote": true, "truncated": 3, "skipped": 1, "cause": "<1>",
        "stack": [{"path": "a.java", "line": 7, "label": "f"}]});
    let mut reading = case("kept").options(|options| options.preserve_xray_fields = true);
    reading.expected = vec![json!({"type": "subsegment", "cause": {"exceptions": [kept]}})];
    let options = Options { preserve_xray_fields: true, ..Options::default() };
    let (documents, _) = translated(&reading.request(), options);
    let text = String::from_utf8_lossy(&documents.bytes).into_owned();
    assert!(
        text.contains("\"id\":\"000000000000000e\"") && text.contains("\"cause\":\"000000000000000f\""),
        "{text}"
    );
    reading.check();
    let plain = json!({"id": "<1>", "type": "T", "message": "M", "remote": false,
        "stack": [{"path": "a.java", "line": 0, "label": "f"}]});
    case("not kept").gives(json!({"type": "subsegment", "cause": {"exceptions": [plain]}})).check();
}

#[test]
fn bit_by_bit_the_same_documents_are_made() {
    // Local roots that call another service become two documents, whose ids are made up one after the other.
    let root =
        json!({"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "shop", "aws.remote.service": "bank"});
    let span = |id: usize, kind: u8| {
        let parent = if kind == 3 { PARENT } else { "" };
        json!({"traceId": "5759e988bd862e3fe1be46a994272793", "spanId": format!("{id:016x}"), "parentSpanId": parent,
            "name": "op", "kind": kind, "attributes": attributes(&if kind == 3 { root.clone() } else { json!({}) }),
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000"})
    };
    let scope = |first: usize| json!({"scope": {"name": format!("s{first}")}, "spans": [span(first, 2), span(first + 1, 3)]});
    let resource = |first: usize| {
        json!({"resource": {"attributes": attributes(&json!({"service.name": format!("r{first}")}))},
            "scopeSpans": [scope(first), {"scope": {}, "spans": []}, scope(first + 10)]})
    };
    let request = wire(&json!({"resourceSpans": [resource(100), {"scopeSpans": []}, resource(200)]}));
    let options = || Options { keep_events: true, ..Options::default() };
    let whole = translated(&request, options()).0;
    assert_eq!((whole.items, whole.entries.len()), (8, 12));
    for enough in 1..=13 {
        for enough in
            [Enough { documents: enough, ..Enough::NEVER }, Enough { bytes: enough * 100, ..Enough::NEVER }]
        {
            let mut translator = Translator::new(options(), 7);
            let (mut cursor, mut texts) = (Cursor::default(), Vec::new());
            let mut documents = Documents::default();
            let mut is_whole = false;
            while !is_whole {
                documents.clear();
                is_whole = translator.translate_some(&request, &mut cursor, enough, 0, &mut documents);
                assert!(is_whole || documents.entries.len() <= enough.documents.saturating_add(1));
                let is_enough = documents.entries.len() >= enough.documents || documents.work >= enough.bytes;
                assert!(is_whole || is_enough, "{enough:?}: {}", documents.entries.len());
                texts.extend(documents.entries.iter().map(|entry| documents.text(entry).to_vec()));
            }
            let expected: Vec<_> = whole.entries.iter().map(|entry| whole.text(entry).to_vec()).collect();
            assert!(texts == expected, "{enough:?}");
        }
    }
}
