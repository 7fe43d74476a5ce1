//! JSON's lexical forms: a position in a text, and the values that are passed over or pointed at.

use std::borrow::Cow;

use super::refusal::Reason;
use crate::json::scan::unescape;

/// Values nested deeper than this are refused; X-Ray's documents need a dozen levels.
const MAX_DEPTH: usize = 200;

/// What ends the reading of a document: it is no JSON, or goes beyond a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) at: usize,
}

/// The characters between a string's quotes, as a place in the document. Half as large as a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    start: u32,
    /// The highest bit says that there are escapes.
    end: u32,
}

const ESCAPED: u32 = 1 << 31;

impl Text {
    /// No string.
    pub(super) const NONE: Self = Self { start: u32::MAX, end: u32::MAX };

    #[inline]
    pub(super) fn is_some(self) -> bool {
        self != Self::NONE
    }

    #[inline]
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// This, or the other if there is none.
    #[inline]
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_some() { self } else { other }
    }

    /// What stands between the quotes.
    #[inline]
    pub(super) fn raw(self, json: &[u8]) -> &[u8] {
        json.get(self.start as usize..(self.end & !ESCAPED) as usize).unwrap_or_default()
    }

    /// The string, escapes resolved.
    #[inline]
    pub(super) fn get(self, json: &[u8]) -> Cow<'_, [u8]> {
        let raw = self.raw(json);
        if self.is_some() && self.end & ESCAPED != 0 { unescape(raw) } else { Cow::Borrowed(raw) }
    }

    #[inline]
    pub(super) fn is_escaped(self) -> bool {
        self.end & ESCAPED != 0
    }
}

/// A value as a place in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

impl Place {
    /// No value.
    pub(super) const NONE: Self = Self { start: 0, end: 0 };

    #[inline]
    pub(super) fn is_some(self) -> bool {
        self.end != 0
    }

    /// The value as it stands in the document.
    #[inline]
    pub(super) fn get(self, json: &[u8]) -> &[u8] {
        json.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A position in a JSON text, which is UTF-8.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(json: &'a [u8]) -> Self {
        Self { json, at: 0 }
    }

    #[inline]
    pub(super) fn json(&self) -> &'a [u8] {
        self.json
    }

    #[inline]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// What was read since the position `start`.
    #[inline]
    pub(super) fn since(&self, start: usize) -> Place {
        Place { start: start as u32, end: self.at as u32 }
    }

    /// The next byte that is not white space, which stays.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Fault> {
        loop {
            match self.json.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(self.fault()),
            }
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek()? == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    /// Passes over the bracket that opens an object or array; says whether it is empty, which is then passed, too.
    #[inline]
    pub(super) fn open(&mut self, open: u8, close: u8) -> Result<bool, Fault> {
        self.expect(open)?;
        let empty = self.peek()? == close;
        self.at += usize::from(empty);
        Ok(empty)
    }

