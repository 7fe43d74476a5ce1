//! The `X-Amzn-Trace-Id` header: `Root=<trace id>[;Parent=<16 hex>][;Sampled=<0|1|?>][;<key>=<value>…]`.
//!
//! Read leniently, as X-Ray's SDKs do: a request never fails because of its header. What is not understood counts as
//! absent, and what is not known (`Lineage=…` of Lambda, an application's own pairs) is kept and written again.
//! `Self=`, which load balancers add, is meant for them alone and is dropped.
//!
//! Applications and what stands before them exchange it; the collector itself asks nobody for one.

use std::fmt;

use crate::ids;

/// The most pairs that are kept beside the known ones; what comes after is dropped.
pub const MAX_OTHERS: usize = 64;

/// What a caller says about sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    /// `0`: it is not recorded.
    No,
    /// `1`: it is recorded.
    Yes,
    /// `?`: the caller asks for a decision and wants it returned.
    Requested,
}

/// A header that was read, or is to be written with `to_string`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeader<'a> {
    /// The trace.
    pub root: Option<[u8; 16]>,
    /// The caller's subsegment or segment.
    pub parent: Option<[u8; 8]>,
    /// Whether it is recorded; absent if this service decides.
    pub sampled: Option<Sampled>,
    /// Every other pair, in order, at most [`MAX_OTHERS`].
    pub others: Vec<(&'a str, &'a str)>,
}

impl<'a> TraceHeader<'a> {
    /// Reads a header's value. Of a key that is there more than once the first counts.
    #[must_use]
    pub fn parse(value: &'a str) -> Self {
        let mut header = Self::default();
        for pair in value.split(';') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "" | "Self" => {}
                "Root" => header.root = header.root.or_else(|| ids::parse_trace_id(value.as_bytes())),
                "Parent" => header.parent = header.parent.or_else(|| ids::parse_segment_id(value.as_bytes())),
                "Sampled" => header.sampled = header.sampled.or_else(|| sampled(value)),
                _ if header.others.len() < MAX_OTHERS => header.others.push((key, value)),
                _ => {}
            }
        }
        header
    }
}

fn sampled(value: &str) -> Option<Sampled> {
    match value {
        "0" => Some(Sampled::No),
        "1" => Some(Sampled::Yes),
        "?" => Some(Sampled::Requested),
        _ => None,
    }
}

/// As the header's value, in the SDKs' order: `Root`, `Parent`, `Sampled`, the others.
impl fmt::Display for TraceHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut pair = |f: &mut fmt::Formatter<'_>, key: &str, value: &str| {
            let written = write!(f, "{separator}{key}={value}");
            separator = ";";
            written
        };
        if let Some(root) = self.root {
            pair(f, "Root", &String::from_utf8_lossy(&ids::trace_id(root)))?;
        }
        if let Some(parent) = self.parent {
            pair(f, "Parent", &String::from_utf8_lossy(&ids::segment_id(parent)))?;
        }
        if let Some(sampled) = self.sampled {
            let value = match sampled {
                Sampled::No => "0",
                Sampled::Yes => "1",
                Sampled::Requested => "?",
            };
            pair(f, "Sampled", value)?;
        }
        self.others.iter().try_for_each(|(key, value)| pair(f, key, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &str, written: &str) {
        let header = TraceHeader::parse(value);
        assert_eq!(header.to_string(), written);
        assert_eq!(TraceHeader::parse(written), header, "{value}");
    }

    #[test]
    fn headers_are_read_leniently_and_written_in_order() {
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let parent = "Parent=53995c3f42cd8ad8";
        check(root, root);
        check(&format!("{root};{parent};Sampled=1"), &format!("{root};{parent};Sampled=1"));
        check(&format!(" Sampled = ? ; {parent} ;{root}; "), &format!("{root};{parent};Sampled=?"));
        check(&format!("Self=1-67891234-12456789abcdef012345678;{root}"), root);
        check(
            &format!("{root};Lineage=a87bd80c:1|68fd508a:5;Sampled=0;team=a=b"),
            &format!("{root};Sampled=0;Lineage=a87bd80c:1|68fd508a:5;team=a=b"),
        );
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_and_read_again(
            value in "((Root|Parent|Sampled|Self|a|) ?= ?(1-5759e988-bd862e3fe1be46a994272793|53995c3f42cd8ad8|[01?]|.{0,5}) ?;?){0,6}",
        ) {
            let header = TraceHeader::parse(&value);
            let written = header.to_string();
            prop_assert_eq!(TraceHeader::parse(&written), header);
        }
    }

    #[test]
    fn what_is_not_understood_is_absent() {
        for value in ["", ";;;", "Root", "Root=", "Root=1-x", "root=1", "Parent=12", "Sampled=2", "=x"] {
            let header = TraceHeader::parse(value);
            assert_eq!((header.root, header.parent, header.sampled), (None, None, None), "{value}");
        }
        let many = "a=b;".repeat(1000);
        assert_eq!(TraceHeader::parse(&many).others.len(), MAX_OTHERS);
    }
}
