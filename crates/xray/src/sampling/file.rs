//! Rules in a file: the SDKs' local form, versions 1 and 2, and the API's own.

use std::collections::BTreeSet;

use config::{Checks, Diagnostics, Fields, Section, Sources};

use super::rule::{DEFAULT_PRIORITY, Rule};

/// Rules in one file, at most. AWS allows 25 in an account.
pub const MAX_RULES: usize = 1_000;

/// A file's size in bytes, at most.
pub const MAX_FILE: u64 = 1 << 20;

/// Reads the rules of a file, in the order in which they are asked, the default rule at the end.
///
/// `name` is the file's, for messages. JSON and YAML are understood. Three forms are told apart by their keys:
///
/// - `version` 1 or 2 with `rules` and `default`: what the SDKs call local sampling rules. They are named `rule-1`,
///   `rule-2` and so on, and asked in the order of the file;
/// - `SamplingRuleRecords`: what `GetSamplingRules` answers;
/// - `SamplingRules`: a plain list of the same rules.
///
/// # Errors
/// Everything that is wrong, with its line and column.
pub fn read(name: &str, text: &str) -> Result<Vec<Rule>, Diagnostics> {
    // YAML has no tabs in its indentation; in JSON a tab can't be inside a text.
    let is_json = text.trim_start().starts_with('{');
    let text = if is_json { text.replace('\t', " ") } else { text.to_owned() };
    let mut sources = Sources::default();
    let source = sources.add(name, text.clone());
    let mut diagnostics = Diagnostics::new(sources);
    let node = config::yaml::parse(&text, source, &mut diagnostics);
    let file = node.and_then(|node| config::read::<File>(&node, &mut diagnostics, ""));
    file.map(File::into_rules).ok_or(diagnostics)
}

/// A file of any form.
#[derive(Clone, Debug, Default)]
struct File {
    version: Option<u32>,
    rules: Vec<Local>,
    default: Option<LocalDefault>,
    records: Vec<Record>,
    list: Vec<Central>,
}

/// A rule of the SDKs' local form.
#[derive(Clone, Debug, Default)]
struct Local {
    host: Option<String>,
    service_name: Option<String>,
    http_method: String,
    url_path: String,
    fixed_target: u32,
    rate: f64,
}

/// What that form says of everything else.
#[derive(Clone, Debug, Default)]
struct LocalDefault {
    fixed_target: u32,
    rate: f64,
}

/// A record of the API's answer.
#[derive(Clone, Debug, Default)]
struct Record {
    rule: Central,
}

/// A rule of the API's form.
#[derive(Clone, Debug)]
struct Central {
    rule: Rule,
    priority: Option<u32>,
}

impl Default for Central {
    fn default() -> Self {
        // What a rule does not say is not taken from the default rule.
        Self {
            rule: Rule { name: String::new(), fixed_rate: 0.0, reservoir_size: 0, ..Rule::default() },
            priority: None,
        }
    }
}

impl Section for File {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("version", "1 or 2: the form of the rules below.", |f| &mut f.version);
        fields.field("rules", "Rules, the first that matches decides.", |f| &mut f.rules);
        fields.field("default", "For what no rule is about.", |f| &mut f.default);
        fields.field("SamplingRuleRecords", "Rules as the API answers them.", |f| &mut f.records);
        fields.field("SamplingRules", "Rules in the API's form.", |f| &mut f.list);
        fields.not_honoured("NextToken", "Where the API's next page begins.", "a file has one page");
    }

    fn check(&self, checks: &mut Checks) {
        let central: Vec<&Central> = self.central().collect();
        let count = self.rules.len() + central.len();
        if count > MAX_RULES {
            checks.at("", format!("{count} rules; {MAX_RULES} are the most"));
        }
        match (self.version, central.is_empty()) {
            (Some(_), false) => checks.at("version", "local rules and those of the API can't be in one file"),
            (Some(version), true) => self.check_local(version, checks),
            (None, false) if !self.rules.is_empty() || self.default.is_some() => {
                checks.at("", "local rules and those of the API can't be in one file");
            }
            (None, false) => check_names(&central, checks),
            (None, true) => {
                checks.at(
                    "",
                    "neither `version` with `default`, nor `SamplingRuleRecords`, nor `SamplingRules`",
                );
            }
        }
    }
}

