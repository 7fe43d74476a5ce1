//! What is known of the sender, as values of attributes.

use data::Context;
use otlp::wire::write_len_field;

/// A fact about the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Metadata(String),
    Auth(String),
    Address,
}

impl Fact {
    /// Reads `from_context`. A key without a known prefix is one of metadata.
    pub(crate) fn new(written: &str) -> Self {
        match written {
            "client.address" => Self::Address,
            _ => match (written.strip_prefix("metadata."), written.strip_prefix("auth.")) {
                (Some(key), _) => Self::Metadata(key.to_owned()),
                (_, Some(name)) => Self::Auth(name.to_owned()),
                _ => Self::Metadata(written.to_owned()),
            },
        }
    }

    /// The fact as an encoded `AnyValue`; nothing if it is not known.
    pub(crate) fn encode(&self, context: &Context) -> Option<Vec<u8>> {
        let text = match self {
            Self::Metadata(key) => match context.metadata(key) {
                [] => return None,
                values => values.join(";"),
            },
            Self::Auth(name) => context.auth.iter().find(|(known, _)| **known == **name)?.1.to_string(),
            // An IPv4 address that came over an IPv6 socket is shown as such.
            Self::Address => context.peer?.ip().to_canonical().to_string(),
        };
        let mut value = Vec::with_capacity(text.len() + 4);
        write_len_field(&mut value, 1, text.as_bytes());
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_where_they_are() {
        let context = Context {
            metadata: vec![("tenant".into(), vec!["a".into(), "b".into()]), ("x".into(), vec!["".into()])],
            auth: vec![("subject".into(), "me".into())],
            peer: Some("[::ffff:192.0.2.1]:4317".parse().expect("an address")),
        };
        let check = |written: &str, expected: Option<&str>| {
            let found = Fact::new(written).encode(&context);
            assert_eq!(found.as_ref().map(|value| &value[2..]), expected.map(str::as_bytes), "{written}");
            assert_eq!(Fact::new(written).encode(&Context::default()), None, "{written}");
        };
        check("metadata.tenant", Some("a;b"));
        check("metadata.Tenant", Some("a;b"));
        check("tenant", Some("a;b"));
        check("metadata.x", Some(""));
        check("metadata.y", None);
        check("auth.subject", Some("me"));
        check("auth.tenant", None);
        check("client.address", Some("192.0.2.1"));
    }
}
