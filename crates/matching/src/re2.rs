//! From Go's pattern syntax to that of the crate `regex`. They differ in what `\d`, `\w`, `\s` and `\b` mean, in names of
//! groups, in `{` and `[` as plain characters, in escapes, and in operators that only one of them has.
//!
//! Source: <https://github.com/google/re2/wiki/Syntax> and Go's `regexp/syntax`.

use std::iter::Peekable;
use std::str::Chars;

use crate::pattern::PatternError;

/// Go's limit for `{n,m}`.
const MAX_REPEAT: u32 = 1000;

/// A pattern for `regex`, and the names of its groups.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    pub(crate) pattern: String,
    pub(crate) groups: Vec<Option<Box<str>>>,
}

/// Rewrites a pattern.
pub(crate) fn translate(source: &str) -> Result<Translated, PatternError> {
    let mut translator = Translator { rest: source.chars().peekable(), out: Translated::default() };
    while let Some(char) = translator.rest.next() {
        match char {
            '\\' => translator.escape(false)?,
            '(' => translator.group()?,
            '[' => translator.class()?,
            '{' => translator.repeat()?,
            '}' | ']' => translator.literal(char),
            _ => translator.push(char),
        }
    }
    Ok(translator.out)
}

struct Translator<'s> {
    rest: Peekable<Chars<'s>>,
    out: Translated,
}