    /// After an element: whether another follows, or the bracket that ends them.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Fault> {
        let next = self.peek()?;
        if next != b',' && next != close {
            return Err(self.fault());
        }
        self.at += 1;
        Ok(next == b',')
    }

    /// A member's name and the colon after it.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Text, Fault> {
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// Checks that nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.peek().is_ok() { Err(self.fault()) } else { Ok(()) }
    }

    /// The fault that here is no JSON.
    #[cold]
    pub(super) fn fault(&self) -> Fault {
        Fault { reason: Reason::NotJson, at: self.at }
    }

    /// A string, which must be next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += plain_len(self.json.get(start..).unwrap_or_default());
        if self.json.get(self.at) == Some(&b'"') {
            let end = self.at;
            self.at += 1;
            return Ok(Text { start: start as u32, end: end as u32 });
        }
        self.escaped_string(start)
    }

    /// The rest of a string that began at `start`, from its first escape.
    #[cold]
    fn escaped_string(&mut self, start: usize) -> Result<Text, Fault> {
        loop {
            match self.json.get(self.at) {
                Some(b'"') => {
                    let end = self.at as u32 | ESCAPED;
                    self.at += 1;
                    return Ok(Text { start: start as u32, end });
                }
                Some(b'\\') => {
                    let escape = self.json.get(self.at..).unwrap_or_default();
                    self.at += escape_len(escape).ok_or_else(|| self.fault())?;
                }
                // A control character, or the end.
                _ => return Err(self.fault()),
            }
            self.at += plain_len(self.json.get(self.at..).unwrap_or_default());
        }
    }

    /// A number, by JSON's grammar, which must be next.
    #[inline]
    pub(super) fn number(&mut self) -> Result<&'a str, Fault> {
        self.peek()?;
        let rest = self.json.get(self.at..).unwrap_or_default();
        let len = number_len(rest).ok_or_else(|| self.fault())?;
        let number = rest.get(..len).and_then(|number| std::str::from_utf8(number).ok()).unwrap_or_default();
        self.at += len;
        Ok(number)
    }

    /// `true`, `false` or `null`, which must be next.
    #[inline]
    pub(super) fn word(&mut self) -> Result<Word, Fault> {
        self.peek()?;
        let rest = self.json.get(self.at..).unwrap_or_default();
        let (word, len) = match rest {
            [b't', b'r', b'u', b'e', ..] => (Word::True, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Word::False, 5),
            [b'n', b'u', b'l', b'l', ..] => (Word::Null, 4),
            _ => return Err(self.fault()),
        };
        self.at += len;
        Ok(word)
    }

    /// Passes over `null` if it is next.
    #[inline]
    pub(super) fn null(&mut self) -> Result<bool, Fault> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.word().map(|_| true)
    }

    /// Passes over any value, by JSON's grammar; `depth` is how deep it lies.
    pub(super) fn skip(&mut self, depth: usize) -> Result<Place, Fault> {
        let first = self.peek()?;
        let start = self.at as u32;
        match first {
            b'{' | b'[' if depth >= MAX_DEPTH => {
                return Err(Fault { reason: Reason::TooDeep, at: self.at });
            }
            b'{' => {
                let mut more = !self.open(b'{', b'}')?;
                while more {
                    self.name()?;
                    self.skip(depth + 1)?;
                    more = self.more(b'}')?;
                }
            }
            b'[' => {
                let mut more = !self.open(b'[', b']')?;
                while more {
                    self.skip(depth + 1)?;
                    more = self.more(b']')?;
                }
            }
            b'"' => {
                self.string()?;
            }
            b't' | b'f' | b'n' => {
                self.word()?;
            }
            _ => {
                self.number()?;
            }
        }
        Ok(Place { start, end: self.at as u32 })
    }
}

/// JSON's three words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    True,
    False,
    Null,
}

/// How many bytes at the start of a text are neither quote nor backslash nor control character.
#[inline]
pub(super) fn plain_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + (special.trailing_zeros() / 8) as usize;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    text.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

/// Marks the first such byte of a little-endian word in its highest bit; those after it may be marked wrongly.
#[inline]
const fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let quotes = word ^ (ONES * b'"' as u64);
    let backslashes = word ^ (ONES * b'\\' as u64);
    let zeros = quotes.wrapping_sub(ONES) & !quotes | backslashes.wrapping_sub(ONES) & !backslashes;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (zeros | controls) & (ONES * 0x80)
}

/// Length of the number at the start of a text, by JSON's grammar.
#[inline]
fn number_len(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        text.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut len = usize::from(text.first() == Some(&b'-'));
    let whole = digits(len);
    if whole == 0 || (whole > 1 && text.get(len) == Some(&b'0')) {
        return None;
    }
    len += whole;
    if text.get(len) == Some(&b'.') {
        let decimals = digits(len + 1);
        if decimals == 0 {
            return None;
        }
        len += 1 + decimals;
    }
    if matches!(text.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        if exponent == 0 {
            return None;
        }
        len += 1 + sign + exponent;
    }
    Some(len)
}

/// Length of the escape at the start of a text.
fn escape_len(escape: &[u8]) -> Option<usize> {
    match escape.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => code_unit(escape).map(|_| 6),
        _ => None,
    }
}

/// The code unit of `\uXXXX` at the start of a text.
fn code_unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0_u16, |unit, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}
