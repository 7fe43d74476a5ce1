//! Typed values out of a document: what has another type is passed over, and noted against the segment that it is in.

use super::document::{Document, Extra, Namespace, Value};
use super::refusal::Reason;
use super::scan::{Fault, Place, Scanner, Text, Word};

/// What is wrong with a segment: the first thing that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrong {
    pub(super) reason: Reason,
    pub(super) field: &'static str,
    pub(super) at: usize,
}

/// Reads a document into a [`Document`].
pub(super) struct Parser<'a, 'd> {
    pub(super) scan: Scanner<'a>,
    pub(super) document: &'d mut Document,
    /// What is wrong with the segment that is being read.
    pub(super) wrong: Option<Wrong>,
    /// The number of the segment that is being read.
    pub(super) current: usize,
    /// Whether fields without a place of their own are kept.
    pub(super) preserve: bool,
}

/// What is done with each member of an object.
pub(super) type Member<'m, 'a, 'd> = &'m mut dyn FnMut(&mut Parser<'a, 'd>, &[u8], Text) -> Result<(), Fault>;

impl<'a, 'd> Parser<'a, 'd> {
    /// Notes what is wrong here, unless something is already.
    #[cold]
    pub(super) fn note(&mut self, reason: Reason, field: &'static str) {
        let at = self.scan.position();
        self.wrong.get_or_insert(Wrong { reason, field, at });
    }

    /// Passes over a value of the wrong type.
    #[cold]
    fn wrong_type(&mut self, field: &'static str) -> Result<(), Fault> {
        self.note(Reason::WrongType, field);
        self.pass()
    }

    /// Passes over a value.
    pub(super) fn pass(&mut self) -> Result<(), Fault> {
        self.scan.skip(0)?;
        Ok(())
    }

    /// A string; null is none.
    #[inline]
    pub(super) fn text(&mut self, field: &'static str) -> Result<Text, Fault> {
        match self.scan.peek()? {
            b'"' => self.scan.string(),
            b'n' => self.scan.word().map(|_| Text::NONE),
            _ => self.wrong_type(field).map(|()| Text::NONE),
        }
    }

    /// True or false; null is none.
    #[inline]
    pub(super) fn flag(&mut self, field: &'static str) -> Result<Option<bool>, Fault> {
        match self.scan.peek()? {
            b't' | b'f' | b'n' => {
                let word = self.scan.word()?;
                Ok((word != Word::Null).then_some(word == Word::True))
            }
            _ => self.wrong_type(field).map(|()| None),
        }
    }

    /// A number without fraction and exponent; null is none.
    pub(super) fn int(&mut self, field: &'static str) -> Result<Option<i64>, Fault> {
        match self.scan.peek()? {
            b'-' | b'0'..=b'9' => {
                let number = self.scan.number()?.parse().ok();
                if number.is_none() {
                    self.note(Reason::WrongType, field);
                }
                Ok(number)
            }
            b'n' => self.scan.word().map(|_| None),
            _ => self.wrong_type(field).map(|()| None),
        }
    }

    /// A number; null is none. What a double can't hold is of the wrong type.
    #[inline]
    pub(super) fn double(&mut self, field: &'static str) -> Result<Option<f64>, Fault> {
        match self.scan.peek()? {
            b'-' | b'0'..=b'9' => {
                let number = finite(self.scan.number()?);
                if number.is_none() {
                    self.note(Reason::WrongType, field);
                }
                Ok(number)
            }
            b'n' => self.scan.word().map(|_| None),
            _ => self.wrong_type(field).map(|()| None),
        }
    }

    /// An array of strings as a place; null is none. One with nulls in it is no list of texts: where fields are kept it is
    /// among those without a place of their own.
    pub(super) fn texts(
        &mut self,
        field: &'static str,
        path: &'static [&'static str],
        key: Text,
    ) -> Result<Place, Fault> {
        let start = self.start()?;
        match self.scan.peek()? {
            b'[' => {
                let mut has_null = false;
                self.array(field, &mut |parser| {
                    has_null |= parser.scan.peek()? == b'n';
                    parser.text(field).map(|_| ())
                })?;
                let place = self.scan.since(start);
                if has_null && self.preserve {
                    self.keep(path, key, place);
                    return Ok(Place::NONE);
                }
                Ok(place)
            }
            b'n' => self.scan.word().map(|_| Place::NONE),
            _ => self.wrong_type(field).map(|()| Place::NONE),
        }
    }

    /// An object, member by member; null is none. Says whether there is one.
    pub(super) fn object(&mut self, field: &'static str, each: Member<'_, 'a, 'd>) -> Result<bool, Fault> {
        match self.scan.peek()? {
            b'{' => {
                let json = self.scan.json();
                let mut more = !self.scan.open(b'{', b'}')?;
                while more {
                    let key = self.scan.name()?;
                    if key.is_escaped() {
                        let resolved = key.get(json).into_owned();
                        each(self, &resolved, key)?;
                    } else {
                        each(self, key.raw(json), key)?;
                    }
                    more = self.scan.more(b'}')?;
                }
                Ok(true)
            }
            b'n' => self.scan.word().map(|_| false),
            _ => self.wrong_type(field).map(|()| false),
        }
    }

    /// An array, element by element; null is none.
    pub(super) fn array(
        &mut self,
        field: &'static str,
        each: &mut dyn FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.scan.peek()? {
            b'[' => {
                let mut more = !self.scan.open(b'[', b']')?;
                while more {
                    each(self)?;
                    more = self.scan.more(b']')?;
                }
                Ok(())
            }
            b'n' => self.scan.word().map(|_| ()),
            _ => self.wrong_type(field),
        }
    }

    /// Any value.
    pub(super) fn value(&mut self) -> Result<Value, Fault> {
        Ok(match self.scan.peek()? {
            b'"' => Value::Text(self.scan.string()?),
            b't' | b'f' => Value::Bool(self.scan.word()? == Word::True),
            b'-' | b'0'..=b'9' => {
                let place = self.scan.skip(0)?;
                let number = std::str::from_utf8(place.get(self.scan.json())).ok().and_then(finite);
                number.map_or(Value::Other(place), |number| Value::Number(number, place))
            }
            _ => Value::Other(self.scan.skip(0)?),
        })
    }

    /// A field that has no place of its own.
    pub(super) fn extra(&mut self, path: &'static [&'static str], key: Text) -> Result<(), Fault> {
        let value = self.scan.skip(0)?;
        self.keep(path, key, value);
        Ok(())
    }

    /// Keeps a member of an exception that has no place of its own, if such are kept.
    pub(super) fn keep_of_exception(&mut self, name: Text, value: Place) {
        if self.preserve {
            self.document.of_exceptions.push(Namespace { name, value });
        }
    }

    /// Keeps a field that has no place of its own, if such are kept.
    pub(super) fn keep(&mut self, path: &'static [&'static str], key: Text, value: Place) {
        if self.preserve {
            self.document.extras.push(Extra { segment: self.current, path, key, value });
        }
    }

    /// Where the value that follows begins.
    #[inline]
    pub(super) fn start(&mut self) -> Result<usize, Fault> {
        self.scan.peek()?;
        Ok(self.scan.position())
    }

    /// The value that follows as a place, without passing over it. It is read twice then: what is read anyway is found
    /// with [`start`](Self::start) and [`Scanner::since`].
    pub(super) fn ahead(&mut self) -> Result<Place, Fault> {
        self.scan.clone().skip(0)
    }
}

fn finite(number: &str) -> Option<f64> {
    number.parse().ok().filter(|number: &f64| number.is_finite())
}