impl File {
    fn central(&self) -> impl Iterator<Item = &Central> {
        self.records.iter().map(|record| &record.rule).chain(&self.list)
    }

    fn check_local(&self, version: u32, checks: &mut Checks) {
        if !(1..=2).contains(&version) {
            checks.at("version", format!("version {version} is not known: 1 or 2"));
        }
        if self.default.is_none() {
            checks.at("", "`default` is missing");
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let (wanted, is_there, other) = match version {
                1 => ("service_name", rule.service_name.is_some(), rule.host.is_some().then_some("host")),
                _ => ("host", rule.host.is_some(), rule.service_name.is_some().then_some("service_name")),
            };
            if !is_there {
                checks.at(&format!("rules.{index}"), format!("`{wanted}` is missing"));
            }
            if let Some(other) = other {
                let message = format!("`{other}` is not a key of version {version}: `{wanted}` is");
                checks.at(&format!("rules.{index}.{other}"), message);
            }
        }
    }

    fn into_rules(self) -> Vec<Rule> {
        let mut rules = match self.version {
            Some(_) => self.local_rules(),
            None => self.central().map(Central::rule).collect(),
        };
        if !rules.iter().any(Rule::is_default) {
            rules.push(Rule::default());
        }
        rules.sort_by(Rule::order);
        rules
    }

    fn local_rules(&self) -> Vec<Rule> {
        let numbered = (1..).zip(&self.rules).map(|(number, local)| Rule {
            name: format!("rule-{number}"),
            priority: number,
            fixed_rate: local.rate,
            reservoir_size: local.fixed_target,
            host: local.host.clone().or_else(|| local.service_name.clone()).unwrap_or_default(),
            http_method: local.http_method.clone(),
            url_path: local.url_path.clone(),
            ..Rule::default()
        });
        let default = self.default.clone().unwrap_or_default();
        let default =
            Rule { fixed_rate: default.rate, reservoir_size: default.fixed_target, ..Rule::default() };
        numbered.chain([default]).collect()
    }
}

fn check_names(rules: &[&Central], checks: &mut Checks) {
    let mut names = BTreeSet::new();
    for Central { rule, priority } in rules {
        if !names.insert(&rule.name) {
            checks.at("", format!("rule {:?} is there twice", rule.name));
        }
        if !rule.is_default() && priority.is_none() {
            checks.at("", format!("rule {:?} has no Priority", rule.name));
        }
    }
}

impl Section for Local {
    fn describe(fields: &mut Fields<Self>) {
        fields.not_honoured("description", "For people.", "nobody reads it");
        fields.field("host", "Pattern of the Host header.", |r| &mut r.host);
        fields.field("service_name", "The same in version 1.", |r| &mut r.service_name);
        fields.field("http_method", "Pattern of the method.", |r| &mut r.http_method).required();
        fields.field("url_path", "Pattern of the path.", |r| &mut r.url_path).required();
        fields.field("fixed_target", "Requests a second.", |r| &mut r.fixed_target).required();
        fields.field("rate", "Share of the others.", |r| &mut r.rate).required().range(0.0..=1.0);
    }
}

impl Section for LocalDefault {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("fixed_target", "Requests a second.", |r| &mut r.fixed_target).required();
        fields.field("rate", "Share of the others.", |r| &mut r.rate).required().range(0.0..=1.0);
    }
}

