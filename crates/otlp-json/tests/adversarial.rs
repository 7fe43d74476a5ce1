//! Input that means harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use collimator_otlp_json::{Limits, Reason, read, write};
use otlp::schema::{ANY_VALUE, LOGS, METRICS, Message, SPAN, TRACES};
use prost::Message as _;
use support::Dice;

fn sample(message: &'static Message, wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    write(message, wire, &mut text);
    text
}

/// Bytes that make every choice in turn.
fn entropy(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn no_truncation_of_a_document_is_a_document() {
    for seed in [3, 5] {
        let bytes = entropy(300, seed);
        for (message, wire) in [
            (&TRACES, Dice(&bytes).traces().encode_to_vec()),
            (&METRICS, Dice(&bytes).metrics().encode_to_vec()),
            (&LOGS, Dice(&bytes).logs().encode_to_vec()),
        ] {
            let text = sample(message, &wire);
            for len in 0..text.len() {
                let error = read(message, &text[..len], &Limits::default()).expect_err("truncated");
                assert!(error.offset() <= len, "{error}");
            }
            // Truncated wire bytes still give JSON.
            for len in 0..wire.len() {
                let text = sample(message, &wire[..len]);
                let text = String::from_utf8_lossy(&text);
                serde_json::from_str::<serde_json::Value>(&text).expect("well-formed");
            }
        }
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nest = |open: &str, close: &str, times: usize| {
        [open.repeat(times), "{}".to_owned(), close.repeat(times)].concat()
    };
    let depth_of = |message, json: &str, max_depth| {
        read(message, json.as_bytes(), &Limits { max_depth }).map_err(|error| error.reason().clone())
    };
    let array = |times| nest(r#"{"arrayValue":{"values":["#, "]}}", times);
    // Two messages a round; the outermost is 0 deep.
    assert!(depth_of(&ANY_VALUE, &array(48), 96).is_ok());
    assert_eq!(depth_of(&ANY_VALUE, &array(49), 96), Err(Reason::Depth(96)));
    assert!(depth_of(&ANY_VALUE, &array(127), u8::MAX).is_ok());
    assert_eq!(depth_of(&ANY_VALUE, &array(100_000), u8::MAX), Err(Reason::Depth(255)));
    assert!(depth_of(&ANY_VALUE, "{}", 0).is_ok());
    assert_eq!(depth_of(&ANY_VALUE, &array(1), 0), Err(Reason::Depth(0)));
    // Unknown fields count their arrays and objects.
    let unknown = |times| format!(r#"{{"unknown":{}}}"#, nest(r#"[{"a":"#, "}]", times));
    assert!(depth_of(&SPAN, &unknown(47), 96).is_ok());
    assert_eq!(depth_of(&SPAN, &unknown(48), 96), Err(Reason::Depth(96)));
    for bomb in [
        "[",
        "{\"a\":",
        r#"{"arrayValue":{"values":["#,
        r#"{"unknown":["#,
        r#"{"kvlistValue":{"values":[{"value":"#,
    ] {
        assert!(depth_of(&ANY_VALUE, &bomb.repeat(100_000), u8::MAX).is_err());
    }
}

#[test]
fn what_is_read_passes_the_check() {
    let text = format!(r#"{{"stringValue":"{}"}}"#, "x".repeat(300));
    let value = [r#"{"arrayValue":{"values":["#.repeat(45), text, "]}}".repeat(45)].concat();
    let json = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":[{{"key":"k","value":{value}}}]}}]}}]}}]}}"#
    );
    let wire = read(&TRACES, json.as_bytes(), &Limits::default()).unwrap();
    otlp::check(otlp::Signal::Traces, &wire, &otlp::Policy::default()).expect("as deep as the check allows");
}

#[test]
fn what_is_read_can_be_decoded() {
    let json = [r#"{"arrayValue":{"values":["#.repeat(48), r#"{"intValue":1}"#.to_owned(), "]}}".repeat(48)]
        .concat();
    let wire = read(&ANY_VALUE, json.as_bytes(), &Limits::default()).unwrap();
    opentelemetry_proto::tonic::common::v1::AnyValue::decode(wire.as_slice())
        .expect("within prost's own limit");
}

#[test]
fn huge_tokens() {
    let digits = "9".repeat(1_000_000);
    for json in [
        format!(r#"{{"intValue":{digits}}}"#),
        format!(r#"{{"intValue":"{digits}"}}"#),
        format!(r#"{{"intValue":1e{digits}}}"#),
        format!(r#"{{"doubleValue":{digits}}}"#),
        format!(r#"{{"doubleValue":1e{digits}}}"#),
    ] {
        assert!(matches!(
            read(&ANY_VALUE, json.as_bytes(), &Limits::default()).unwrap_err().reason(),
            Reason::Range(_)
        ));
    }
    let zeros = format!(r#"{{"intValue":1{}e-1000000}}"#, "0".repeat(1_000_000));
    assert_eq!(read(&ANY_VALUE, zeros.as_bytes(), &Limits::default()).unwrap(), [0x18, 1]);

    let long = format!(r#"{{"stringValue":"{}"}}"#, "long \\u00e9 ".repeat(200_000));
    let wire = read(&ANY_VALUE, long.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(wire.len(), 1 + 3 + "long é ".len() * 200_000);
    let name = format!(r#"{{"{}":tru}}"#, "n".repeat(1_000_000));
    assert!(read(&ANY_VALUE, name.as_bytes(), &Limits::default()).unwrap_err().to_string().len() < 200);
}

#[test]
fn the_wire_is_no_larger_than_four_times_the_text() {
    for json in [
        format!(r#"{{"explicitBounds":[0{}]}}"#, ",0".repeat(100_000)),
        format!(r#"{{"exemplars":[null{}]}}"#, ",{}".repeat(100_000)),
    ] {
        let wire = read(&otlp::schema::HISTOGRAM_DATA_POINT, json.as_bytes(), &Limits::default()).unwrap();
        assert!(wire.len() <= json.len() * 4);
        assert_eq!(wire.capacity(), wire.len());
    }
}
