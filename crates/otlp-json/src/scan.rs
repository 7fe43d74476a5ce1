//! The lexical half of the reader: white space, strings, numbers, and values that nobody asks for.

use crate::error::{Fault, Reason};
use crate::text::plain_len;

/// A position in a JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
    max_depth: usize,
}

/// The text between a string's quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a> {
    pub(crate) raw: &'a [u8],
    /// Where the opening quote is.
    pub(crate) start: usize,
    form: Form,
}

/// Whether a string has escapes. As wide as a word: a bool leaves padding, whose copying costs the reader
/// several per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Form {
    Plain,
    Escaped,
}

impl Quoted<'_> {
    /// Whether escapes have to be resolved, see [`unescape`].
    #[inline]
    pub(crate) fn is_escaped(&self) -> bool {
        self.form == Form::Escaped
    }
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(json: &'a [u8], max_depth: usize) -> Self {
        Self { json, at: 0, max_depth }
    }

    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space, which stays.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<u8, Fault> {
        loop {
            match self.json.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Fault::new(Reason::End, self.at)),
            }
        }
    }

    /// Passes over `byte` if it is next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Result<bool, Fault> {
        let found = self.peek()? == byte;
        self.at += usize::from(found);
        Ok(found)
    }

    /// Passes over `text` if it is right here, without white space before it.
    #[inline]
    pub(crate) fn take_text(&mut self, text: &[u8]) -> bool {
        let found = self.json.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Passes over `byte`, which must be next. `expected` says so in words.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.take(byte)? { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Ok(_) => Err(Fault::new(Reason::Trailing, self.at)),
            Err(_) => Ok(()),
        }
    }

    /// The error for what stands here.
    #[cold]
    pub(crate) fn unexpected(&self, expected: &'static str) -> Fault {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let Some(first) = rest.first() else { return Fault::new(Reason::End, self.at) };
        let found = match first {
            b'{' => "an object".to_owned(),
            b'[' => "an array".to_owned(),
            b'"' => "a string".to_owned(),
            b'-' | b'0'..=b'9' => "a number".to_owned(),
            _ if rest.starts_with(b"null") => "null".to_owned(),
            _ if rest.starts_with(b"true") || rest.starts_with(b"false") => "a boolean".to_owned(),
            _ => {
                let text = String::from_utf8_lossy(rest.get(..4).unwrap_or(rest)).into_owned();
                text.chars().next().map_or_else(String::new, |first| format!("{first:?}"))
            }
        };
        Fault::new(Reason::Expected { expected, found }, self.at)
    }

    /// Passes over `null` if it is next.
    #[inline]
    pub(crate) fn null(&mut self) -> Result<bool, Fault> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.word(b"null").map(|()| true)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.peek()? {
            b't' => self.word(b"true").map(|()| true),
            b'f' => self.word(b"false").map(|()| false),
            _ => Err(self.unexpected("true or false")),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        let rest = self.json.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A string, which must be next.
    // Always inlined: its result is larger than what registers return, and mostly taken apart at once.
    #[inline(always)]
    pub(crate) fn string(&mut self, expected: &'static str) -> Result<Quoted<'a>, Fault> {
        self.expect(b'"', expected)?;
        let begin = self.at;
        let rest = self.json.get(begin..).unwrap_or_default();
        let len = plain_len(rest);
        self.at += len;
        if rest.get(len) == Some(&b'"') {
            self.at += 1;
            let raw = rest.get(..len).unwrap_or_default();
            return Ok(Quoted { raw, start: begin - 1, form: Form::Plain });
        }
        self.long_string(begin)
    }

    /// The rest of a string that began at `begin`, from its first escape.
    #[cold]
    fn long_string(&mut self, begin: usize) -> Result<Quoted<'a>, Fault> {
        loop {
            match self.json.get(self.at) {
                Some(b'"') => {
                    let raw = self.json.get(begin..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(Quoted { raw, start: begin - 1, form: Form::Escaped });
                }
                // What the escape means is judged when it is resolved; here it only must not end the string.
                Some(b'\\') => self.at = (self.at + 2).min(self.json.len()),
                Some(control) => return Err(Fault::new(Reason::Control(*control), self.at)),
                None => return Err(Fault::new(Reason::End, self.json.len())),
            }
            self.at += plain_len(self.json.get(self.at..).unwrap_or_default());
        }
    }

    /// A number, which must be next, by JSON's grammar.
    #[inline]
    pub(crate) fn number(&mut self, expected: &'static str) -> Result<&'a [u8], Fault> {
        if !matches!(self.peek()?, b'-' | b'0'..=b'9') {
            return Err(self.unexpected(expected));
        }
        let rest = self.json.get(self.at..).unwrap_or_default();
        let len = number_len(rest).ok_or_else(|| Fault::new(Reason::Number, self.at))?;
        let (number, rest) = rest.split_at(len);
        if rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'))
        {
            return Err(Fault::new(Reason::Number, self.at));
        }
        self.at += len;
        Ok(number)
    }

    /// Passes over any value, checking its grammar.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek()? {
            b'{' => {
                self.check_depth(depth)?;
                self.at += 1;
                if self.take(b'}')? {
                    return Ok(());
                }
                loop {
                    let name = self.string("a field name")?;
                    check_escapes(name)?;
                    self.expect(b':', "':'")?;
                    self.skip(depth + 1)?;
                    if !self.more(b'}', "',' or '}'")? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.check_depth(depth)?;
                self.at += 1;
                if self.take(b']')? {
                    return Ok(());
                }
                loop {
                    self.skip(depth + 1)?;
                    if !self.more(b']', "',' or ']'")? {
                        return Ok(());
                    }
                }
            }
            b'"' => check_escapes(self.string("a string")?),
            b't' | b'f' => self.boolean().map(drop),
            b'n' => self.null().map(drop),
            _ => self.number("a value").map(drop),
        }
    }

    /// After an element: whether another follows, or the `close` that ends them.
    #[inline]
    pub(crate) fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, Fault> {
        if self.take(b',')? {
            return Ok(true);
        }
        self.expect(close, expected).map(|()| false)
    }

    #[inline]
    pub(crate) fn check_depth(&self, depth: usize) -> Result<(), Fault> {
        if depth <= self.max_depth { Ok(()) } else { Err(Fault::new(Reason::Depth(self.max_depth), self.at)) }
    }
}

/// Length of the number at the start of `text`, by JSON's grammar.
pub(crate) fn number_len(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
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

fn check_escapes(text: Quoted<'_>) -> Result<(), Fault> {
    if text.is_escaped() { unescape(text, |_| ()) } else { Ok(()) }
}

/// Resolves the escapes of a string and hands the pieces over in order. Half of a surrogate pair without the
/// other becomes U+FFFD, as in the reference.
pub(crate) fn unescape(text: Quoted<'_>, mut push: impl FnMut(&[u8])) -> Result<(), Fault> {
    let mut rest = text.raw;
    loop {
        let plain = rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len());
        let (before, escape) = rest.split_at(plain);
        push(before);
        let Some(code) = escape.get(1) else {
            return Ok(());
        };
        // The string began one byte after its opening quote.
        let fault = || Fault::new(Reason::Escape, text.start + 1 + text.raw.len() - escape.len());
        let mut len = 2;
        match code {
            b'"' | b'\\' | b'/' => push(&[*code]),
            b'b' => push(b"\x08"),
            b'f' => push(b"\x0c"),
            b'n' => push(b"\n"),
            b'r' => push(b"\r"),
            b't' => push(b"\t"),
            b'u' => {
                let unit = code_unit(escape).ok_or_else(fault)?;
                len = 6;
                let mut character = char::from_u32(u32::from(unit));
                if matches!(unit, 0xd800..0xdc00)
                    && let Some(low @ 0xdc00..0xe000) = escape.get(6..).and_then(code_unit)
                {
                    len = 12;
                    character = char::decode_utf16([unit, low]).next().and_then(Result::ok);
                }
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                push(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(fault()),
        }
        rest = escape.get(len..).unwrap_or_default();
    }
}

/// The code unit of `\uXXXX` at the start of `text`.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0u16, |unit, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}
