//! Attributes, written to the wire one behind the other.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use otlp::wire::{
    WireType, len_field_len, varint_len, write_fixed64_field, write_tag, write_varint, write_varint_field,
};

use super::scan::Text;
use super::steps;

/// `KeyValue.key`, `KeyValue.value`.
const KEY: u32 = 1;
const VALUE: u32 = 2;
/// The members of `AnyValue`.
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
/// `ArrayValue.values`.
const VALUES: u32 = 1;

/// The attributes of one message; [`open`](Self::open) begins another's.
///
/// Names are written once: of two attributes of one name the later counts, as in the reference, whose attributes are a
/// map. That is looked after only while [`watched`](Self::open), since names of our own never meet.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    field: u32,
    watched: bool,
    /// Where the names and the attributes written so far lie, while two of one name are possible.
    written: Vec<Written>,
    /// The last of them whose name has this hash: a document may have thousands.
    by_name: HashMap<u64, usize>,
    hasher: RandomState,
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    start: usize,
    end: usize,
    name: usize,
    name_len: usize,
}

impl Attributes {
    /// Begins the attributes of a message, which are its field number `field`.
    pub(super) fn open(&mut self, field: u32, watched: bool) {
        self.field = field;
        self.watched = watched;
        self.written.clear();
        self.by_name.clear();
    }

    /// A string, unless there is none.
    #[inline]
    pub(super) fn text(&mut self, out: &mut Vec<u8>, name: &str, value: Text, json: &[u8]) {
        if value.is_none() {
            return;
        }
        if value.is_escaped() {
            self.bytes(out, name.as_bytes(), &value.get(json));
        } else {
            self.bytes(out, name.as_bytes(), value.raw(json));
        }
    }

    /// A string.
    #[inline]
    pub(super) fn bytes(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        let any = len_field_len(STRING, value.len());
        self.head(out, name, any);
        write_tag(out, STRING, WireType::Len);
        write_varint(out, value.len() as u64);
        out.extend_from_slice(value);
    }

    /// A bool, unless there is none.
    pub(super) fn flag(&mut self, out: &mut Vec<u8>, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.bool(out, name.as_bytes(), value);
        }
    }

    pub(super) fn bool(&mut self, out: &mut Vec<u8>, name: &[u8], value: bool) {
        self.head(out, name, 2);
        write_varint_field(out, BOOL, u64::from(value));
    }

    /// An int, unless there is none.
    pub(super) fn int(&mut self, out: &mut Vec<u8>, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.whole(out, name.as_bytes(), value);
        }
    }

    pub(super) fn whole(&mut self, out: &mut Vec<u8>, name: &[u8], value: i64) {
        self.head(out, name, 1 + varint_len(value as u64));
        write_varint_field(out, INT, value as u64);
    }

    pub(super) fn double(&mut self, out: &mut Vec<u8>, name: &[u8], value: f64) {
        self.head(out, name, 9);
        write_fixed64_field(out, DOUBLE, value.to_bits());
    }

    /// An array of strings.
    pub(super) fn array(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        values: impl Iterator<Item = Text>,
        json: &[u8],
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for value in values {
            let value = value.get(json);
            write_tag(&mut scratch, VALUES, WireType::Len);
            write_varint(&mut scratch, len_field_len(STRING, value.len()) as u64);
            write_tag(&mut scratch, STRING, WireType::Len);
            write_varint(&mut scratch, value.len() as u64);
            scratch.extend_from_slice(&value);
        }
        self.head(out, name.as_bytes(), len_field_len(ARRAY, scratch.len()));
        write_tag(out, ARRAY, WireType::Len);
        write_varint(out, scratch.len() as u64);
        out.extend_from_slice(&scratch);
        self.scratch = scratch;
    }

    /// A value that is written already, as the bytes of an `AnyValue`.
    pub(super) fn encoded(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.head(out, name, value.len());
        out.extend_from_slice(value);
    }

    /// Whether there is an attribute of this name. Known only while [`watched`](Self::open).
    pub(super) fn has(&self, out: &[u8], name: &[u8]) -> bool {
        self.find(out, name).is_some()
    }

    fn find(&self, out: &[u8], name: &[u8]) -> Option<(usize, Written)> {
        let found = *self.by_name.get(&self.hasher.hash_one(name))?;
        let written = *self.written.get(found)?;
        let Written { start, end, name: at, name_len } = written;
        (start < end && out.get(at..at + name_len) == Some(name)).then_some((found, written))
    }

    /// Everything of an attribute up to its value's member, which takes `any` bytes.
    #[inline]
    fn head(&mut self, out: &mut Vec<u8>, name: &[u8], any: usize) {
        if self.watched {
            self.replace(out, name);
        }
        let start = out.len();
        let len = len_field_len(KEY, name.len()) + len_field_len(VALUE, any);
        write_tag(out, self.field, WireType::Len);
        write_varint(out, len as u64);
        write_tag(out, KEY, WireType::Len);
        write_varint(out, name.len() as u64);
        let at = out.len();
        out.extend_from_slice(name);
        write_tag(out, VALUE, WireType::Len);
        write_varint(out, any as u64);
        if self.watched {
            self.by_name.insert(self.hasher.hash_one(name), self.written.len());
            self.written.push(Written { start, end: out.len() + any, name: at, name_len: name.len() });
        }
    }

    /// Takes out the attribute of this name, if there is one.
    #[cold]
    fn replace(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        let Some((found, Written { start, end, .. })) = self.find(out, name) else { return };
        let Some(len) = end.checked_sub(start).filter(|_| end <= out.len()) else { return };
        out.drain(start..end);
        steps::took(self.written.len() - found);
        for later in self.written.iter_mut().skip(found + 1) {
            later.start -= len;
            later.end -= len;
            later.name -= len;
        }
        if let Some(gone) = self.written.get_mut(found) {
            gone.end = gone.start;
        }
    }
}

