//! A configuration for other collectors: without the keys that only Collimator knows, which they refuse.
//!
//! It works on lines, by indentation, and so needs block style: each key on a line of its own, indented by spaces
//! or directly under the parent. The value of a key may be anything as long as its further lines are indented more
//! deeply than the key, or are the items of a list. A key inside `{…}` is not found, an anchor in a part that is
//! left out is missing elsewhere, and keys that other components' tables call ours stay: a peer then refuses the
//! configuration, and its own words are in the error.

/// What only Collimator knows; `*` stands for any name.
const OWN_KEYS: [&[&str]; 6] = [
    &["service", "limits"],
    &["service", "drain_timeout"],
    &["service", "workers"],
    &["service", "pipelines", "*", "best_effort"],
    &["receivers", "*", "invalid_utf8"],
    &["receivers", "*", "max_wait"],
];

/// A configuration without Collimator's own keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Portable {
    pub(crate) text: String,
    /// The keys that are missing, such as `service::limits`, in the file's order.
    pub(crate) left_out: Vec<String>,
}

impl Portable {
    /// Leaves out of `config` each of Collimator's own keys, with everything below it.
    pub(crate) fn new(config: &str) -> Portable {
        let mut portable = Portable { text: String::with_capacity(config.len()), left_out: Vec::new() };
        // The keys around the line, outermost first, with their indentation.
        let mut path: Vec<(usize, &str)> = Vec::new();
        // Indentation of the key that is being left out.
        let mut leaving: Option<usize> = None;
        for line in config.lines() {
            let content = line.trim_start_matches(' ');
            let indent = line.len() - content.len();
            let is_filler = content.trim_end().is_empty() || content.starts_with('#');
            let is_item = content == "-" || content.starts_with("- ");
            if leaving.is_some_and(|key| indent > key || (indent == key && is_item)) {
                continue;
            }
            // An empty line or a comment further left may be followed by more of the value.
            if !is_filler {
                leaving = None;
                if let Some(key) = key(content) {
                    path.retain(|(outer, _)| *outer < indent);
                    path.push((indent, key));
                    if is_own(&path) {
                        portable.left_out.push(name(&path));
                        leaving = Some(indent);
                        continue;
                    }
                }
            }
            portable.text.push_str(line);
            portable.text.push('\n');
        }
        portable
    }
}

/// The key of `key: value` or `key:`, without quotes.
fn key(content: &str) -> Option<&str> {
    let end = content.match_indices(':').map(|(at, _)| at).find(|at| {
        let after = content.get(at + 1..).unwrap_or_default();
        after.is_empty() || after.starts_with(char::is_whitespace)
    })?;
    Some(content.get(..end)?.trim_end().trim_matches(['"', '\'']))
}

fn is_own(path: &[(usize, &str)]) -> bool {
    OWN_KEYS.iter().any(|own| {
        own.len() == path.len() && own.iter().zip(path).all(|(own, (_, key))| *own == "*" || own == key)
    })
}

fn name(path: &[(usize, &str)]) -> String {
    path.iter().map(|(_, key)| *key).collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &str, text: &str, left_out: &[&str]) {
        let left_out = left_out.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(Portable::new(config), Portable { text: text.into(), left_out });
    }

    #[test]
    fn a_key_goes_with_everything_below_it() {
        check(
            "service:\n  # why\n  limits: # of all\n    max_memory_mib: ${env:MIB:-256}\n\n    # more\n    \
             max_held_mib: 9\n  telemetry:\n    limits: 1\n",
            "service:\n  # why\n\n  telemetry:\n    limits: 1\n",
            &["service::limits"],
        );
        check(
            "service:\n  limits:\n    a:\n# comment\n    b: 1\nreceivers:\n",
            "service:\n# comment\nreceivers:\n",
            &["service::limits"],
        );
    }

    #[test]
    fn values_may_be_scalars_flows_and_lists() {
        check(
            "service:\n  workers: 2\n  \"drain_timeout\": 5s\n  limits: {max_memory_mib: 256}\n  pipelines:\n",
            "service:\n  pipelines:\n",
            &["service::workers", "service::drain_timeout", "service::limits"],
        );
        let kept = "service:\n  pipelines:\n    traces/a:\n      exporters: [otlp, debug]\n    logs:\n";
        for value in [" [debug]\n", "\n        - debug\n        - nop\n", "\n      - debug\n      - nop\n"] {
            let own = format!("[otlp, debug]\n      best_effort:{value}");
            check(
                &kept.replace("[otlp, debug]\n", &own),
                kept,
                &["service::pipelines::traces/a::best_effort"],
            );
        }
    }

    #[test]
    fn receivers_lose_their_own_keys_at_any_indentation() {
        check(
            "receivers:\n    otlp/a:\n      max_wait: 1s\n      protocols:\n            grpc:\n      \
             invalid_utf8: refuse\n    b:\n        max_wait: 2s\r\n",
            "receivers:\n    otlp/a:\n      protocols:\n            grpc:\n    b:\n",
            &["receivers::otlp/a::max_wait", "receivers::otlp/a::invalid_utf8", "receivers::b::max_wait"],
        );
    }

    #[test]
    fn the_same_names_elsewhere_stay() {
        for config in [
            "",
            "limits:\n  service:\n    limits: 1\n",
            "receivers:\n  max_wait:\n    limits: 1\n  otlp:\n    protocols:\n      max_wait: 1s\n",
            "exporters:\n  otlp:\n    max_wait: 1s\n    # invalid_utf8: refuse\n",
            "service:\n  extensions:\n  - limits\n  telemetry: {workers: 1}\n  pipelines:\n    best_effort:\n",
            "exporters:\n  x:\n    url: http://service:1\nservice:\n  é: 1\n  limits:x\n",
        ] {
            check(config, config, &[]);
        }
    }

    /// The shipped configurations are what peers are compared on.
    #[test]
    fn the_gateway_loses_its_limits_and_nothing_else() {
        let gateway = include_str!("../../pipelines/gateway.yaml");
        let portable = Portable::new(gateway);
        assert_eq!(portable.left_out, ["service::limits"]);
        let missing: Vec<&str> =
            gateway.lines().filter(|line| !portable.text.lines().any(|kept| kept == *line)).collect();
        assert_eq!(missing, ["  limits:", "    max_memory_mib: ${env:MAX_MEMORY_MIB:-256}"]);
    }
}
