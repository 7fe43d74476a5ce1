//! The URL of a database, taken apart.

/// A database's URL as the reference splits it, by the rule `([^/]+:(//[^/]+/)?)([^?]+)` over the whole of it: what
/// says where the database is, without a slash at its end, and its name. What the rule does not match is `None`.
pub(super) fn split_url(url: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = url.iter().position(|byte| *byte == b'/').unwrap_or(url.len());
    let mut colons = url.get(..first)?.iter().enumerate().skip(1).rev().filter(|(_, byte)| **byte == b':');
    colons.find_map(|(colon, _)| {
        let rest = url.get(colon + 1..)?;
        if let Some(host) = rest.strip_prefix(b"//") {
            let len = host.iter().position(|byte| *byte == b'/').filter(|len| *len > 0);
            let name = len.and_then(|len| until_query(host.get(len + 1..)?));
            if let (Some(len), Some(name)) = (len, name) {
                return Some((url.get(..colon + 3 + len)?, name));
            }
        }
        let name = until_query(rest)?;
        Some((url.get(..=colon)?, name))
    })
}

/// At least one byte before the question mark.
fn until_query(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().position(|byte| *byte == b'?').unwrap_or(text.len());
    text.get(..len).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_as_the_reference_does() {
        for (url, split) in [
            ("postgresql://h:5432/db?x=1", Some(("postgresql://h:5432", "db"))),
            ("jdbc:postgresql://h:5432/db", Some(("jdbc:postgresql://h:5432", "db"))),
            ("mysql+pymysql://u@h/db/extra", Some(("mysql+pymysql://u@h", "db/extra"))),
            ("jdbc:sqlite:/data/e.sqlite", Some(("jdbc:sqlite:", "/data/e.sqlite"))),
            ("jdbc:oracle:thin:@h:1521:sid", Some(("jdbc:oracle:thin:@h:1521:", "sid"))),
            ("postgres://h:5432/", Some(("postgres:", "//h:5432/"))),
            ("h:5432/db", Some(("h:", "5432/db"))),
            ("a:b:?x", Some(("a:", "b:"))),
            ("h/db", None),
            ("mydb", None),
            ("", None),
            (":x", None),
            ("x:", None),
            ("x:?y", None),
            ("Server=h;Database=d", None),
        ] {
            let split = split.map(|(place, name)| (place.as_bytes(), name.as_bytes()));
            assert_eq!(split_url(url.as_bytes()), split, "{url}");
        }
    }
}
