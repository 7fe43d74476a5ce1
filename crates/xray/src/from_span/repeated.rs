//! Messages that a span may have any number of: its events, its links.

use otlp::wire::{Fields, Value};

/// So many are listed: what SDKs keep of a span, unless they are told otherwise. Those behind are looked for again each
/// time, since one of two bytes would take sixteen in a list.
const LISTED: usize = 128;

/// The messages of one field of a span.
#[derive(Debug)]
pub(super) struct Repeated<'a> {
    number: u32,
    first: Vec<&'a [u8]>,
    len: usize,
    /// The span's bytes, if there are more than are listed.
    span: &'a [u8],
}

impl<'a> Repeated<'a> {
    /// Those of a field's number.
    pub(super) const fn new(number: u32) -> Self {
        Self { number, first: Vec::new(), len: 0, span: &[] }
    }

    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.len = 0;
        self.span = &[];
    }

    /// Takes the next one of a span.
    #[inline]
    pub(super) fn push(&mut self, message: &'a [u8], span: &'a [u8]) {
        self.len += 1;
        if self.first.len() < LISTED {
            self.first.push(message);
        } else {
            self.span = span;
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let number = self.number;
        let all = Fields::new(self.span).filter_map(move |field| match field.value {
            Value::Len(message) if field.number == number => Some(message),
            _ => None,
        });
        self.first.iter().copied().chain(all.skip(self.first.len()))
    }
}

#[cfg(test)]
mod tests {
    use otlp::wire::write_len_field;

    use super::*;

    #[test]
    fn what_is_not_listed_is_found_again() {
        for count in [0, 1, LISTED, LISTED + 1, 3 * LISTED] {
            let mut span = Vec::new();
            for number in 0..count {
                write_len_field(&mut span, 9, b"another");
                write_len_field(&mut span, 11, number.to_string().as_bytes());
            }
            let mut events = Repeated::new(11);
            for _ in 0..2 {
                events.clear();
                for field in Fields::new(&span) {
                    if let (11, Value::Len(event)) = (field.number, field.value) {
                        events.push(event, &span);
                    }
                }
                let found: Vec<_> = events.iter().map(<[u8]>::to_vec).collect();
                let all: Vec<_> = (0..count).map(|number| number.to_string().into_bytes()).collect();
                assert_eq!((found, events.len(), events.is_empty()), (all, count, count == 0));
                assert!(events.first.len() <= LISTED);
            }
        }
    }
}
