//! Secrets in URLs.

use crate::setting::REDACTED;

/// Where user and password are, if there are any: between scheme and `@`.
fn user(url: &str) -> Option<(usize, usize)> {
    let start = url.find("://")? + 3;
    let rest = url.get(start..)?;
    let authority = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
    Some((start, start + authority.rfind('@')?))
}

/// Whether the URL has a user and a password.
pub(crate) fn has_password(url: &str) -> bool {
    user(url).and_then(|(start, end)| url.get(start..end)).is_some_and(|user| user.contains(':'))
}

/// The URL with user, password and query hidden.
pub(crate) fn masked(url: &str) -> String {
    let (base, query) = match url.split_once('?') {
        Some((base, query)) if !query.is_empty() => (base, format!("?{REDACTED}")),
        _ => (url, String::new()),
    };
    let base = match user(base).and_then(|(start, end)| Some((base.get(..start)?, base.get(end..)?))) {
        Some((scheme, host)) => format!("{scheme}{REDACTED}{host}"),
        None => base.to_owned(),
    };
    base + &query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_password_and_query_are_hidden() {
        let check = |url: &str, expected: &str, password: bool| {
            assert_eq!(masked(url), expected, "{url}");
            assert_eq!(has_password(url), password, "{url}");
        };
        check("https://u:p@h:1/x?k=v#f", "https://[REDACTED]@h:1/x?[REDACTED]", true);
        check("https://token@h", "https://[REDACTED]@h", false);
        check("http://h/a@b", "http://h/a@b", false);
        check("http://h/?", "http://h/?", false);
        check("h:4317", "h:4317", false);
        check("", "", false);
    }
}
