//! JSON values as YAML that reads back as the same configuration.

use config::{Json, duration};

/// One key of the top level.
pub(super) fn entry(key: &str, value: &Json) -> String {
    let mut text = String::new();
    write_entry(key, value, 0, &mut text);
    text
}

fn write_entry(key: &str, value: &Json, depth: usize, text: &mut String) {
    text.push_str(&"  ".repeat(depth));
    text.push_str(&if is_plain(key) { key.to_owned() } else { quoted(key) });
    text.push(':');
    write_value(value, depth, text);
}

/// What follows a key, from the space or line break on.
fn write_value(value: &Json, depth: usize, text: &mut String) {
    match value {
        Json::Object(entries) if !entries.is_empty() => {
            text.push('\n');
            entries.iter().for_each(|(key, value)| write_entry(key, value, depth + 1, text));
        }
        Json::Array(items) if !items.is_empty() && !items.iter().all(is_scalar) => {
            text.push('\n');
            for item in items {
                write_item(item, depth + 1, text);
            }
        }
        Json::Null => text.push('\n'),
        other => {
            text.push(' ');
            text.push_str(&flow(other));
            text.push('\n');
        }
    }
}

/// An item of a list: its first key stands behind the dash.
fn write_item(item: &Json, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match item {
        Json::Object(entries) if !entries.is_empty() => {
            let mut below = String::new();
            entries.iter().for_each(|(key, value)| write_entry(key, value, depth + 1, &mut below));
            let first = below.trim_start();
            text.push_str(&format!("{indent}- {first}"));
        }
        other => text.push_str(&format!("{indent}- {}\n", flow(other))),
    }
}

fn is_scalar(json: &Json) -> bool {
    !matches!(json, Json::Object(_) | Json::Array(_))
}

/// A value on one line.
fn flow(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::String(text) if is_plain(text) => text.clone(),
        // A `$` would begin a reference.
        Json::String(text) => quoted(&text.replace('$', "$$")),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// Whether a text needs no quotes, in a flow list either.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'))
        || (text.starts_with(|c: char| c.is_ascii_digit())
            && duration::parse(text).is_ok()
            && text.len() > 1);
    starts
        && text.chars().all(safe)
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_what_reads_back() {
        let value = json!({
            "a": {"b": [{"c": 1, "d": {"e": "x"}}, "z"], "list": ["p", "5s", "5", 5], "none": {}, "empty": []},
            "text": "two words", "cost": "5$", "no": "no", "number": "12", "at": "localhost:4317", "half": 0.5,
        });
        let expected = r#"top:
  a:
    b:
      - c: 1
        d:
          e: x
      - z
    empty: []
    list: [p, 5s, "5", 5]
    none: {}
  at: localhost:4317
  cost: "5$$"
  half: 0.5
  "no": "no"
  number: "12"
  text: "two words"
"#;
        assert_eq!(entry("top", &value), expected);
    }
}
