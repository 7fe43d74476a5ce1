//! What a section says about itself that only the whole configuration can judge.

use crate::id::ComponentId;
use crate::source::Span;

/// Something that a section binds or needs. Reading collects notes; see
/// [`Diagnostics::take_notes`](crate::Diagnostics::take_notes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is.
    pub subject: Subject,
    /// The value that says so, or the key of the section if that is by default.
    pub span: Span,
    /// The keys that lead there, joined by `::`.
    pub path: String,
}

/// What a note is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An address that is bound.
    Listener(Listener),
    /// An extension that must be configured and started: storage, an authenticator.
    Extension(ComponentId),
}

/// An address that a component binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `tcp`, `tcp4`, `tcp6`, `udp`, `unix`.
    pub transport: String,
    /// `host:port`, or the path of a socket.
    pub endpoint: String,
}

impl Listener {
    /// Whether both can't be bound at once, as far as the texts show: names are not resolved, but `localhost`.
    pub fn collides_with(&self, other: &Self) -> bool {
        let family = |transport: &str| transport.trim_end_matches(['4', '6']).to_owned();
        if family(&self.transport) != family(&other.transport) {
            return false;
        }
        if self.transport == "unix" {
            return self.endpoint == other.endpoint;
        }
        let versions = |one: &str, two: &str| matches!((one, two), ("tcp4", "tcp6") | ("tcp6", "tcp4"));
        let (Some((host, port)), Some((other_host, other_port))) =
            (parts(&self.endpoint), parts(&other.endpoint))
        else {
            return false;
        };
        // Port 0 is any that is free.
        port == other_port
            && port != 0
            && !versions(&self.transport, &other.transport)
            && (host == other_host || is_any(host) || is_any(other_host))
    }
}

/// Host and port; `localhost` in the form that most systems give it.
fn parts(endpoint: &str) -> Option<(&str, u16)> {
    let (host, port) = endpoint.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((if host == "localhost" { "127.0.0.1" } else { host }, port.parse().ok()?))
}

fn is_any(host: &str) -> bool {
    matches!(host, "" | "0.0.0.0" | "::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_collide_on_port_and_transport() {
        let listener = |text: &str| {
            let (transport, endpoint) = text.split_once(' ').unwrap_or_default();
            Listener { transport: transport.to_owned(), endpoint: endpoint.to_owned() }
        };
        let check = |one: &str, other: &str, collide: bool| {
            assert_eq!(listener(one).collides_with(&listener(other)), collide, "{one}, {other}");
            assert_eq!(listener(other).collides_with(&listener(one)), collide, "{other}, {one}");
        };
        check("tcp localhost:4317", "tcp 127.0.0.1:4317", true);
        check("tcp 0.0.0.0:4317", "tcp 10.0.0.1:4317", true);
        check("tcp [::]:4317", "tcp localhost:4317", true);
        check("tcp :4317", "tcp4 localhost:4317", true);
        check("tcp [::1]:4317", "tcp [::1]:4317", true);
        check("tcp localhost:4317", "tcp localhost:4318", false);
        check("tcp 10.0.0.1:4317", "tcp 10.0.0.2:4317", false);
        check("tcp4 0.0.0.0:4317", "tcp6 [::]:4317", false);
        check("tcp localhost:0", "tcp localhost:0", false);
        check("tcp localhost:2000", "udp localhost:2000", false);
        check("unix /run/a", "unix /run/a", true);
        check("unix /run/a", "unix /run/b", false);
        check("tcp nonsense", "tcp nonsense", false);
    }
}
