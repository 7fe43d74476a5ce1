//! JSON as it comes: checked once, then copied or taken apart as text.

use std::borrow::Cow;
use std::ops::Range;

/// The deepest nesting that is read.
pub const MAX_DEPTH: u32 = 100;

/// The deepest nesting of what has been checked already, and may have been put into other objects since.
const CHECKED_DEPTH: u32 = 2 * MAX_DEPTH + 50;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number that a double can hold.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

/// Reads a text that is one JSON value; without the blanks around it. None if it is not.
#[must_use]
pub fn document(text: &[u8]) -> Option<(Kind, &[u8])> {
    let start = text.trim_ascii_start();
    let (kind, rest) = value(start, MAX_DEPTH)?;
    let value = start.get(..start.len() - rest.len())?;
    rest.iter().all(|byte| is_blank(*byte)).then_some((kind, value))
}

/// Reads the value that a text begins with: the value, without the blanks before it, and what follows it. None if there
/// is none.
#[must_use]
pub fn first(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = text.trim_ascii_start();
    let (_, rest) = value(start, MAX_DEPTH)?;
    Some((start.get(..start.len() - rest.len())?, rest))
}

/// Reads a value and returns what follows it.
fn value(text: &[u8], depth: u32) -> Option<(Kind, &[u8])> {
    match text.first()? {
        b'{' => members(text.get(1..)?, b'}', depth.checked_sub(1)?).map(|rest| (Kind::Object, rest)),
        b'[' => members(text.get(1..)?, b']', depth.checked_sub(1)?).map(|rest| (Kind::Array, rest)),
        b'"' => string(text).map(|(_, rest)| (Kind::String, rest)),
        b't' => text.strip_prefix(b"true").map(|rest| (Kind::Bool, rest)),
        b'f' => text.strip_prefix(b"false").map(|rest| (Kind::Bool, rest)),
        b'n' => text.strip_prefix(b"null").map(|rest| (Kind::Null, rest)),
        _ => number(text).map(|rest| (Kind::Number, rest)),
    }
}

fn members(text: &[u8], end: u8, depth: u32) -> Option<&[u8]> {
    let mut rest = skip_blanks(text);
    if let Some(rest) = rest.strip_prefix(&[end]) {
        return Some(rest);
    }
    loop {
        if end == b'}' {
            let (_, after) = string(rest)?;
            rest = skip_blanks(skip_blanks(after).strip_prefix(b":")?);
        }
        rest = skip_blanks(value(rest, depth)?.1);
        if let Some(rest) = rest.strip_prefix(&[end]) {
            return Some(rest);
        }
        rest = skip_blanks(rest.strip_prefix(b",")?);
    }
}

/// Reads a string: what stands between its quotes, and what follows.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let body = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += body.get(at..)?.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))?;
        match body.get(at)? {
            b'"' => return Some((body.get(..at)?, body.get(at + 1..)?)),
            b'\\' => at += escape_len(body.get(at + 1..)?)? + 1,
            _ => return None,
        }
    }
}

fn escape_len(after_backslash: &[u8]) -> Option<usize> {
    match after_backslash.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
        b'u' => after_backslash.get(1..5)?.iter().all(u8::is_ascii_hexdigit).then_some(5),
        _ => None,
    }
}

fn number(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let (number, rest) = text.split_at_checked(len.unwrap_or(text.len()))?;
    let unsigned = number.strip_prefix(b"-").unwrap_or(number);
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole == 0 || (whole > 1 && unsigned.first() == Some(&b'0')) {
        return None;
    }
    let mut after = unsigned.get(whole..)?;
    if let Some(fraction) = after.strip_prefix(b".") {
        after = digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = after {
        after = digits(exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent))?;
    }
    let finite = || str::from_utf8(number).ok()?.parse::<f64>().ok().filter(|value| value.is_finite());
    (after.is_empty() && finite().is_some()).then_some(rest)
}

