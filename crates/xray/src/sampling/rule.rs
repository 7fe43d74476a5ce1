//! Rules: what they match, and in which order.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The name of the rule that matches what no other does.
pub const DEFAULT_RULE: &str = "Default";

/// The default rule's priority; those of others are lower numbers.
pub const DEFAULT_PRIORITY: u32 = 10_000;

/// A sampling rule of X-Ray.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, which is unique.
    pub name: String,
    /// Rules of lower numbers are asked first.
    pub priority: u32,
    /// Share of the requests beyond the reservoir, from 0 to 1.
    pub fixed_rate: f64,
    /// Requests a second that are sampled in any case, over all clients.
    pub reservoir_size: u32,
    /// Pattern of the segment's name.
    pub service_name: String,
    /// Pattern of the segment's origin.
    pub service_type: String,
    /// Pattern of the `Host` header.
    pub host: String,
    /// Pattern of the method.
    pub http_method: String,
    /// Pattern of the path.
    pub url_path: String,
    /// Pattern of the resource that runs the service. SDKs only use rules with `*`.
    pub resource_arn: String,
    /// The version of the rule's form: 1.
    pub version: u32,
    /// Patterns of attributes by name. SDKs only use rules without.
    pub attributes: BTreeMap<String, String>,
}

impl Default for Rule {
    /// The default rule, as it is before anybody changes it: one request a second, and one in twenty.
    fn default() -> Self {
        let any = || "*".to_owned();
        Self {
            name: DEFAULT_RULE.to_owned(),
            priority: DEFAULT_PRIORITY,
            fixed_rate: 0.05,
            reservoir_size: 1,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            resource_arn: any(),
            version: 1,
            attributes: BTreeMap::new(),
        }
    }
}

/// What is known of a request. What is empty matches every pattern, as in the SDKs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The segment's name.
    pub service_name: &'a str,
    /// The segment's origin, such as `AWS::ECS::Container`.
    pub service_type: &'a str,
    /// The `Host` header.
    pub host: &'a str,
    /// The method.
    pub http_method: &'a str,
    /// The path, without query.
    pub url_path: &'a str,
}

impl Rule {
    /// Whether this is the default rule.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_RULE
    }

    /// Whether clients can use it: of a known form, and about nothing that they don't know.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.version == 1 && self.resource_arn == "*" && self.attributes.is_empty()
    }

    /// Whether it is about `request`. The default rule is about every one.
    #[must_use]
    pub fn matches(&self, request: &Request<'_>) -> bool {
        let fits = |pattern: &str, text: &str| text.is_empty() || wildcard(pattern, text);
        self.is_default()
            || (fits(&self.service_name, request.service_name)
                && fits(&self.service_type, request.service_type)
                && fits(&self.host, request.host)
                && fits(&self.http_method, request.http_method)
                && fits(&self.url_path, request.url_path))
    }

    /// The order in which rules are asked: by priority, then by name; the default rule is last.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |rule: &Self| (rule.is_default(), rule.priority);
        key(self).cmp(&key(other)).then_with(|| self.name.cmp(&other.name))
    }
}

/// Whether `pattern` fits the whole of `text`, whatever its case. `*` stands for any characters, `?` for one.
///
/// Takes no more steps than the product of the lengths.
#[must_use]
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when what follows the last `*` does not fit: one character further in the text.
    let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let here = text.clone();
        match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                text = here.clone();
                star = Some((pattern.clone(), here));
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if is_same(wanted, found) => {}
            _ => {
                let Some((after_star, from)) = &mut star else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, text) = (after_star.clone(), from.clone());
            }
        }
    }
}

fn is_same(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        let cases = [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "ABC", true),
            ("a?c", "ac", false),
            ("/api/*", "/api/", true),
            ("/api/*", "/API/x/y", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.EXAMPLE.com", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abbbc", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("?", "é", true),
            ("É*", "été", true),
            ("a**b", "ab", true),
            ("?*?", "a", false),
            ("*?", "abc", true),
            ("a*bc", "abcbd", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} / {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!wildcard(&pattern, &"a".repeat(4_000)));
    }

    #[test]
    fn rules_are_asked_by_priority_and_name() {
        let rule = |name: &str, priority| Rule { name: name.to_owned(), priority, ..Rule::default() };
        let mut rules = [rule("Default", 1), rule("b", 2), rule("z", 1), rule("a", 2), rule("c", 10_000)];
        rules.sort_by(Rule::order);
        assert_eq!(rules.map(|rule| rule.name), ["z", "a", "b", "c", "Default"]);
    }

    #[test]
    fn what_is_not_known_matches() {
        let rule = Rule {
            name: "cart".to_owned(),
            service_name: "web".to_owned(),
            url_path: "/cart/*".to_owned(),
            http_method: "GET".to_owned(),
            ..Rule::default()
        };
        let request = Request { service_name: "web", url_path: "/cart/1", ..Request::default() };
        assert!(rule.matches(&request));
        assert!(rule.matches(&Request { http_method: "get", ..request }));
        assert!(!rule.matches(&Request { http_method: "POST", ..request }));
        assert!(!rule.matches(&Request { service_name: "other", ..request }));
        assert!(Rule { service_name: "web".to_owned(), ..Rule::default() }.matches(&Request::default()));
        assert!(!Rule { version: 2, ..Rule::default() }.is_usable());
        assert!(!Rule { resource_arn: "arn:*".to_owned(), ..Rule::default() }.is_usable());
    }
}
