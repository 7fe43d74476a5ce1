//! What a datagram is: a line that says so, and a document.

use serde_json::Value;

/// What is wrong with a datagram, before its document is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// There is no line break, so that nothing is the header.
    NoHeader,
    /// The first line is no JSON object whose format is `json` and whose version is 1.
    BadHeader,
    /// Nothing but white space follows the header.
    NoDocument,
}

impl Flaw {
    pub(crate) const ALL: [Self; 3] = [Self::NoHeader, Self::BadHeader, Self::NoDocument];

    /// The word for it in metrics and accounts.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoHeader => "no_header",
            Self::BadHeader => "bad_header",
            Self::NoDocument => "no_document",
        }
    }
}

/// As the SDKs write it, with and without blanks.
const USUAL: [&[u8]; 2] = [br#"{"format":"json","version":1}"#, br#"{"format": "json", "version": 1}"#];

/// The document of a datagram.
///
/// The header's other fields and blanks do not matter, nor the case of its format; the version is the number 1.
pub(crate) fn document(datagram: &[u8]) -> Result<&[u8], Flaw> {
    let usual = USUAL.iter().find_map(|header| datagram.strip_prefix(*header)?.strip_prefix(b"\n"));
    let document = match usual {
        Some(document) => document,
        None => {
            let end = datagram.iter().position(|byte| *byte == b'\n').ok_or(Flaw::NoHeader)?;
            let (header, document) = datagram.split_at_checked(end).ok_or(Flaw::NoHeader)?;
            if !is_valid(header) {
                return Err(Flaw::BadHeader);
            }
            document.get(1..).unwrap_or_default()
        }
    };
    if document.iter().all(u8::is_ascii_whitespace) { Err(Flaw::NoDocument) } else { Ok(document) }
}

fn is_valid(header: &[u8]) -> bool {
    let Ok(Value::Object(header)) = serde_json::from_slice(header) else { return false };
    let is_json = |format: &Value| format.as_str().is_some_and(|it| it.eq_ignore_ascii_case("json"));
    header.get("format").is_some_and(is_json)
        && header.get("version").and_then(Value::as_f64).is_some_and(|version| version == 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (datagram, wanted) in [
            ("{\"format\":\"json\",\"version\":1}\n{}", Ok("{}")),
            ("{\"format\": \"json\", \"version\": 1}\n{}\n", Ok("{}\n")),
            ("{\"format\": \"JSON\", \"version\": 1, \"x\":2}\r\n{}", Ok("{}")),
            ("  {\"version\":1.0,\"format\":\"json\"} \n\n{}", Ok("\n{}")),
            ("{\"format\":\"json\",\"version\":1}", Err(Flaw::NoHeader)),
            ("{\"name\":\"x\"}", Err(Flaw::NoHeader)),
            ("", Err(Flaw::NoHeader)),
            ("\n{}", Err(Flaw::BadHeader)),
            ("{}\n{}", Err(Flaw::BadHeader)),
            ("{\"format\":\"json\",\"version\":2}\n{}", Err(Flaw::BadHeader)),
            ("{\"format\":\"json\",\"version\":\"1\"}\n{}", Err(Flaw::BadHeader)),
            ("{\"format\":\"xml\",\"version\":1}\n{}", Err(Flaw::BadHeader)),
            ("{\"format\":\"json\",\"version\":1}\n", Err(Flaw::NoDocument)),
            ("{\"format\":\"json\",\"version\":1}\n \r\n\t", Err(Flaw::NoDocument)),
        ] {
            let found = document(datagram.as_bytes());
            assert_eq!(found, wanted.map(str::as_bytes), "{datagram:?}");
        }
    }
}
