//! Whether lines are the beginning of one JSON value, told line by line.

use xray::json::scan;

/// What lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The beginning of a value that goes on.
    Open,
    /// A whole value, and perhaps more.
    Whole,
    /// No value begins like this.
    Wrong,
}

/// A value as far as it has been read. What a line begins and does not end is objects and lists: no other value goes over
/// several lines.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// The brackets that are open, from the outermost.
    open: Vec<u8>,
    expects: Expects,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expects {
    #[default]
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    CommaOrEnd,
}

impl Beginning {
    /// Reads what follows: one line or more.
    pub(super) fn read(&mut self, mut text: &[u8]) -> Read {
        use Expects::{Colon, CommaOrEnd, FirstElement, FirstKey, Key, Value};

        loop {
            text = text.trim_ascii_start();
            let Some((byte, behind)) = text.split_first() else { return Read::Open };
            let mut after = behind;
            self.expects = match (self.expects, *byte) {
                (Value | FirstElement, b'{' | b'[') if self.open.len() < scan::MAX_DEPTH as usize => {
                    self.open.push(*byte);
                    if *byte == b'{' { FirstKey } else { FirstElement }
                }
                (Value | FirstElement, b'{' | b'[') => return Read::Wrong,
                (FirstElement | CommaOrEnd, b']') if self.is_in(b'[') => self.close(),
                (FirstKey | CommaOrEnd, b'}') if self.is_in(b'{') => self.close(),
                (CommaOrEnd, b',') => {
                    if self.is_in(b'{') {
                        Key
                    } else {
                        Value
                    }
                }
                (Colon, b':') => Value,
                (Value | FirstElement, _) | (FirstKey | Key, b'"') => {
                    let Some((_, rest)) = scan::first(text) else { return Read::Wrong };
                    after = rest;
                    if matches!(self.expects, FirstKey | Key) { Colon } else { CommaOrEnd }
                }
                _ => return Read::Wrong,
            };
            if self.open.is_empty() {
                return Read::Whole;
            }
            text = after;
        }
    }

    fn is_in(&self, bracket: u8) -> bool {
        self.open.last() == Some(&bracket)
    }

    fn close(&mut self) -> Expects {
        self.open.pop();
        Expects::CommaOrEnd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lines are, the last of them being the first that tells.
    fn read(text: &str) -> Read {
        let mut beginning = Beginning::default();
        let mut read = Read::Open;
        for line in text.split_inclusive('\n') {
            assert_eq!(read, Read::Open, "before {line:?}");
            read = beginning.read(line.as_bytes());
        }
        read
    }

    #[test]
    fn values_are_told_from_what_none_begins_with() {
        for whole in
            ["{}", "[\n]", "{\"a\":\n[1,\n\"x\\\"}\",\ntrue,{}, []\n]\n\n,\"b\" : {\"c\":null}}", "7", "[1]]"]
        {
            assert_eq!(read(whole), Read::Whole, "{whole}");
        }
        for open in [
            "{",
            "[",
            " \n{\"a\"\n",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "[[],\n",
            "[1\n",
            "[{}\n,{\"b\":[\n",
        ] {
            assert_eq!(read(open), Read::Open, "{open}");
        }
        for wrong in [
            "{torn",
            "]",
            "\"open",
            "{]",
            "[}",
            "{,",
            "[,",
            "{\"a\",",
            "{\"a\":}",
            "{\"a\":1 \"b\"",
            "[1,]",
            "{\"a\":1,}",
            "{1:",
            "[{\"a\":1}\n{",
            "plain text",
            "{\"a\":1e400",
            "[tru\n",
            "{\"a\n",
        ] {
            assert_eq!(read(wrong), Read::Wrong, "{wrong}");
        }
        assert_eq!(read(&"[".repeat(100)), Read::Open);
        assert_eq!(read(&"[".repeat(101)), Read::Wrong);
    }
}