/// Skips one digit or more.
fn digits(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 { None } else { text.get(len..) }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| is_blank(**byte)).count();
    text.get(len..).unwrap_or_default()
}

/// The members of an object, in order: what stands between a key's quotes, and the value's text. Ends at what is not
/// JSON, or no object.
pub fn members_of(object: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = object.strip_prefix(b"{").map(skip_blanks).unwrap_or_default();
    std::iter::from_fn(move || {
        let (key, after) = string(rest)?;
        let start = skip_blanks(skip_blanks(after).strip_prefix(b":")?);
        let (_, end) = value(start, MAX_DEPTH)?;
        rest = skip_blanks(end).strip_prefix(b",").map(skip_blanks).unwrap_or_default();
        Some((key, start.get(..start.len() - end.len())?))
    })
}

/// The elements of an array, in order, as text. Ends at what is not JSON, or no array.
pub fn elements_of(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.strip_prefix(b"[").map(skip_blanks).unwrap_or_default();
    std::iter::from_fn(move || {
        let (_, end) = value(rest, MAX_DEPTH)?;
        let element = rest.get(..rest.len() - end.len())?;
        rest = skip_blanks(end).strip_prefix(b",").map(skip_blanks).unwrap_or_default();
        Some(element)
    })
}

/// Where a member of an object, or an element of an array, is in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What stands between the key's quotes; empty for an element.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// The members or elements of the object or array that begins at a place in a text. Ends at what is not JSON.
///
/// Deeper nesting is read than elsewhere: a document has values in it that may each be [`MAX_DEPTH`] deep.
#[must_use]
pub fn members_at(text: &[u8], at: usize) -> Vec<Member> {
    let mut members = Vec::new();
    let place = |rest: &[u8]| text.len() - rest.len();
    let opened = text.get(at..).unwrap_or_default();
    let (is_object, inside) = match opened {
        [b'{', inside @ ..] => (true, inside),
        [b'[', inside @ ..] => (false, inside),
        _ => return members,
    };
    let mut rest = skip_blanks(inside);
    loop {
        let mut key = 0..0;
        if is_object {
            let Some((name, after)) = string(rest) else { return members };
            let end = place(after) - 1;
            key = end - name.len()..end;
            let Some(after) = skip_blanks(after).strip_prefix(b":") else { return members };
            rest = skip_blanks(after);
        }
        let Some((_, after)) = value(rest, CHECKED_DEPTH) else { return members };
        members.push(Member { key, value: place(rest)..place(after) });
        match skip_blanks(after).strip_prefix(b",") {
            Some(next) => rest = skip_blanks(next),
            None => return members,
        }
    }
}

/// The text of a string, given what stands between its quotes. Half a surrogate pair becomes U+FFFD.
#[must_use]
pub fn unescape(body: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', body) else { return Cow::Borrowed(body) };
    let mut out = Vec::with_capacity(body.len());
    let (mut rest, mut next) = (body, Some(first));
    while let Some((plain, [_, escape @ ..])) = next.map(|at| rest.split_at(at)) {
        out.extend_from_slice(plain);
        rest = unescape_one(&mut out, escape);
        next = memchr::memchr(b'\\', rest);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Appends what an escape stands for; returns what follows it.
fn unescape_one<'a>(out: &mut Vec<u8>, after_backslash: &'a [u8]) -> &'a [u8] {
    let Some((mark, mut rest)) = after_backslash.split_first() else { return &[] };
    let plain = match mark {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => {
            let first = take_hex(&mut rest);
            let mut code = first;
            if (0xd800..0xdc00).contains(&first)
                && let Some(mut low) = rest.strip_prefix(b"\\u")
            {
                let second = take_hex(&mut low);
                if (0xdc00..0xe000).contains(&second) {
                    code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    rest = low;
                }
            }
            let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return rest;
        }
        other => *other,
    };
    out.push(plain);
    rest
}

