//! What Go's `url.Parse` refuses, so that what the Collector takes for a URL is taken here, too.

/// Why a text is no URL; worded as Go words it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UrlError {
    /// A byte below 0x20, or 0x7f.
    #[error("invalid control character in URL")]
    ControlCharacter,
    /// A colon, and nothing before it.
    #[error("missing protocol scheme")]
    NoScheme,
    /// No scheme, and something that looks like a port.
    #[error("first path segment in URL cannot contain colon")]
    ColonInPath,
    /// A port that is no number.
    #[error("invalid port {0:?} after host")]
    Port(String),
    /// `[` without `]`.
    #[error("missing ']' in host")]
    Bracket,
    /// What no host has in it.
    #[error("invalid character {0:?} in host name")]
    Host(char),
    /// `%` without two hexadecimal digits.
    #[error("invalid URL escape")]
    Escape,
}

/// Whether Go would take the text for a URL, absolute or not.
///
/// # Errors
/// The first thing that Go would complain about.
pub fn check(text: &str) -> Result<(), UrlError> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(UrlError::ControlCharacter);
    }
    let text = text.split('#').next().unwrap_or_default();
    let (scheme, rest) = split_scheme(text)?;
    let rest = rest.split('?').next().unwrap_or_default();
    if !rest.starts_with('/') {
        let first = rest.split('/').next().unwrap_or_default();
        return match scheme {
            // An opaque URL, such as `mailto:…`, or `localhost:4318`.
            Some(_) => Ok(()),
            None if first.contains(':') => Err(UrlError::ColonInPath),
            None => check_escapes(rest),
        };
    }
    let Some(after) = rest.strip_prefix("//").filter(|_| scheme.is_some() || !rest.starts_with("///")) else {
        return check_escapes(rest);
    };
    let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
    check_host(authority.rsplit('@').next().unwrap_or_default())?;
    check_escapes(path)
}

/// A URL, or what was meant to be one, for people to read: without user, password and query, which may be secrets.
#[must_use]
pub fn without_secrets(url: &str) -> String {
    let (url, _) = url.split_once('?').unwrap_or((url, ""));
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}{}{path}", authority.rsplit('@').next().unwrap_or_default())
}

/// A scheme and what follows its colon; without one, the whole.
fn split_scheme(text: &str) -> Result<(Option<&str>, &str), UrlError> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
    match end.and_then(|end| text.split_at_checked(end)) {
        Some(("", rest)) if rest.starts_with(':') => Err(UrlError::NoScheme),
        Some((scheme, rest)) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Ok(rest.strip_prefix(':').map_or((None, text), |rest| (Some(scheme), rest)))
        }
        _ => Ok((None, text)),
    }
}

fn check_host(host: &str) -> Result<(), UrlError> {
    let port = match (host.starts_with('['), host.rfind(']')) {
        (true, None) => return Err(UrlError::Bracket),
        (true, Some(end)) => host.get(end + 1..).unwrap_or_default(),
        (false, _) => host.rfind(':').and_then(|colon| host.get(colon..)).unwrap_or_default(),
    };
    if !port.is_empty()
        && !port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(UrlError::Port(port.to_owned()));
    }
    match host.chars().find(|c| matches!(c, ' ' | '{' | '}' | '|' | '\\' | '^' | '`')) {
        Some(wrong) => Err(UrlError::Host(wrong)),
        None => check_escapes(host),
    }
}

fn check_escapes(text: &str) -> Result<(), UrlError> {
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if text.split('%').skip(1).all(is_escape) { Ok(()) } else { Err(UrlError::Escape) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        assert_eq!(without_secrets("https://user:pw@h:1/x/y?token=t#z"), "https://h:1/x/y");
        assert_eq!(without_secrets("user:pw@h:4318"), "h:4318");
        assert_eq!(without_secrets("http://h/a@b"), "http://h/a@b");
    }

    #[test]
    fn goes_by_gos_rules() {
        let good = [
            "http://h:4318/v1/traces",
            "https://user:p@h/x?y=%zz#z",
            "h:4318",
            "localhost:4318/v1/traces",
            "http://[::1]:4318",
            "http://h:",
            "http:///x",
            "gateway",
            "/v1/traces",
            "",
        ];
        for text in good {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let bad =
            |text: &str, expected: &str| assert_eq!(check(text).unwrap_err().to_string(), expected, "{text}");
        bad("http://h:bad", "invalid port \":bad\" after host");
        bad("http://[::1]x", "invalid port \"x\" after host");
        bad("http://[::1", "missing ']' in host");
        bad("://h", "missing protocol scheme");
        bad("127.0.0.1:4318/x", "first path segment in URL cannot contain colon");
        bad("http://a b/", "invalid character ' ' in host name");
        bad("http://h/%zz", "invalid URL escape");
        bad("http://h/\n", "invalid control character in URL");
    }
}
