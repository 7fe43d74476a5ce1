//! What is known about the sender of a batch.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

/// Selected facts about the client, carried with its items. Only batches of equal context are joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Context {
    /// Request metadata by lower-case name, each with its values in order; sorted by name.
    pub metadata: Vec<(Box<str>, Vec<Box<str>>)>,
    /// What the authenticator found out, by name; sorted.
    pub auth: Vec<(Box<str>, Box<str>)>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
}

static EMPTY: LazyLock<Arc<Context>> = LazyLock::new(|| Arc::new(Context::default()));

impl Context {
    /// The context of items about whose sender nothing is kept.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        Arc::clone(&EMPTY)
    }

    /// The values of a metadata entry; names are compared without regard to case.
    #[must_use]
    pub fn metadata(&self, name: &str) -> &[Box<str>] {
        let found = self.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or(&[], |(_, values)| values)
    }

    /// This context with nothing but the named metadata entries: what a joining stage groups by.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Arc<Self> {
        let kept = |key: &str| names.iter().any(|name| name.eq_ignore_ascii_case(key));
        let metadata: Vec<_> = self.metadata.iter().filter(|(key, _)| kept(key)).cloned().collect();
        if metadata.is_empty() { Self::empty() } else { Arc::new(Self { metadata, ..Self::default() }) }
    }
}
