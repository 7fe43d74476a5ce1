//! Reading typed sections: what is accepted, and what is said about the rest.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use collimator_config::{
    Checks, Choice, ComponentId, Diagnostics, Fields, Headers, Optional, Secret, Section, Sources, reference,
    render, schema, setting_by_choice, yaml,
};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Compression {
    #[default]
    Gzip,
    Zstd,
    Off,
}

impl Choice for Compression {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("gzip", Self::Gzip), ("zstd", Self::Zstd), ("none", Self::Off), ("", Self::Off)];
}
setting_by_choice!(Compression);

/// A shared block that is flattened into others.
#[derive(Debug, Clone, PartialEq)]
struct Client {
    endpoint: String,
    timeout: Duration,
    password: Secret,
    zones: Vec<Batch>,
}

impl Default for Client {
    fn default() -> Self {
        let timeout = Duration::from_secs(5);
        Self { endpoint: String::new(), timeout, password: Secret::default(), zones: Vec::new() }
    }
}

impl Section for Client {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("endpoint", "Where to send to.", |c| &mut c.endpoint).required();
        let longest = Duration::from_secs(3600);
        fields.field("timeout", "Longest wait.", |c| &mut c.timeout).at_most(longest);
        fields.field("password", "What to say at the door.", |c| &mut c.password);
        fields.field("zones", "Zones.", |c| &mut c.zones);
        fields.not_honoured("balancer_name", "How to balance.", "there is one connection");
        fields.unsupported("proxy_url", "A proxy.", "connections are always direct");
    }

    fn check(&self, checks: &mut Checks) {
        if self.endpoint.starts_with("ftp:") {
            checks.at("endpoint", "ftp is not spoken here");
        }
        for (index, _) in self.zones.iter().enumerate().filter(|(_, zone)| zone.max == 99) {
            checks.at(&format!("zones.{index}.max"), "99 is taken");
        }
        if self.timeout.is_zero() && self.password.is_empty() {
            checks.at("password", "a password is needed without a timeout");
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Queue {
    size: u32,
    batch: Optional<Batch>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { size: 1000, batch: Optional::Default(Batch { max: 77 }) }
    }
}

impl Section for Queue {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("size", "How many.", |c| &mut c.size).at_least(1);
        fields.field("batch", "Join what waits.", |c| &mut c.batch);
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Batch {
    max: i32,
}

impl Section for Batch {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("max", "Most in one.", |c| &mut c.max).range(-5..=100);
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Config {
    client: Client,
    queue: Optional<Queue>,
    cors: Optional<Batch>,
    grpc: Optional<Batch>,
    rotation: Option<Batch>,
    storage: Option<ComponentId>,
    ratio: f64,
    enabled: bool,
    port: u16,
    keys: Vec<String>,
    rules: Vec<Batch>,
    labels: BTreeMap<String, String>,
    headers: Headers,
    compression: Compression,
    format: String,
    token: String,
    replicas: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client: Client::default(),
            queue: Optional::Some(Queue::default()),
            cors: Optional::None,
            grpc: Optional::Default(Batch { max: 42 }),
            rotation: None,
            storage: None,
            ratio: 0.5,
            enabled: true,
            port: 4317,
            keys: vec!["default".into()],
            rules: Vec::new(),
            labels: BTreeMap::new(),
            headers: Headers::default(),
            compression: Compression::Gzip,
            format: "json".into(),
            token: String::new(),
            replicas: 1,
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.client);
        fields.field("queue", "Holds what waits.", |c| &mut c.queue);
        fields.field("cors", "Off.", |c| &mut c.cors);
        fields.field("grpc", "Defaults.", |c| &mut c.grpc);
        fields.field("rotation", "Older style.", |c| &mut c.rotation);
        fields.field("storage", "Where the queue lives.", |c| &mut c.storage);
        fields.field("ratio", "A share.", |c| &mut c.ratio).range(0.0..=1.0);
        fields.field("enabled", "A switch.", |c| &mut c.enabled);
        fields.field("port", "A port.", |c| &mut c.port);
        fields.field("keys", "Keys.", |c| &mut c.keys);
        fields.field("rules", "Rules.", |c| &mut c.rules);
        fields.field("labels", "Labels.", |c| &mut c.labels);
        fields.field("headers", "Headers.", |c| &mut c.headers);
        fields.field("compression", "How to shrink.", |c| &mut c.compression).alias("compress");
        fields.field("format", "A form.", |c| &mut c.format).one_of(&["json", "proto"]);
        fields.field("token", "A token.", |c| &mut c.token).secret().deprecated("use `password`");
        let check = |value: &usize| match value.is_power_of_two() {
            true => Ok(()),
            false => Err("must be a power of two".to_owned()),
        };
        let field = fields.field("replicas", "Copies.", |c| &mut c.replicas);
        field.check(check).not_honoured("there is always one");
    }
}

fn read(body: &str) -> (Option<Config>, Diagnostics) {
    let text = format!("exporter: {body}");
    let mut sources = Sources::default();
    let source = sources.add("test.yaml", text.as_str());
    let mut diagnostics = Diagnostics::new(sources);
    let root = yaml::parse(&text, source, &mut diagnostics).unwrap();
    let node = root.get("exporter").unwrap();
    let config = collimator_config::read::<Config>(node, &mut diagnostics, "exporters::x");
    (config, diagnostics)
}

/// Reads `{endpoint: e, …}` and compares one part of it.
fn check<T: PartialEq + std::fmt::Debug>(body: &str, part: fn(Config) -> T, expected: T) {
    let (config, diagnostics) = read(&format!("{{endpoint: e, {body}}}"));
    let config = config.unwrap_or_else(|| panic!("{body}: {diagnostics}"));
    assert_eq!(part(config), expected, "{body}");
}

/// Reads `{endpoint: e, …}` and compares the findings: severity, column after that, path and message of each.
fn check_findings(body: &str, expected: &[&str]) {
    let before = "exporter: {endpoint: e, ".len() + 1;
    let (_, diagnostics) = read(&format!("{{endpoint: e, {body}}}"));
    let one = |found: &&collimator_config::Diagnostic| {
        let place = found.span.start.column as usize - before;
        let path = found.path.strip_prefix("exporters::x").unwrap().trim_start_matches("::");
        let help = found.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
        format!("{} {place} {path}: {}{help}", found.severity.as_str(), found.message)
    };
    assert_eq!(diagnostics.sorted().iter().map(one).collect::<Vec<_>>(), expected, "{body}");
}

#[test]
fn values() {
    check(
        "",
        |c| c,
        Config { client: Client { endpoint: "e".into(), ..Client::default() }, ..Config::default() },
    );
    check("timeout: 1m30s", |c| c.client.timeout, Duration::from_secs(90));
    check("timeout: 10", |c| c.client.timeout, Duration::from_nanos(10));
    check("port: 5.7", |c| c.port, 5);
    check("port: 0x10", |c| c.port, 16);
    check("ratio: 1", |c| c.ratio, 1.0);
    check("enabled: false", |c| c.enabled, false);
    check("grpc: {max: -5}", |c| c.grpc, Optional::Some(Batch { max: -5 }));
    check("keys: [a, 'b']", |c| c.keys, vec!["a".to_owned(), "b".to_owned()]);
    check("keys: 'a,b, c'", |c| c.keys, vec!["a".to_owned(), "b".to_owned(), " c".to_owned()]);
    check("keys: ''", |c| c.keys, vec![]);
    check("rules: [{max: 1}, {}, ]", |c| c.rules, vec![Batch { max: 1 }, Batch { max: 0 }]);
    check(
        "labels: {a: b, c: ''}",
        |c| c.labels.into_iter().collect(),
        vec![("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())],
    );
    let headers = Headers(vec![("B".into(), Secret::new("1")), ("a".into(), Secret::new("2"))]);
    check("headers: {B: '1', a: '2'}", |c| c.headers, headers.clone());
    check("headers: [{name: B, value: '1'}, {name: a, value: '2'}]", |c| c.headers, headers);
    check("compression: zstd", |c| c.compression, Compression::Zstd);
    check("compress: zstd", |c| c.compression, Compression::Zstd);
    check("storage: file_storage/x", |c| c.storage.map(|id| id.name().to_owned()), Some("x".to_owned()));
    check("format: proto", |c| c.format, "proto".to_owned());
    check("password: 'p'", |c| c.client.password.expose().to_owned(), "p".to_owned());
}

/// Section 1.2 of the Collector's behaviour: what a key without a value means.
#[test]
fn null_is_zero_for_scalars_and_default_for_the_rest() {
    check("password: p, timeout: ", |c| c.client.timeout, Duration::ZERO);
    check("ratio: ", |c| c.ratio, 0.0);
    check("enabled: ", |c| c.enabled, false);
    check("port: ~", |c| c.port, 0);
    check("compression: ", |c| c.compression, Compression::Off);
    check("storage: ", |c| c.storage, None);
    check("keys: ", |c| c.keys, vec!["default".to_owned()]);
    check("keys: []", |c| c.keys, vec![]);
    check("labels: ", |c| c.labels.len(), 0);
    check("headers: ", |c| c.headers.0.len(), 0);
    check_findings(
        "enabled: ",
        &[
            "warning 0 enabled: no value: this sets `false`, not the default (remove the key to get the default)",
        ],
    );
}

#[test]
fn optional_blocks() {
    let queue = Queue::default();
    // Absent, null, {}, {enabled: false}, {enabled: true}
    check("", |c| c.cors.into_option(), None);
    check("cors: ", |c| c.cors.into_option(), None);
    check("cors: {}", |c| c.cors.into_option(), Some(Batch { max: 0 }));
    check("cors: {enabled: false, max: x}", |c| c.cors.into_option(), None);
    check("cors: {enabled: true}", |c| c.cors.into_option(), Some(Batch { max: 0 }));
    check("", |c| c.grpc.into_option(), None);
    check("grpc: ", |c| c.grpc.into_option(), Some(Batch { max: 42 }));
    check("grpc: {}", |c| c.grpc.into_option(), Some(Batch { max: 42 }));
    check("grpc: {enabled: false}", |c| c.grpc.into_option(), None);
    check("grpc: {enabled: true, max: 1}", |c| c.grpc.into_option(), Some(Batch { max: 1 }));
    check("", |c| c.queue.into_option(), Some(queue.clone()));
    check("queue: ", |c| c.queue.into_option(), Some(queue.clone()));
    check("queue: {}", |c| c.queue.into_option(), Some(queue.clone()));
    check("queue: {enabled: false, size: 0}", |c| c.queue.into_option(), None);
    check("queue: {batch: }", |c| c.queue.into_option().unwrap().batch, Optional::Some(Batch { max: 77 }));
    check("", |c| c.rotation, None);
    check("rotation: ", |c| c.rotation, Some(Batch { max: 0 }));
    check("rotation: {}", |c| c.rotation, Some(Batch { max: 0 }));
    check("rotation: {max: 3}", |c| c.rotation, Some(Batch { max: 3 }));
    check_findings("cors: {enabled: }", &["error 7 cors::enabled: expected `true` or `false`, found null"]);
    check_findings(
        "cors: {enabled: 'no'}",
        &["error 16 cors::enabled: expected `true` or `false`, found the string `no`"],
    );
    check_findings("cors: yes", &["error 6 cors: expected a map of keys, found the string `yes`"]);
}

#[test]
fn wrong_values() {
    check_findings(
        "port: '5'",
        &["error 6 port: expected an integer, found the string `5` (take the quotes away: 5)"],
    );
    check_findings("port: 65536", &["error 6 port: 65536 is not between 0 and 65535"]);
    check_findings("port: -1", &["error 6 port: must not be negative, found -1"]);
    check_findings("port: .inf", &["error 6 port: expected an integer, found the number .inf"]);
    check_findings("port: 5.7", &["warning 6 port: 5.7 is not an integer: 5 is taken"]);
    check_findings("port: [1]", &["error 6 port: expected an integer, found a list"]);
    check_findings(
        "enabled: 'true'",
        &[
            "error 9 enabled: expected `true` or `false`, found the string `true` (take the quotes away: true)",
        ],
    );
    check_findings("enabled: yes", &["error 9 enabled: expected `true` or `false`, found the string `yes`"]);
    check_findings(
        "format: 1.10",
        &["error 8 format: expected a string, found the number 1.10 (put it in quotes: \"1.10\")"],
    );
    check_findings(
        "format: true",
        &["error 8 format: expected a string, found the boolean true (put it in quotes: \"true\")"],
    );
    check_findings("format: xml", &["error 8 format: expected one of `json`, `proto`, found `xml`"]);
    check_findings("password: 123456", &["error 10 password: expected a string; put the value in quotes"]);
    check_findings(
        "timeout: 5x",
        &[
            "error 9 timeout: unknown unit `x` in duration `5x` (write numbers with units: `300ms`, `5s`, `1m30s`, `24h`)",
        ],
    );
    check_findings(
        "timeout: 10",
        &["warning 9 timeout: a number without a unit is nanoseconds: 10ns (write `10s` for seconds)"],
    );
    check_findings("timeout: -1", &["error 9 timeout: a duration must not be negative, found `-1`"]);
    check_findings("timeout: 2h", &["error 9 timeout: must be at most 1h0m0s, found 2h0m0s"]);
    check_findings("ratio: 1.5", &["error 7 ratio: must be between 0.0 and 1.0, found 1.5"]);
    check_findings("ratio: .nan", &["error 7 ratio: must be between 0.0 and 1.0, found .nan"]);
    check_findings("queue: {size: 0}", &["error 14 queue::size: must be at least 1, found 0"]);
    check_findings(
        "replicas: 3",
        &[
            "error 10 replicas: must be a power of two",
            "warning 0 replicas: `replicas` has no effect: there is always one",
        ],
    );
    check_findings("replicas: 1", &[]);
    check_findings("keys: {a: b}", &["error 6 keys: expected a list, found a map"]);
    check_findings(
        "keys: [a, 1]",
        &["error 10 keys[1]: expected a string, found the number 1 (put it in quotes: \"1\")"],
    );
    check_findings(
        "rules: [{max: 101}, 5]",
        &[
            "error 14 rules[0]::max: must be between -5 and 100, found 101",
            "error 20 rules[1]: expected a map of keys, found the number 5",
        ],
    );
    check_findings("rules: 'a,b'", &["error 7 rules: expected a list, found the string `a,b`"]);
    check_findings("labels: [a]", &["error 8 labels: expected a map, found a list"]);
    check_findings(
        "labels: {a: 1}",
        &["error 12 labels::a: expected a string, found the number 1 (put it in quotes: \"1\")"],
    );
    check_findings(
        "headers: [{value: v}]",
        &["error 10 headers[0]: the key `name` is required (name: Name of the header.)"],
    );
    check_findings("headers: {a: 1}", &["error 13 headers::a: expected a string; put the value in quotes"]);
    check_findings(
        "compression: gzipp",
        &[
            "error 13 compression: expected one of `gzip`, `zstd`, `none`, found the string `gzipp` (did you mean `gzip`?)",
        ],
    );
    check_findings(
        "compression: 5",
        &["error 13 compression: expected one of `gzip`, `zstd`, `none`, found the number 5"],
    );
    check_findings(
        "storage: a b",
        &[
            "error 9 storage: invalid type `a b`: a type is a letter, then letters, digits and `_`, 63 at most",
        ],
    );
}

#[test]
fn wrong_keys() {
    check_findings("prot: 1", &["error 0 : unknown key `prot` (did you mean `port`?)"]);
    check_findings("Port: 1", &["error 0 : unknown key `Port` (did you mean `port`?)"]);
    check_findings(
        "queue: {sise: 1, foo: 2}",
        &[
            "error 8 queue: unknown key `sise` (did you mean `size`?)",
            "error 17 queue: unknown key `foo` (valid keys: `size`, `batch`)",
        ],
    );
    check_findings(
        "balancer_name: x",
        &["warning 0 balancer_name: `balancer_name` has no effect: there is one connection"],
    );
    check_findings(
        "proxy_url: x",
        &["error 0 proxy_url: `proxy_url` is not supported: connections are always direct"],
    );
    check_findings("compress: gzip", &["warning 0 compress: `compress` is deprecated (use `compression`)"]);
    check_findings(
        "compression: gzip, compress: zstd",
        &["error 19 compress: `compression` is given under both of its names"],
    );
    check_findings("token: \"\"", &["warning 0 token: `token` is deprecated (use `password`)"]);
}

#[test]
fn required_keys_and_checks() {
    let check = |body: &str, expected: &str| {
        let (config, diagnostics) = read(body);
        assert_eq!(config.is_none(), diagnostics.has_errors());
        assert_eq!(diagnostics.to_string(), expected, "{body}");
    };
    let missing = "error: the key `endpoint` is required\n --> test.yaml:1:1\n  |\n1 | exporter: ";
    let rest = "\n  | ^^^^^^^^\n  = at: exporters::x\n  = help: endpoint: Where to send to.\n";
    check("", &format!("{missing}{rest}"));
    check("{}", &format!("{missing}{{}}{rest}"));
    check("{port: 1}", &format!("{missing}{{port: 1}}{rest}"));
    check(
        "{endpont: e}",
        "error: unknown key `endpont`\n --> test.yaml:1:12\n  |\n1 | exporter: {endpont: e}\n  |            ^^^^^^^\n  \
         = at: exporters::x\n  = help: did you mean `endpoint`?\n",
    );
    check(
        "{endpoint: ''}",
        "error: `endpoint` must not be empty\n --> test.yaml:1:22\n  |\n1 | exporter: {endpoint: ''}\n  |                      \
         ^^\n  = at: exporters::x::endpoint\n",
    );
    check_findings(
        "endpoint2: ftp:x, port: x",
        &[
            "error 0 : unknown key `endpoint2` (did you mean `endpoint`?)",
            "error 24 port: expected an integer, found the string `x`",
        ],
    );
    check(
        "{endpoint: 'ftp:x', timeout: 0}",
        "error: a password is needed without a timeout\n --> test.yaml:1:1\n  |\n\
         1 | exporter: {endpoint: 'ftp:x', timeout: 0}\n  | ^^^^^^^^\n  = at: exporters::x::password\n\n\
         error: ftp is not spoken here\n --> test.yaml:1:22\n  |\n1 | exporter: {endpoint: 'ftp:x', timeout: 0}\n  \
         |                      ^^^^^^^\n  = at: exporters::x::endpoint\n",
    );
}

#[test]
fn rendered_with_defaults_and_without_secrets() {
    let (config, _) = read("{endpoint: e, password: p, token: t, headers: {k: v}, grpc: }");
    let config = config.unwrap();
    assert_eq!(
        render(&config),
        json!({
            "endpoint": "e", "timeout": "5s", "password": "[REDACTED]", "zones": [], "queue": {"size": 1000, "batch": {"enabled": false}},
            "cors": {"enabled": false}, "grpc": {"max": 42}, "rotation": null, "storage": null, "ratio": 0.5, "enabled": true,
            "port": 4317, "keys": ["default"], "rules": [], "labels": {}, "headers": {"k": "[REDACTED]"},
            "compression": "gzip", "format": "json", "token": "[REDACTED]", "replicas": 1,
        })
    );
    assert_eq!(format!("{:?}", config.client.password), "[REDACTED]");
}

#[test]
fn documented() {
    let rows = reference::<Config>();
    let row = |name: &str| {
        let row = rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name}"));
        format!("{}|{}|{}", row.type_name, row.default, row.doc)
    };
    assert_eq!(row("endpoint"), "a string||Where to send to.");
    assert_eq!(row("timeout"), "a duration|5s|Longest wait.");
    assert_eq!(row("queue"), "a map||Holds what waits.");
    assert_eq!(row("queue.enabled"), "a boolean|true|Turns the block off, or on.");
    assert_eq!(row("queue.batch.max"), "an integer|77|Most in one.");
    assert_eq!(row("grpc.enabled"), "a boolean|false|Turns the block off, or on.");
    assert_eq!(row("rules"), "a list of maps|[]|Rules.");
    assert_eq!(row("rules[].max"), "an integer|0|Most in one.");
    assert_eq!(row("keys"), "a list of strings|[\"default\"]|Keys.");
    assert_eq!(row("compression"), "one of `gzip`, `zstd`, `none`|gzip|How to shrink.");
    assert_eq!(row("replicas"), "an integer|1|Copies. Has no effect: there is always one.");
    assert!(rows.iter().all(|row| !row.name.contains("proxy_url")));
}

#[test]
fn has_a_schema() {
    let schema = schema::<Config>();
    assert_eq!(schema["required"], json!(["endpoint"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    let property = |name: &str| &schema["properties"][name];
    assert_eq!(
        property("ratio"),
        &json!({"type": "number", "minimum": 0.0, "maximum": 1.0, "default": 0.5, "description": "A share."})
    );
    assert_eq!(property("format")["enum"], json!(["json", "proto"]));
    assert_eq!(property("queue")["properties"]["batch"]["properties"]["max"]["default"], 77);
    assert_eq!(property("grpc")["properties"]["enabled"]["type"], "boolean");
    assert_eq!(property("proxy_url")["deprecated"], true);
    assert_eq!(property("token")["default"], "");
    assert_eq!(property("compress")["deprecated"], true);
}

#[test]
fn secrets_in_clear_text_are_warned_of_and_not_shown() {
    #[derive(Clone, Default)]
    struct Login {
        password: Secret,
        headers: Headers,
    }
    impl Section for Login {
        fn describe(fields: &mut Fields<Self>) {
            fields.field("password", "Password.", |c| &mut c.password);
            fields.field("headers", "Headers.", |c| &mut c.headers);
        }
    }
    let findings = |yaml: &str| {
        let mut sources = Sources::default();
        let source = sources.add("text", yaml);
        let mut diagnostics = Diagnostics::new(sources);
        let node = yaml::parse(yaml, source, &mut diagnostics).unwrap();
        collimator_config::read::<Login>(&node, &mut diagnostics, "");
        diagnostics.to_string()
    };
    let warned = findings("password: hunter2");
    assert_eq!(
        warned,
        "warning: a secret in clear text\n --> text:1:1\n  = at: password\n  = help: keep it outside: `${env:NAME}` or `${file:PATH}`\n"
    );
    assert!(findings("headers: {Authorization: Bearer hunter2}").contains("at: headers::Authorization"));
    let list = findings("headers: [{name: x-api-key, value: hunter2}, {name: x-tenant, value: a}]");
    assert!(list.contains("at: headers[0]::value") && !list.contains("[1]"), "{list}");
    assert_eq!(findings("headers: {x-tenant: a}"), "");
    assert_eq!(findings("password: \"\""), "");
    let wrong = findings("password: 12345");
    assert!(wrong.contains("put the value in quotes") && !wrong.contains("12345"), "{wrong}");
}

#[test]
fn ignored_keys_have_types() {
    #[derive(Clone, Default, Debug)]
    struct Sized;
    impl Section for Sized {
        fn describe(fields: &mut Fields<Self>) {
            fields.ignored::<i64>("buffer", "A buffer.", "buffers follow the traffic");
        }
    }
    assert!(collimator_config::read_text::<Sized>("buffer: 5").is_ok());
    let refused = collimator_config::read_text::<Sized>("buffer: much").unwrap_err().to_string();
    assert!(refused.contains("expected an integer, found the string `much`"), "{refused}");
    let schema = schema::<Sized>();
    assert_eq!(schema["properties"]["buffer"]["type"], "integer");
}

/// Numbers that the Collector's types can hold and ours can't.
#[test]
fn negative_numbers_have_a_meaning_where_one_is_given() {
    #[derive(Debug, Clone, Default, PartialEq)]
    struct Limits {
        inner: Inner,
    }
    #[derive(Debug, Clone, Default, PartialEq)]
    struct Inner {
        enabled: bool,
        size: usize,
        wait: Duration,
        pause: Duration,
    }
    impl Section for Inner {
        fn describe(fields: &mut Fields<Self>) {
            fields.field("size", "A size.", |c| &mut c.size).negative_is(7, "the default, 7");
            let wait = Duration::from_secs(1);
            fields.field("wait", "A wait.", |c| &mut c.wait).negative_is(wait, "1s");
            fields.field("pause", "Another.", |c| &mut c.pause).negative_if(|c| !c.enabled);
            fields.field("enabled", "On.", |c| &mut c.enabled);
        }
    }
    impl Section for Limits {
        fn describe(fields: &mut Fields<Self>) {
            fields.flatten(|c| &mut c.inner);
        }
    }
    let check = |text: &str, expected: Result<(usize, u64), &str>| {
        let mut sources = Sources::default();
        let source = sources.add("text", text);
        let mut found = Diagnostics::new(sources);
        let node = yaml::parse(text, source, &mut found).unwrap();
        let limits = collimator_config::read::<Limits>(&node, &mut found, "");
        let messages: Vec<&str> = found.sorted().iter().map(|found| found.message.as_str()).collect();
        match expected {
            Ok(values) => {
                let inner = limits.unwrap().inner;
                assert_eq!((inner.size, inner.wait.as_secs()), values, "{text}");
            }
            Err(message) => assert_eq!(messages, [message], "{text}"),
        }
    };
    check("{size: -3, wait: -5s}", Ok((7, 1)));
    check("{size: -3.5, wait: -5}", Ok((7, 1)));
    check("{pause: -1s}", Ok((0, 0)));
    check("{pause: -1s, enabled: false}", Ok((0, 0)));
    check("{pause: -1s, enabled: true}", Err("a duration must not be negative, found `-1s`"));
    check("{size: -5s}", Err("expected an integer, found the string `-5s`"));
    check("{size: -1}", Err("a negative `size` means the default, 7"));
    let schema = schema::<Limits>();
    assert!(schema["properties"]["size"].get("minimum").is_none());
}

/// What is wrong between keys that could be read is said though others could not be.
#[test]
fn checks_of_single_keys_need_no_others() {
    #[derive(Debug, Clone, Default)]
    struct Sizes {
        least: u32,
        most: u32,
        wait: Duration,
    }
    impl Section for Sizes {
        fn describe(fields: &mut Fields<Self>) {
            fields.field("least", "Least.", |c| &mut c.least);
            fields.field("most", "Most.", |c| &mut c.most);
            fields.field("wait", "Wait.", |c| &mut c.wait);
            fields.forgotten::<bool>("old", "A switch of old.");
            fields.not_honoured("gone", "Gone.", "it is");
            fields.without("gone");
        }

        fn check(&self, checks: &mut Checks) {
            if self.most < self.least {
                checks.between(&["most", "least"], "too small");
            }
            if self.wait.is_zero() {
                checks.at("wait", "no wait");
            }
        }
    }
    let check = |text: &str, expected: &[&str]| {
        let found = collimator_config::read_text::<Sizes>(text).unwrap_err();
        let messages: Vec<String> = found.sorted().iter().map(|found| found.message.clone()).collect();
        assert_eq!(messages, expected, "{text}");
    };
    check("{least: 2, most: 1}", &["no wait", "too small"]);
    check("{least: 2, most: 1, wait: x}", &["too small", "invalid duration `x`"]);
    check("{least: 2, most: 1, wiat: 1s}", &["too small", "unknown key `wiat`"]);
    check("{least: x, most: 1, wait: 1s}", &["expected an integer, found the string `x`"]);
    check("{mots: 1, least: 2, wait: 1s}", &["unknown key `mots`"]);
    check("{wait: 1s, old: 5}", &["expected `true` or `false`, found the number 5"]);
    check("{wait: 1s, gone: 5}", &["unknown key `gone`"]);
}