impl Translator<'_> {
    fn push(&mut self, char: char) {
        self.out.pattern.push(char);
    }

    fn push_str(&mut self, text: &str) {
        self.out.pattern.push_str(text);
    }

    /// A character that stands for itself.
    fn literal(&mut self, char: char) {
        self.out.pattern.push_str(&regex::escape(char.encode_utf8(&mut [0; 4])));
    }

    fn take(&mut self, expected: char) -> bool {
        self.rest.next_if_eq(&expected).is_some()
    }

    fn follows(&self, text: &str) -> bool {
        self.rest.clone().zip(text.chars()).filter(|(found, expected)| found == expected).count()
            == text.chars().count()
    }

    /// What follows a backslash. Classes may stand within classes.
    fn escape(&mut self, in_class: bool) -> Result<(), PatternError> {
        let Some(char) = self.rest.next() else {
            return Err(PatternError("trailing backslash at end of expression".into()));
        };
        match char {
            'd' => self.push_str("[0-9]"),
            'D' => self.push_str("[^0-9]"),
            'w' => self.push_str("[0-9A-Za-z_]"),
            'W' => self.push_str("[^0-9A-Za-z_]"),
            's' => self.push_str(r"[\t\n\x0C\r ]"),
            'S' => self.push_str(r"[^\t\n\x0C\r ]"),
            'b' if !in_class => self.push_str(r"(?-u:\b)"),
            'B' if !in_class => self.push_str(r"(?-u:\B)"),
            'Q' if !in_class => self.quoted(),
            'A' | 'z' if !in_class => self.push_escaped(char),
            'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'p' | 'P' => self.push_escaped(char),
            '0'..='7' => self.octal(char)?,
            _ if char.is_ascii() && !char.is_ascii_alphanumeric() => self.literal(char),
            _ => return Err(PatternError(format!("invalid escape sequence: `\\{char}`"))),
        }
        // Their braces are no repetition.
        if matches!(char, 'x' | 'p' | 'P') && self.rest.peek() == Some(&'{') {
            while let Some(char) = self.rest.next() {
                self.push(char);
                if char == '}' {
                    break;
                }
            }
        }
        Ok(())
    }

    fn push_escaped(&mut self, char: char) {
        self.push('\\');
        self.push(char);
    }

    /// `\Q…\E`.
    fn quoted(&mut self) {
        while let Some(char) = self.rest.next() {
            if char == '\\' && self.take('E') {
                return;
            }
            self.literal(char);
        }
    }

    /// `\0`, `\012`, `\123`; one digit other than 0 would be a reference to a group.
    fn octal(&mut self, first: char) -> Result<(), PatternError> {
        let digit = |char: char| char.to_digit(8);
        let mut value = digit(first).unwrap_or_default();
        let mut more = 0;
        while let Some(next) = self.rest.peek().copied().and_then(digit).filter(|_| more < 2) {
            value = value * 8 + next;
            more += 1;
            self.rest.next();
        }
        if first != '0' && more == 0 {
            return Err(PatternError(format!("invalid escape sequence: `\\{first}`")));
        }
        self.push_str(&format!("\\x{{{value:x}}}"));
        Ok(())
    }

    /// What follows `(`.
    fn group(&mut self) -> Result<(), PatternError> {
        self.push('(');
        if !self.take('?') {
            self.out.groups.push(None);
            return Ok(());
        }
        if self.take('P') {
            if !self.take('<') {
                return Err(PatternError("invalid or unsupported Perl syntax: `(?P`".into()));
            }
            return self.name();
        }
        if self.take('<') {
            return self.name();
        }
        self.push('?');
        loop {
            match self.rest.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U' | '-')) => self.push(flag),
                Some(end @ (':' | ')')) => {
                    self.push(end);
                    return Ok(());
                }
                Some(other) => {
                    return Err(PatternError(format!("invalid or unsupported Perl syntax: `(?{other}`")));
                }
                None => return Err(PatternError("missing closing )".into())),
            }
        }
    }

    /// What follows `(?P<`.
    fn name(&mut self) -> Result<(), PatternError> {
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('>') => break,
                Some(char) => name.push(char),
                None => return Err(PatternError("invalid named capture".into())),
            }
        }
        let valid = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        if !valid {
            return Err(PatternError(format!("invalid named capture: `(?P<{name}>`")));
        }
        if self.out.groups.iter().flatten().any(|other| **other == *name) {
            return Err(PatternError(format!("duplicate capture group name: `{name}`")));
        }
        self.out.groups.push(Some(name.into()));
        Ok(())
    }

    /// What follows `{`, which is a plain character unless it begins a repetition.
    fn repeat(&mut self) -> Result<(), PatternError> {
        let text: String = self.rest.clone().take_while(|char| *char != '}').take(16).collect();
        let closed = self.rest.clone().nth(text.chars().count()) == Some('}');
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u32>().ok(),
            false => None,
        };
        let (least, most) = match text.split_once(',') {
            None => (number(&text), number(&text)),
            Some((least, "")) => (number(least), number(least)),
            Some((least, most)) => (number(least), number(most)),
        };
        let (true, Some(least), Some(most)) = (closed, least, most) else {
            self.literal('{');
            return Ok(());
        };
        if most > MAX_REPEAT || least > most {
            return Err(PatternError(format!("invalid repeat count: `{{{text}}}`")));
        }
        self.push_str(&format!("{{{text}}}"));
        self.rest.nth(text.chars().count());
        Ok(())
    }

    /// What follows `[`.
    fn class(&mut self) -> Result<(), PatternError> {
        self.push('[');
        if self.take('^') {
            self.push('^');
        }
        let mut first = true;
        // Behind the dash of a range.
        let mut in_range = false;
        while let Some(char) = self.rest.next() {
            let was_in_range = std::mem::replace(&mut in_range, false);
            match char {
                ']' if !first => {
                    self.push(']');
                    return Ok(());
                }
                '\\' => self.escape(true)?,
                '[' if self.follows(":") => self.named_class(),
                '-' if first || was_in_range || self.rest.peek() == Some(&']') => self.literal('-'),
                '-' => {
                    self.push('-');
                    in_range = true;
                }
                '[' | ']' | '&' | '~' | '^' => self.push_escaped(char),
                _ => self.push(char),
            }
            first = false;
        }
        Err(PatternError("missing closing ]".into()))
    }

    /// `[:alpha:]`, or a bracket as a plain character.
    fn named_class(&mut self) {
        let inside: String = self.rest.clone().take_while(|char| *char != ']').take(16).collect();
        if inside.len() > 1 && inside.ends_with(':') {
            self.push_str(&format!("[{inside}]"));
            self.rest.nth(inside.chars().count());
        } else {
            self.push_escaped('[');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Pattern;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for text in matching {
            assert!(pattern.is_match(text.as_bytes()), "{pattern:?} in {text}");
        }
        for text in others {
            assert!(!pattern.is_match(text.as_bytes()), "{pattern:?} in {text}");
        }
    }

    #[test]
    fn means_what_go_means() {
        check("auth.*", &["auth", "my-auth-service"], &["aut"]);
        check(r"^\d+$", &["12"], &["", "1a", "١"]);
        check(r"^\D$", &["a", "١", "é"], &["1"]);
        check(r"^\w+$", &["a_1"], &["é"]);
        check(r"^[\w.]+$", &["a.b"], &["a-b"]);
        check(r"^[^\s]+$", &["a\u{a0}"], &["a b"]);
        check(r"\bfoo\b", &["a foo", "éfoo"], &["afoo"]);
        check(r"^a\Bb", &["ab"], &["a b"]);
        check(r"\Qa.b*\E+", &["a.b**"], &["axb"]);
        check(r"\Qa.b", &["xa.b"], &["acb"]);
        check(r"^\/api\/v1\-\<\>$", &["/api/v1-<>"], &[]);
        check(r"(?i)größe", &["GRÖSSE größe", "GRÖße"], &["grösse"]);
        check("(?s)a.b(?-s:c.d)", &["a\nbcxd"], &["a\nbc\nd"]);
        check("^a$", &["a"], &["a\n", "b\na"]);
        check("(?m)^a$", &["b\na\n"], &[]);
        check("^.$", &["🦀"], &["ab"]);
        check(r"\x41\x{1F980}\103\0", &["A🦀C\0"], &[]);
        check(r"\pL\p{Greek}", &["aα"], &["1α"]);
    }

    #[test]
    fn brackets_and_braces_may_be_plain() {
        check("^a{2}$", &["aa"], &["a", "aaa"]);
        check("^a{2,}$", &["aaa"], &["a"]);
        check("^a{1,2}?$", &["aa"], &["aaa"]);
        check("^{id}$", &["{id}"], &["id"]);
        check("^a{,2}$", &["a{,2}"], &["aa"]);
        check("a{", &["a{"], &["a"]);
        check("]}", &["]}"], &[]);
        check("^[]a]$", &["]", "a"], &["b"]);
        check("^[^]a]$", &["b"], &["]", "a"]);
        check("^[[a]$", &["[", "a"], &["b"]);
        check("^[a&&b]$", &["&", "a", "b"], &["c"]);
        check("^[a~~b]$", &["~", "a", "b"], &["c"]);
        check("^[+--]+$", &["+,-"], &["."]);
        check("^[-a]+[a-]$", &["-a-"], &["b"]);
        check("^[[:alpha:]_]+$", &["ab_"], &["1"]);
        check("^[[:^digit:]]$", &["a"], &["1"]);
    }

    #[test]
    fn groups_keep_their_names() {
        let pattern = Pattern::new(r"^(?P<1st>\w+)(:)(?:x)?(?<rest>z)?").expect("a pattern");
        assert_eq!(pattern.groups().collect::<Vec<_>>(), [Some("1st"), None, Some("rest")]);
        let found = pattern.captures(b"ab:x").expect("it occurs");
        assert_eq!(found, [&b"ab"[..], b":", b""]);
        assert_eq!(pattern.captures(b"::"), None);
        assert_eq!(pattern.as_str(), r"^(?P<1st>\w+)(:)(?:x)?(?<rest>z)?");
    }

    proptest! {
        /// Whatever is written, it is a pattern or an error; and what stands for itself finds itself.
        #[test]
        fn any_text_is_read(
            soup in r"[a-c0-9\\\[\](){}?*+^$.|,:<>PQEdwsbxp&~#\-é ]{0,24}",
            text in r"[\x20-\x7eäλ🦀]{0,12}",
        ) {
            if let Ok(pattern) = Pattern::new(&soup) {
                prop_assert_eq!(pattern.is_match(text.as_bytes()), pattern.captures(text.as_bytes()).is_some());
                let groups = pattern.captures(text.as_bytes()).map(|groups| groups.len());
                prop_assert!(groups.is_none_or(|groups| groups == pattern.groups().len()));
            }
            let quoted = Pattern::new(&format!(r"^\Q{text}\E$"));
            if !text.contains('\\') {
                prop_assert!(quoted.expect("a quotation is a pattern").is_match(text.as_bytes()));
            }
        }
    }

    #[test]
    fn what_would_be_too_large_is_refused() {
        assert!(Pattern::new("((a{1000}){1000}){1000}").is_err());
        assert!(Pattern::new(&"(".repeat(100_000)).is_err());
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "(",
            ")",
            "[a",
            "a\\",
            "*a",
            "(?P<invalid.regex>.*?)$",
            "(?P<>a)",
            "(?P<a>b)(?P<a>c)",
            "(?P=a)",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?x)a",
            r"\1",
            r"\8",
            r"\u1234",
            r"\C",
            r"[\b]",
            "a{1001}",
            "a{2,1}",
            r"\p{Nobody}",
            "(?i",
            "(?P<a",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