fn take_hex(rest: &mut &[u8]) -> u32 {
    let (digits, after) = rest.split_at_checked(4).unwrap_or((rest, &[]));
    *rest = after;
    digits.iter().fold(0, |code, digit| code << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
}

/// Appends a value without the blanks between its parts, its strings escaped anew, its numbers as they are, and of
/// members of one name the last. The value has been read before; what is not JSON ends it.
pub fn compact(out: &mut Vec<u8>, text: &[u8]) {
    Compact { out, written: Vec::new() }.value(skip_blanks(text), CHECKED_DEPTH);
}

/// A value on its way into a buffer.
struct Compact<'o> {
    out: &'o mut Vec<u8>,
    /// The members of the objects that are open: where the name begins, where it ends, and where the value does.
    written: Vec<(usize, usize, usize)>,
}

impl Compact<'_> {
    /// Returns what follows the value.
    fn value<'a>(&mut self, text: &'a [u8], depth: u32) -> Option<&'a [u8]> {
        match text.first()? {
            b'{' => self.object(text.get(1..)?, depth.checked_sub(1)?),
            b'[' => self.array(text.get(1..)?, depth.checked_sub(1)?),
            b'"' => self.string(text),
            _ => {
                let end = |byte: &u8| is_blank(*byte) || matches!(byte, b',' | b']' | b'}');
                let (plain, rest) = text.split_at_checked(text.iter().position(end).unwrap_or(text.len()))?;
                self.out.extend_from_slice(plain);
                Some(rest)
            }
        }
    }

    fn string<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (body, rest) = string(text)?;
        super::string(self.out, &unescape(body));
        Some(rest)
    }

    fn array<'a>(&mut self, text: &'a [u8], depth: u32) -> Option<&'a [u8]> {
        self.out.push(b'[');
        let mut rest = skip_blanks(text);
        while !rest.starts_with(b"]") {
            rest = skip_blanks(self.value(rest, depth)?);
            if let Some(next) = rest.strip_prefix(b",") {
                self.out.push(b',');
                rest = skip_blanks(next);
            }
        }
        self.out.push(b']');
        rest.get(1..)
    }

    fn object<'a>(&mut self, text: &'a [u8], depth: u32) -> Option<&'a [u8]> {
        self.out.push(b'{');
        let first = self.written.len();
        let mut rest = skip_blanks(text);
        while !rest.starts_with(b"}") {
            let start = self.out.len();
            rest = skip_blanks(self.string(rest)?).strip_prefix(b":")?;
            let end = self.out.len();
            self.out.push(b':');
            rest = skip_blanks(self.value(skip_blanks(rest), depth)?);
            self.written.push((start, end, self.out.len()));
            if let Some(next) = rest.strip_prefix(b",") {
                self.out.push(b',');
                rest = skip_blanks(next);
            }
        }
        self.drop_doubles(first);
        self.out.push(b'}');
        rest.get(1..)
    }

    /// Forgets the members from `first` on, after taking out those whose name comes again.
    fn drop_doubles(&mut self, first: usize) {
        let members = self.written.get_mut(first..).unwrap_or_default();
        let out = &mut *self.out;
        let name = |member: &(usize, usize, usize)| out.get(member.0..member.1).unwrap_or_default();
        let sorted = |pair: &[(usize, usize, usize)]| matches!(pair, [one, next] if name(one) < name(next));
        if !members.windows(2).all(sorted) {
            members.sort_by(|one, other| name(one).cmp(name(other)));
            let again =
                |pair: &[(usize, usize, usize)]| matches!(pair, [one, next] if name(one) == name(next));
            if members.windows(2).any(again) {
                let kept = members.chunk_by(|one, other| name(one) == name(other)).filter_map(<[_]>::last);
                let mut kept: Vec<_> = kept.copied().collect();
                kept.sort_unstable();
                let start = members.iter().map(|member| member.0).min().unwrap_or(out.len());
                let texts = kept.iter().map(|member| out.get(member.0..member.2).unwrap_or_default());
                let text = texts.collect::<Vec<_>>().join(&b',');
                out.truncate(start);
                out.extend_from_slice(&text);
            }
        }
        self.written.truncate(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_told_from_what_is_not_as_serde_does() {
        for text in [
            "{}",
            " [ ] ",
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.5e3",
            "1E-2",
            "\"a\"",
            "[1,2]",
            "{\"a\":[{}]}",
            "{\"a\" : 1 , \"b\":\"\\u00e9\\n\"}",
            "[1,]",
            "{,}",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "tru",
            "nul",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\t\"",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "[1 2]",
            "1 1",
            "",
            " ",
            "1e999",
            "{\"a\":1}}",
            "[[[[]]]]",
        ] {
            let ours = document(text.as_bytes()).is_some();
            assert_eq!(ours, serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
        assert!(document("[".repeat(100_000).as_bytes()).is_none());
        assert_eq!(document(b" {} ").map(|(kind, _)| kind), Some(Kind::Object));
    }

    #[test]
    fn members_and_elements_come_in_order() {
        let object = br#"{ "a" : 1 , "b\n":[ 2 ], "c":{"d":"}"} }"#;
        let members: Vec<_> = members_of(object).collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b\\n", b"[ 2 ]"), (b"c", br#"{"d":"}"}"#)];
        assert_eq!(members, expected);
        let elements: Vec<_> = elements_of(br#"[ 1, "a" ,[2]]"#).collect();
        assert_eq!(elements, [&b"1"[..], b"\"a\"", b"[2]"]);
        assert_eq!(members_of(b"{}").count() + members_of(b"[1]").count() + elements_of(b"[]").count(), 0);
    }

    #[test]
    fn members_are_found_where_they_are() {
        let text = br#"xx{ "a" : 1 ,"b":[ 2, {"c":3}]}"#;
        let members = members_at(text, 2);
        let shown: Vec<_> =
            members.iter().map(|it| (&text[it.key.clone()], &text[it.value.clone()])).collect();
        let expected: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", br#"[ 2, {"c":3}]"#)];
        assert_eq!(shown, expected);
        let elements = members_at(text, members[1].value.start);
        let shown: Vec<_> = elements.iter().map(|it| &text[it.value.clone()]).collect();
        assert_eq!(shown, [&b"2"[..], br#"{"c":3}"#]);
        assert_eq!(members_at(b"[]", 0).len() + members_at(b"{}", 0).len() + members_at(b"1", 5).len(), 0);
    }

    #[test]
    fn of_members_of_one_name_the_last_is_left() {
        for (text, expected) in [
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (
                r#" { "b" : {"x":1,"\u0078":[ {"q":1 , "q":2} ]}, "a":1, "b":3 ,"c":{}} "#,
                r#"{"a":1,"b":3,"c":{}}"#,
            ),
            (r#"[{"b":{"x":1,"\u0078":[{"q":1,"q":2},{}]}},[ ]]"#, r#"[{"b":{"x":[{"q":2},{}]}},[]]"#),
            (r#"{"b":1,"a":2,"c":{"z":0,"y":0}}"#, r#"{"b":1,"a":2,"c":{"z":0,"y":0}}"#),
        ] {
            let mut out = b"before".to_vec();
            compact(&mut out, text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out), format!("before{expected}"), "{text}");
        }
    }

    #[test]
    fn compact_text_says_the_same() {
        let text =
            r#" { "a\/é\ud83d\ude00" : [ 1.0 , 9007199254740993 , "x y\u0041\"" , null ] , "l":"\ud800x" } "#;
        let mut out = Vec::new();
        compact(&mut out, text.as_bytes());
        let expected = "{\"a/é😀\":[1.0,9007199254740993,\"x yA\\\"\",null],\"l\":\"\u{fffd}x\"}";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
}