/// Appends a length-delimited field whose payload `body` appends; the payload is moved if its length takes another
/// number of bytes than the `guess`.
pub(super) fn nested(out: &mut Vec<u8>, field: u32, guess: usize, body: impl FnOnce(&mut Vec<u8>)) {
    write_tag(out, field, WireType::Len);
    let at = out.len();
    out.resize(at + guess, 0);
    body(out);
    close(out, at, guess);
}

/// Puts the length of what follows `out[at..at + guess]` there.
pub(super) fn close(out: &mut Vec<u8>, at: usize, guess: usize) {
    let start = at + guess;
    let len = out.len().saturating_sub(start);
    let needed = varint_len(len as u64);
    if needed > guess {
        out.resize(out.len() + needed - guess, 0);
        out.copy_within(start..start + len, at + needed);
    } else if needed < guess {
        out.copy_within(start..start + len, at + needed);
        out.truncate(at + needed + len);
    }
    let mut value = len as u64;
    for place in out.iter_mut().skip(at).take(needed) {
        *place = (value & 0x7f) as u8 | 0x80;
        value >>= 7;
    }
    if let Some(last) = out.get_mut(at + needed - 1) {
        *last &= 0x7f;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_in_their_shortest_form_whatever_was_guessed() {
        for len in [0_usize, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            for guess in 1..4 {
                let body: Vec<u8> = (0..len).map(|at| at as u8).collect();
                let mut out = vec![7];
                nested(&mut out, 2, guess, |out| out.extend_from_slice(&body));
                let mut plain = vec![7];
                otlp::wire::write_len_field(&mut plain, 2, &body);
                assert!(out == plain, "{len} bytes, guessed {guess}");
            }
        }
    }

    #[test]
    fn the_later_of_two_attributes_of_one_name_counts() {
        let mut attributes = Attributes::default();
        attributes.open(9, true);
        let mut out = b"before".to_vec();
        attributes.whole(&mut out, b"a", 1);
        attributes.bytes(&mut out, b"b", b"2");
        attributes.bool(&mut out, b"c", true);
        attributes.double(&mut out, b"a", 4.0);
        attributes.bytes(&mut out, b"c", b"5");
        let mut wanted = b"before".to_vec();
        attributes.open(9, false);
        attributes.bytes(&mut wanted, b"b", b"2");
        attributes.double(&mut wanted, b"a", 4.0);
        attributes.bytes(&mut wanted, b"c", b"5");
        assert_eq!(out, wanted);
    }
}
