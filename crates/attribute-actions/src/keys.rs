//! The keys that actions name.

use std::collections::BTreeSet;

/// Keys, ordered by length and then by bytes; a key's number is its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    list: Vec<Box<[u8]>>,
    /// By length: the first key of that length and the first of a greater one.
    by_length: Vec<(usize, usize)>,
}

impl Keys {
    pub(crate) fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        let keys: BTreeSet<(usize, &[u8])> =
            keys.into_iter().map(|key| (key.len(), key.as_bytes())).collect();
        let list: Vec<Box<[u8]>> = keys.into_iter().map(|(_, key)| key.into()).collect();
        let longest = list.last().map_or(0, |key| key.len());
        let from = |length: usize| list.partition_point(|key| key.len() < length);
        let by_length = (0..=longest).map(|length| (from(length), from(length + 1))).collect();
        Self { list, by_length }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of a key. Most keys of telemetry are ruled out by their length.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        let (from, to) = *self.by_length.get(key.len())?;
        let same = self.list.get(from..to)?.iter().position(|known| **known == *key)?;
        Some(from + same)
    }

    pub(crate) fn get(&self, number: usize) -> &[u8] {
        self.list.get(number).map_or(&[], |key| key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().map(|key| &**key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_others_are_not() {
        let names = ["b", "aa", "a", "", "a", "http.url", "http.uri"];
        let keys = Keys::new(names);
        assert_eq!(keys.len(), 6);
        for name in names {
            let number = keys.find(name.as_bytes()).expect("it is there");
            assert_eq!(keys.get(number), name.as_bytes());
        }
        for name in ["c", "ab", "http.urk", "http.url.x", "12345"] {
            assert_eq!(keys.find(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Keys::new([]).find(b""), None);
    }
}
