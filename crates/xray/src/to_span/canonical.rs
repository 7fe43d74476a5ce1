//! JSON as Go writes what it has read: compact, members by name, each name once.

use super::scan::{Fault, Scanner, Text};

/// Appends one JSON value of a document that was read already.
///
/// Numbers with more digits than a double holds stay as they are; the reference rounds them. One that no double holds, for
/// which it drops the document, becomes a string: most readers of JSON refuse it.
pub(super) fn write(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut scan = Scanner::new(value);
    if one(&mut scan, out).is_err() {
        // It was read before, so that this can't be; if it were, the text as it stands is best.
        out.truncate(start);
        out.extend_from_slice(value);
    }
}

fn one(scan: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match scan.peek()? {
        b'{' => object(scan, out),
        b'[' => {
            out.push(b'[');
            let mut more = !scan.open(b'[', b']')?;
            while more {
                one(scan, out)?;
                more = scan.more(b']')?;
                if more {
                    out.push(b',');
                }
            }
            out.push(b']');
            Ok(())
        }
        b'"' => {
            let text = scan.string()?;
            string(text, scan.json(), out);
            Ok(())
        }
        b't' | b'f' | b'n' => {
            let place = scan.skip(0)?;
            out.extend_from_slice(place.get(scan.json()));
            Ok(())
        }
        _ => {
            number(scan.number()?, out);
            Ok(())
        }
    }
}

/// A member of an object that is written already, and where.
struct Member<'a> {
    name: std::borrow::Cow<'a, [u8]>,
    start: usize,
    end: usize,
}

fn object(scan: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let json = scan.json();
    out.push(b'{');
    let first = out.len();
    let mut members: Vec<Member<'_>> = Vec::new();
    let mut sorted = true;
    let mut more = !scan.open(b'{', b'}')?;
    while more {
        let name = scan.name()?;
        let start = out.len();
        string(name, json, out);
        out.push(b':');
        one(scan, out)?;
        more = scan.more(b'}')?;
        let member = Member { name: name.get(json), start, end: out.len() };
        sorted &= members.last().is_none_or(|last| last.name < member.name);
        members.push(member);
        out.push(b',');
    }
    if !sorted {
        sort(members, first, out);
    }
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
    Ok(())
}

/// Brings the members behind `first` into order; of several of one name the last stays.
fn sort(mut members: Vec<Member<'_>>, first: usize, out: &mut Vec<u8>) {
    let written = out.split_off(first);
    members.sort_by(|one, other| one.name.cmp(&other.name));
    let mut members = members.into_iter().peekable();
    while let Some(member) = members.next() {
        if members.peek().is_some_and(|next| next.name == member.name) {
            continue;
        }
        let range = member.start.saturating_sub(first)..member.end.saturating_sub(first);
        out.extend_from_slice(written.get(range).unwrap_or_default());
        out.push(b',');
    }
}

/// Appends a string with the escapes that Go writes: HTML's characters and the two separators too.
fn string(text: Text, json: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let text = text.get(json);
    let mut rest: &[u8] = &text;
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let len = match special {
            [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
                out.extend_from_slice(if *last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                3
            }
            [byte @ (b'<' | b'>' | b'&'), ..] => {
                out.extend_from_slice(match byte {
                    b'<' => b"\\u003c",
                    b'>' => b"\\u003e",
                    _ => b"\\u0026",
                });
                1
            }
            [0xe2, ..] => {
                out.push(0xe2);
                1
            }
            [byte, ..] => {
                crate::json::string_body(out, std::slice::from_ref(byte));
                1
            }
            [] => 0,
        };
        rest = special.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)
}

/// Appends a number in Go's form, if a double holds all of its digits.
fn number(number: &str, out: &mut Vec<u8>) {
    let digits = number.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).filter(u8::is_ascii_digit);
    let whole = !number.contains(['.', 'e', 'E']);
    match number.parse::<f64>() {
        Ok(value) if value.is_infinite() => crate::json::string(out, number.as_bytes()),
        Ok(value) if !whole && digits.count() <= 15 => crate::json::double(out, value),
        _ => out.extend_from_slice(number.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_as_if_go_had_written_them() {
        for (value, written) in [
            ("null", "null"),
            ("{ }", "{}"),
            (r#"{"b": 1, "a" : [ ], "b": 2 }"#, r#"{"a":[],"b":2}"#),
            (
                r#"{"b": {"d":1 , "c":null}, "a":[true, "x" , {}]}"#,
                r#"{"a":[true,"x",{}],"b":{"c":null,"d":1}}"#,
            ),
            ("[1, 1.0, 1.50, 1e2, -0.0, 1e21, 1e-7, 0.1]", "[1,1,1.5,100,-0,1e+21,1e-7,0.1]"),
            ("[1e400, -1E400]", r#"["1e400","-1E400"]"#),
            ("[9007199254740993, 1795223398.42012861]", "[9007199254740993,1795223398.42012861]"),
            (
                r#""<a href=\"x\">&\u2028\/\u00e9\t\u0001""#,
                "\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u2028/é\\t\\u0001\"",
            ),
            ("\"\u{2027}\u{2029}\"", "\"\u{2027}\\u2029\""),
        ] {
            let mut out = b">".to_vec();
            write(value.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!(">{written}"), "{value}");
        }
    }
}