impl Section for Record {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("SamplingRule", "The rule.", |r| &mut r.rule).required();
        fields.not_honoured("CreatedAt", "When it was made.", "a file has one time");
        fields.not_honoured("ModifiedAt", "When it was changed.", "a file has one time");
    }
}

impl Section for Central {
    fn describe(fields: &mut Fields<Self>) {
        let is_name = |name: &String| match (1..=32).contains(&name.chars().count()) {
            true => Ok(()),
            false => Err("expects 1 to 32 characters".to_owned()),
        };
        fields.field("RuleName", "Its name.", |r| &mut r.rule.name).required().check(is_name);
        fields.not_honoured("RuleARN", "Its ARN.", "rules go by their names");
        fields.field("Priority", "Lower goes first.", |r| &mut r.priority).check(|priority| match priority {
            Some(priority) if !(1..=DEFAULT_PRIORITY).contains(priority) => {
                Err(format!("expects a number from 1 to {DEFAULT_PRIORITY}"))
            }
            _ => Ok(()),
        });
        let rate = fields.field("FixedRate", "Share beyond the reservoir.", |r| &mut r.rule.fixed_rate);
        rate.required().range(0.0..=1.0);
        fields.field("ReservoirSize", "Requests a second.", |r| &mut r.rule.reservoir_size).required();
        fields.field("ServiceName", "Pattern of the segment's name.", |r| &mut r.rule.service_name);
        fields.field("ServiceType", "Pattern of its origin.", |r| &mut r.rule.service_type);
        fields.field("Host", "Pattern of the Host header.", |r| &mut r.rule.host);
        fields.field("HTTPMethod", "Pattern of the method.", |r| &mut r.rule.http_method);
        fields.field("URLPath", "Pattern of the path.", |r| &mut r.rule.url_path);
        fields.field("ResourceARN", "Pattern of the resource.", |r| &mut r.rule.resource_arn);
        fields.field("Version", "1.", |r| &mut r.rule.version).range(1..=1);
        fields.field("Attributes", "Patterns by name.", |r| &mut r.rule.attributes);
        fields.not_honoured(
            "SamplingRateBoost",
            "A higher rate while requests fail.",
            "rates are not raised",
        );
    }
}

impl Central {
    fn rule(&self) -> Rule {
        let rule = self.rule.clone();
        let priority =
            if rule.is_default() { DEFAULT_PRIORITY } else { self.priority.unwrap_or(DEFAULT_PRIORITY) };
        Rule { priority, ..rule }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let rules = read("rules.json", text).unwrap_or_else(|found| panic!("{found}"));
        rules.into_iter().map(|rule| rule.name).collect()
    }

