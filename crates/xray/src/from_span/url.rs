//! The host of a connection string, as Go's `net/url` finds it.

/// The host of a URL, without port and brackets; a leading `jdbc:` does not count. None if the text is no URL for Go, or
/// one without a host.
pub(super) fn host(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"jdbc:").unwrap_or(text);
    let text = before(text, b'#');
    if text.is_empty() || text.iter().any(|byte| *byte < 0x20 || *byte == 0x7f) {
        return None;
    }
    let rest = before(after_scheme(text)?, b'?');
    let authority = rest.strip_prefix(b"//")?;
    let path_at = authority.iter().position(|byte| *byte == b'/').unwrap_or(authority.len());
    let (authority, path) = authority.split_at_checked(path_at)?;
    if !escapes_are_valid(path) {
        return None;
    }
    let host = match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => {
            let (user, host) = authority.split_at_checked(at)?;
            user_is_valid(user).then_some(host.get(1..)?)?
        }
        None => authority,
    };
    without_port(host).filter(|host| !host.is_empty() && host.iter().all(|byte| is_host_byte(*byte)))
}

fn before(text: &[u8], mark: u8) -> &[u8] {
    text.split(|byte| *byte == mark).next().unwrap_or_default()
}

/// What follows `<scheme>:`, or everything if there is no scheme; none for a colon in front.
fn after_scheme(text: &[u8]) -> Option<&[u8]> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at > 0 => return text.get(at + 1..),
            b':' => return None,
            _ => return Some(text),
        }
    }
    Some(text)
}

fn user_is_valid(user: &[u8]) -> bool {
    user.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte))
        && escapes_are_valid(user)
}

fn escapes_are_valid(text: &[u8]) -> bool {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        text.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The port, if there is one, has to be digits; only the last colon begins one.
fn without_port(host: &[u8]) -> Option<&[u8]> {
    if host.starts_with(b"[") {
        let end = host.iter().rposition(|byte| *byte == b']')?;
        let (address, port) = host.split_at_checked(end)?;
        return is_port(port.get(1..)?).then_some(address.get(1..)?);
    }
    let Some(colon) = host.iter().rposition(|byte| *byte == b':') else { return Some(host) };
    let (name, port) = host.split_at_checked(colon)?;
    is_port(port).then_some(name)
}

fn is_port(text: &[u8]) -> bool {
    text.is_empty() || text.strip_prefix(b":").is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

fn is_host_byte(byte: u8) -> bool {
    byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(host(text.as_bytes()).map(String::from_utf8_lossy).as_deref(), expected, "{text}");
    }

    #[test]
    fn hosts_are_those_that_go_finds() {
        check("jdbc:postgresql://u:p@h.x:5432/z", Some("h.x"));
        check("mysql://h1:3306,h2:3306/x", Some("h1:3306,h2"));
        check("Server=h;Port=1", None);
        check("h:3306", None);
        check("mysql://h x/y", None);
        check("//h:3306/z", Some("h"));
        check("mysql://[::1]:3306/x", Some("::1"));
        check("mysql://h:port/x", None);
        check("mysql://h/%zz", None);
        check("mysql://h?x=/%zz", Some("h"));
        check("mysql:h", None);
        check("mysql:///db", None);
        check("://h", None);
        check("", None);
        check("mysql://u s@h/", None);
        check("mysql://[::1", None);
    }
}
