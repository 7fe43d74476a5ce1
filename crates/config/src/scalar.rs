//! What a plain scalar means: the rules of Go's yaml.v3, which reads Collector configurations.

use crate::tree::Value;

/// Resolves an unquoted scalar. Differs from YAML 1.1: `yes` and `on` are strings, and from YAML 1.2: `0123` is octal.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Value::String(text.to_owned());
    }
    let number = text.replace('_', "");
    let value = int(&number).map(Value::Int).or_else(|| float(&number).map(Value::Float));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// `-12`, `0x1F`, `0o17`, `017`, `0b101`; None if it is something else or does not fit `i64` and `u64`.
fn int(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, digits.get(2..)?),
        Some("0o") => (8, digits.get(2..)?),
        Some("0b") => (2, digits.get(2..)?),
        Some(_) if digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // from_str_radix would take a second sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let value = sign * i128::from(u64::from_str_radix(digits, radix).ok()?);
    (value >= i128::from(i64::MIN)).then_some(value)
}

/// `1.5`, `.5`, `1e3`, `089`. Rust's own words (`inf`, `nan`) don't count, nor does what overflows.
fn float(text: &str) -> Option<f64> {
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let value: f64 = if text.chars().all(allowed) { text.parse().ok()? } else { return None };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_as_yaml_v3_does() {
        let check = |text: &str, expected: Value| assert_eq!(resolve(text), expected, "{text}");
        let string = |text: &str| Value::String(text.to_owned());
        for null in ["", "~", "null", "Null", "NULL"] {
            check(null, Value::Null);
        }
        check("nUll", string("nUll"));
        check("true", Value::Bool(true));
        check("FALSE", Value::Bool(false));
        for word in ["yes", "on", "off", "no", "y", "N", "tRue"] {
            check(word, string(word));
        }
        check("42", Value::Int(42));
        check("+42", Value::Int(42));
        check("-42", Value::Int(-42));
        check("1_000", Value::Int(1000));
        check("0", Value::Int(0));
        check("0123", Value::Int(83));
        check("0o17", Value::Int(15));
        check("0x1F", Value::Int(31));
        check("-0b101", Value::Int(-5));
        check("089", Value::Float(89.0));
        check("18446744073709551615", Value::Int(u64::MAX.into()));
        check("-9223372036854775808", Value::Int(i64::MIN.into()));
        check("18446744073709551616", Value::Float(18446744073709551616.0));
        check("1.10", Value::Float(1.1));
        check(".5", Value::Float(0.5));
        check("1e3", Value::Float(1000.0));
        check("1.", Value::Float(1.0));
        check("-.inf", Value::Float(f64::NEG_INFINITY));
        for text in [
            "1e999",
            "+-5",
            "--5",
            "0x",
            "0x-5",
            "1.2.3",
            "127.0.0.1:4317",
            "5s",
            "-",
            ".",
            "+",
            "inf",
            "-inf",
        ] {
            check(text, string(text));
        }
        check("2024-01-01", string("2024-01-01"));
        assert!(matches!(resolve(".nan"), Value::Float(value) if value.is_nan()));
    }
}