    #[test]
    fn local_rules_of_both_versions() {
        let two = r#"{"version": 2, "rules": [{"description": "players", "host": "*", "http_method": "*",
            "url_path": "/api/move/*", "fixed_target": 0, "rate": 0.05}],
            "default": {"fixed_target": 1, "rate": 0.1}}"#;
        let rules = read("rules.json", two).unwrap();
        let expected = Rule {
            name: "rule-1".to_owned(),
            priority: 1,
            reservoir_size: 0,
            url_path: "/api/move/*".to_owned(),
            ..Rule::default()
        };
        assert_eq!(rules, [expected.clone(), Rule { fixed_rate: 0.1, ..Rule::default() }]);
        let one = two.replace("\"version\": 2", "\"version\": 1").replace("\"host\"", "\"service_name\"");
        assert_eq!(read("rules.json", &one).unwrap()[0], expected);
        let tabbed = "{\n\t\"version\": 2,\n\t\"default\": {\n\t\t\"fixed_target\": 1, \"rate\": 1}\n}";
        assert_eq!(names(tabbed), ["Default"]);
        assert_eq!(names("version: 2\ndefault: {fixed_target: 1, rate: 0.5}"), ["Default"]);
    }

    #[test]
    fn rules_in_the_api_s_form() {
        let rule = |name: &str, priority: u32| {
            format!(
                r#"{{"RuleName": "{name}", "Priority": {priority}, "FixedRate": 0.1, "ReservoirSize": 5}}"#
            )
        };
        let list = format!(r#"{{"SamplingRules": [{}, {}]}}"#, rule("b", 2), rule("a", 1));
        assert_eq!(names(&list), ["a", "b", "Default"]);
        let whole = r#"{"NextToken": null, "SamplingRuleRecords": [
            {"CreatedAt": 1.7E9, "ModifiedAt": "2026-01-01T00:00:00Z", "SamplingRule": {"RuleName": "cart",
             "RuleARN": "arn:aws:xray:eu-west-1:111122223333:sampling-rule/cart", "ResourceARN": "*", "Priority": 100,
             "FixedRate": 0.1, "ReservoirSize": 5, "ServiceName": "web", "ServiceType": "*", "Host": "*",
             "HTTPMethod": "*", "URLPath": "/cart/*", "Version": 1, "Attributes": {}, "SamplingRateBoost": null}},
            {"SamplingRule": {"RuleName": "Default", "Priority": 10000, "FixedRate": 0.2, "ReservoirSize": 3}}]}"#;
        let rules = read("rules.json", whole).unwrap();
        assert_eq!((rules[0].service_name.as_str(), rules[0].url_path.as_str()), ("web", "/cart/*"));
        assert_eq!((rules[1].fixed_rate, rules[1].reservoir_size), (0.2, 3));
        assert_eq!(names("SamplingRules: []\nversion: 2\ndefault: {fixed_target: 0, rate: 0}"), ["Default"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let rule = r#""http_method": "*", "url_path": "*", "fixed_target": 1, "rate": 0.5"#;
        let default = r#""default": {"fixed_target": 1, "rate": 0.1}"#;
        let cases = [
            ("{".to_owned(), "rules.json:2:1"),
            ("{}".to_owned(), "neither `version`"),
            (
                r#"{"version": 3, "default": {"fixed_target": 1, "rate": 0.1}}"#.to_owned(),
                "version 3 is not known",
            ),
            (r#"{"version": 2}"#.to_owned(), "`default` is missing"),
            (format!("{{\"version\": 2,\n{default},\n\"rules\": [{{{rule}}}]}}"), "rules.json:3:11"),
            (
                format!(r#"{{"version": 1, {default}, "rules": [{{"host": "*", {rule}}}]}}"#),
                "`service_name` is missing",
            ),
            (r#"{"version": 2, "default": {"fixed_target": -1, "rate": 0.1}}"#.to_owned(), "fixed_target"),
            (r#"{"version": 2, "default": {"fixed_target": 1, "rate": 1.5}}"#.to_owned(), "rate"),
            (r#"{"version": 2, "default": {"fixed_target": 1, "rate": .nan}}"#.to_owned(), "rate"),
            (r#"{"version": 2, "default": {"host": "*", "fixed_target": 1, "rate": 1}}"#.to_owned(), "host"),
            (
                r#"{"SamplingRules": [{"RuleName": "a", "FixedRate": 1, "ReservoirSize": 1}]}"#.to_owned(),
                "no Priority",
            ),
            (
                r#"{"SamplingRules": [{"RuleName": "Default", "FixedRate": 1, "ReservoirSize": 1},
                    {"RuleName": "Default", "FixedRate": 1, "ReservoirSize": 1}]}"#
                    .to_owned(),
                "is there twice",
            ),
            (
                r#"{"SamplingRules": [{"RuleName": "abcdefghijklmnopqrstuvwxyzabcdefg", "Priority": 1, "FixedRate": 1, "ReservoirSize": 1}]}"#
                    .to_owned(),
                "1 to 32 characters",
            ),
        ];
        for (text, expected) in cases {
            let found = read("rules.json", &text).expect_err(&text).to_string();
            assert!(found.contains(expected), "{text}: {found}");
        }
    }
}
