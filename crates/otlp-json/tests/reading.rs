//! The reader, rule by rule.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use collimator_otlp_json::{JsonError, Limits, Reason, read, write};
use otlp::schema::{self, LOGS, METRICS, Message, TRACES};

fn read_default(message: &'static Message, json: &str) -> Result<Vec<u8>, JsonError> {
    read(message, json.as_bytes(), &Limits::default())
}

/// Reads a document and writes it again, which shows what was understood.
#[track_caller]
fn check(message: &'static Message, json: &str, expected: &str) {
    let wire = read_default(message, json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let mut text = Vec::new();
    write(message, &wire, &mut text);
    assert_eq!(String::from_utf8(text).unwrap(), expected, "{json}");
}

#[track_caller]
fn check_error(message: &'static Message, json: &str, expected: &str) {
    let error = read_default(message, json).expect_err(json);
    assert_eq!(error.to_string(), expected, "{json}");
}

#[test]
fn names_in_both_spellings_and_unknown_ones() {
    let span = r#"{"startTimeUnixNano":"5","name":"n","status":{}}"#;
    let span = span.replace(r#""startTimeUnixNano":"5","name":"n""#, r#""name":"n","startTimeUnixNano":"5""#);
    for json in [
        r#"{"startTimeUnixNano":"5","name":"n"}"#,
        r#"{"start_time_unix_nano":5,"name":"n"}"#,
        "\t{ \"name\" :\r\n\"n\" , \"start_time_unix_nano\": 5 }\n",
        r#"{"n\u0061me":"n","startTimeUnixNano":"\u0035"}"#,
        r#"{"unknown":[1,-2.5e3,true,false,null,"a\"\u00e9",{"b":{},"c":[]}],"name":"n","Name":"x","startTimeUnixNano":5}"#,
    ] {
        check(&schema::SPAN, json, &span);
    }
}

#[test]
fn integers() {
    let wide = r#"{"timeUnixNano":"18446744073709551615"}"#;
    check(&schema::SPAN_EVENT, r#"{"timeUnixNano":"18446744073709551615"}"#, wide);
    check(&schema::SPAN_EVENT, r#"{"timeUnixNano":18446744073709551615}"#, wide);
    check(&schema::SPAN_EVENT, r#"{"timeUnixNano":1.5e3}"#, r#"{"timeUnixNano":"1500"}"#);
    check(&schema::SPAN_EVENT, r#"{"timeUnixNano":"5.0"}"#, r#"{"timeUnixNano":"5"}"#);
    check(&schema::SPAN_EVENT, r#"{"timeUnixNano":-0}"#, "{}");
    check(&schema::SPAN_EVENT, r#"{"droppedAttributesCount":"7"}"#, r#"{"droppedAttributesCount":7}"#);
    check(
        &schema::SPAN_EVENT,
        r#"{"droppedAttributesCount":4294967295}"#,
        r#"{"droppedAttributesCount":4294967295}"#,
    );
    check(
        &schema::ANY_VALUE,
        r#"{"intValue":-9223372036854775808}"#,
        r#"{"intValue":"-9223372036854775808"}"#,
    );
    check(&schema::NUMBER_DATA_POINT, r#"{"asInt":"-1"}"#, r#"{"asInt":"-1"}"#);
    check(
        &schema::EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS,
        r#"{"offset":-2147483648}"#,
        r#"{"offset":-2147483648}"#,
    );

    let check_error = |message, json, expected: &str| {
        let expected = format!("{expected} (line 1, column {})", json_value_column(json));
        check_error(message, json, &expected);
    };
    check_error(
        &schema::SPAN_EVENT,
        r#"{"timeUnixNano":1.5}"#,
        "timeUnixNano: expected an integer, found a fraction",
    );
    check_error(
        &schema::SPAN_EVENT,
        r#"{"timeUnixNano":-1}"#,
        "timeUnixNano: number out of range for fixed64",
    );
    check_error(
        &schema::SPAN_EVENT,
        r#"{"timeUnixNano":18446744073709551616}"#,
        "timeUnixNano: number out of range for fixed64",
    );
    check_error(
        &schema::SPAN_EVENT,
        r#"{"droppedAttributesCount":4294967296}"#,
        "droppedAttributesCount: number out of range for uint32",
    );
    check_error(
        &schema::ANY_VALUE,
        r#"{"intValue":"9223372036854775808"}"#,
        "intValue: number out of range for int64",
    );
    check_error(&schema::ANY_VALUE, r#"{"intValue":""}"#, "intValue: invalid number");
    check_error(&schema::ANY_VALUE, r#"{"intValue":" 1"}"#, "intValue: invalid number");
    check_error(&schema::ANY_VALUE, r#"{"intValue":true}"#, "intValue: expected an integer, found a boolean");
    check_error(&schema::ANY_VALUE, r#"{"intValue":{}}"#, "intValue: expected an integer, found an object");
    check_error(&schema::ANY_VALUE, r#"{"intValue":01}"#, "intValue: invalid number");
    check_error(&schema::ANY_VALUE, r#"{"intValue":1x}"#, "intValue: invalid number");
}

/// The column where the value of the only field begins.
fn json_value_column(json: &str) -> usize {
    json.find(':').unwrap() + 2
}

#[test]
fn doubles() {
    let check = |value: &str, expected: &str| {
        check(
            &schema::ANY_VALUE,
            &format!(r#"{{"doubleValue":{value}}}"#),
            &format!(r#"{{"doubleValue":{expected}}}"#),
        );
    };
    check("0", "0");
    check("-0.0", "-0");
    check("1.50", "1.5");
    check("1E3", "1000");
    check("\"1.5\"", "1.5");
    check("\"NaN\"", "\"NaN\"");
    check("\"Infinity\"", "\"Infinity\"");
    check("\"-Infinity\"", "\"-Infinity\"");
    check("1e-400", "0");
    check("0.1000000000000000055511151231257827021181583404541015625", "0.1");
    for (value, reason) in [
        ("NaN", "expected a number, found 'N'"),
        ("\"nan\"", "invalid number"),
        ("\"inf\"", "invalid number"),
        ("\"\"", "invalid number"),
        ("1e400", "number out of range for double"),
        ("1.", "invalid number"),
        ("false", "expected a number, found a boolean"),
    ] {
        let json = format!(r#"{{"doubleValue":{value}}}"#);
        check_error(&schema::ANY_VALUE, &json, &format!("doubleValue: {reason} (line 1, column 16)"));
    }
}

#[test]
fn booleans_and_enums() {
    check(&schema::ANY_VALUE, r#"{"boolValue":true}"#, r#"{"boolValue":true}"#);
    check(&schema::ANY_VALUE, r#"{"bool_value":false}"#, r#"{"boolValue":false}"#);
    check_error(
        &schema::ANY_VALUE,
        r#"{"boolValue":"true"}"#,
        "boolValue: expected true or false, found a string (line 1, column 14)",
    );
    check_error(
        &schema::ANY_VALUE,
        r#"{"boolValue":tru}"#,
        "boolValue: expected a value, found 't' (line 1, column 14)",
    );
    check(&schema::STATUS, r#"{"code":"STATUS_CODE_ERROR"}"#, r#"{"code":2}"#);
    check(&schema::STATUS, r#"{"code":"STATUS_CODE_UNSET"}"#, "{}");
    check(&schema::STATUS, r#"{"code":2}"#, r#"{"code":2}"#);
    check(&schema::STATUS, r#"{"code":-77}"#, r#"{"code":-77}"#);
    check(&schema::SPAN, r#"{"kind":"SPAN_KIND_CLIENT"}"#, r#"{"kind":3,"status":{}}"#);
    check(
        &schema::LOG_RECORD,
        r#"{"severityNumber":"SEVERITY_NUMBER_FATAL4"}"#,
        r#"{"severityNumber":24,"body":{}}"#,
    );
    check_error(
        &schema::SPAN,
        r#"{"kind":"CLIENT"}"#,
        r#"kind: "CLIENT" is no value of opentelemetry.proto.trace.v1.Span.SpanKind (line 1, column 9)"#,
    );
    check_error(
        &schema::STATUS,
        r#"{"code":"2"}"#,
        r#"code: "2" is no value of opentelemetry.proto.trace.v1.Status.StatusCode (line 1, column 9)"#,
    );
    check_error(
        &schema::STATUS,
        r#"{"code":2147483648}"#,
        "code: number out of range for an enum (line 1, column 9)",
    );
}

#[test]
fn ids() {
    let lower = "5b8efff798038103d269b633813fc60c";
    let expected = format!(r#"{{"traceId":"{lower}","status":{{}}}}"#);
    check(&schema::SPAN, &format!(r#"{{"traceId":"{lower}"}}"#), &expected);
    check(&schema::SPAN, &format!(r#"{{"trace_id":"{}"}}"#, lower.to_uppercase()), &expected);
    check(&schema::SPAN, r#"{"traceId":"","spanId":null}"#, r#"{"status":{}}"#);
    check(&schema::SPAN, r#"{"spanId":"EEE19B7EC3C1B174"}"#, r#"{"spanId":"eee19b7ec3c1b174","status":{}}"#);
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{},{},{"traceId":"5b8efff798038103d269b633813fc60"}]}]}]}"#;
    check_error(
        &TRACES,
        json,
        "resourceSpans[0].scopeSpans[0].spans[2].traceId: expected 32 hex digits, found 31 (line 1, column 61)",
    );
    check_error(
        &schema::SPAN,
        r#"{"spanId":"7uGbfsPBsXQ="}"#,
        "spanId: expected 16 hex digits, found 12 (line 1, column 11)",
    );
    check_error(
        &schema::SPAN,
        r#"{"spanId":"eee19b7ec3c1b17g"}"#,
        "spanId: expected a hex digit (line 1, column 27)",
    );
    check_error(
        &schema::SPAN,
        r#"{"spanId":17}"#,
        "spanId: expected a string of hex digits, found a number (line 1, column 11)",
    );
}

#[test]
fn bytes_are_standard_base64() {
    check(&schema::ANY_VALUE, r#"{"bytesValue":"aGk="}"#, r#"{"bytesValue":"aGk="}"#);
    check(&schema::ANY_VALUE, r#"{"bytesValue":"+\/8="}"#, r#"{"bytesValue":"+/8="}"#);
    check(&schema::ANY_VALUE, r#"{"bytesValue":""}"#, r#"{"bytesValue":""}"#);
    for bad in ["aGk", "aG=k", "-_8=", "aGk=\\n", "é"] {
        let json = format!(r#"{{"bytesValue":"{bad}"}}"#);
        check_error(&schema::ANY_VALUE, &json, "bytesValue: invalid base64 (line 1, column 15)");
    }
}

#[test]
fn strings() {
    let check = |value: &str, expected: &str| {
        let json = format!(r#"{{"stringValue":"{value}"}}"#);
        let wire = read_default(&schema::ANY_VALUE, &json).unwrap();
        assert_eq!(wire.get(2..).map(String::from_utf8_lossy).as_deref(), Some(expected), "{json}");
    };
    check("", "");
    check("plain é 😀 \u{7f}\u{2028}", "plain é 😀 \u{7f}\u{2028}");
    check(r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t");
    check(r"\u0000\u00e9\u20AC\ud83d\ude00", "\u{0}é€😀");
    check(r"\ud83d", "\u{fffd}");
    check(r"\ude00x", "\u{fffd}x");
    check(r"\ud83d\ud83d\ude00", "\u{fffd}😀");
    check(r"\ud83d\u0041", "\u{fffd}A");
    check(r"\ud83d\n", "\u{fffd}\n");
    for (value, reason, column) in [
        (r"a\x", "invalid escape", 18),
        (r"\u12g4", "invalid escape", 17),
        (r"\u12", "invalid escape", 17),
        (r"\ud83d\u12", "invalid escape", 23),
        ("a\tb", "control character 0x09 in a string", 18),
        ("a\nb", "control character 0x0a in a string", 18),
    ] {
        let json = format!(r#"{{"stringValue":"{value}"}}"#);
        check_error(&schema::ANY_VALUE, &json, &format!("stringValue: {reason} (line 1, column {column})"));
    }
    // Lengths around the first widening of a prefix, decoded and straight.
    for len in [126, 127, 128, 129, 16_383, 16_384] {
        for unit in ["x", "\\n"] {
            let json = format!(r#"{{"body":{{"stringValue":"{}"}}}}"#, unit.repeat(len));
            let mut text = Vec::new();
            write(&schema::LOG_RECORD, &read_default(&schema::LOG_RECORD, &json).unwrap(), &mut text);
            assert_eq!(text, json.as_bytes());
        }
    }
}

#[test]
fn null_and_duplicates() {
    check(
        &schema::SPAN,
        r#"{"name":null,"kind":null,"attributes":null,"status":null,"flags":null}"#,
        r#"{"status":{}}"#,
    );
    check(&schema::HISTOGRAM_DATA_POINT, r#"{"sum":null,"bucketCounts":null,"count":null}"#, "{}");
    check(&schema::ANY_VALUE, r#"{"stringValue":null}"#, "{}");
    check(&schema::ARRAY_VALUE, r#"{"values":[null,{"intValue":1}]}"#, r#"{"values":[{},{"intValue":"1"}]}"#);
    check(&schema::ENTITY_REF, r#"{"idKeys":["a",null]}"#, r#"{"idKeys":["a",""]}"#);
    check_error(
        &schema::HISTOGRAM_DATA_POINT,
        r#"{"bucketCounts":[1,null]}"#,
        "bucketCounts[1]: expected an integer, found null (line 1, column 20)",
    );
    // The last one wins, a zero too; null is as if it were not there.
    check(&schema::SPAN, r#"{"name":"a","name":"b"}"#, r#"{"name":"b","status":{}}"#);
    check(&schema::SPAN, r#"{"name":"a","kind":2,"kind":0,"name":""}"#, r#"{"status":{}}"#);
    check(&schema::SPAN, r#"{"name":"a","name":null}"#, r#"{"name":"a","status":{}}"#);
    check(
        &schema::SPAN,
        r#"{"traceId":"5b8efff798038103d269b633813fc60c","traceId":""}"#,
        r#"{"status":{}}"#,
    );
    check(
        &schema::SPAN,
        r#"{"start_time_unix_nano":1,"startTimeUnixNano":2}"#,
        r#"{"startTimeUnixNano":"2","status":{}}"#,
    );
    check(&schema::ANY_VALUE, r#"{"intValue":1,"stringValue":"a"}"#, r#"{"stringValue":"a"}"#);
    check(
        &schema::SPAN,
        r#"{"status":{"code":2},"status":{"message":"m"}}"#,
        r#"{"status":{"message":"m","code":2}}"#,
    );
    check(
        &schema::HISTOGRAM_DATA_POINT,
        r#"{"bucketCounts":[1],"bucketCounts":["2"]}"#,
        r#"{"bucketCounts":["1","2"]}"#,
    );
    check(
        &schema::ENTITY_REF,
        r#"{"idKeys":["a"],"type":"t","idKeys":["b"]}"#,
        r#"{"type":"t","idKeys":["a","b"]}"#,
    );
}

#[test]
fn zeros_are_absent_unless_presence_counts() {
    let check_wire = |message, json: &str, expected: &[u8]| {
        assert_eq!(read_default(message, json).as_deref(), Ok(expected), "{json}");
    };
    check_wire(&schema::SPAN, r#"{"name":"","kind":0,"startTimeUnixNano":"0","flags":0,"traceId":""}"#, &[]);
    check_wire(&schema::SPAN, r#"{"status":{},"attributes":[]}"#, &[0x7a, 0]);
    check_wire(
        &schema::HISTOGRAM_DATA_POINT,
        r#"{"sum":0,"bucketCounts":[],"count":0}"#,
        &[0x29, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    check_wire(&schema::ANY_VALUE, r#"{"intValue":"0"}"#, &[0x18, 0]);
    check_wire(&schema::ANY_VALUE, r#"{"boolValue":false}"#, &[0x10, 0]);
    check_wire(&schema::ANY_VALUE, r#"{"bytesValue":""}"#, &[0x3a, 0]);
    check_wire(&TRACES, "{}", &[]);
    check_wire(&METRICS, " {} ", &[]);
    check_wire(&LOGS, r#"{"resourceLogs":[]}"#, &[]);
}

#[test]
fn what_is_no_document() {
    for (json, expected) in [
        ("", "unexpected end of the document (line 1, column 1)"),
        (" \n ", "unexpected end of the document (line 2, column 2)"),
        ("null", "expected an object, found null (line 1, column 1)"),
        ("[]", "expected an object, found an array (line 1, column 1)"),
        ("\u{feff}{}", "expected an object, found '\\u{feff}' (line 1, column 1)"),
        ("{}{}", "unexpected text after the document (line 1, column 3)"),
        ("{}\n\n x", "unexpected text after the document (line 3, column 2)"),
        ("{", "unexpected end of the document (line 1, column 2)"),
        ("{\"a\"", "unexpected end of the document (line 1, column 5)"),
        ("{\"a\" 1}", "expected ':', found a number (line 1, column 6)"),
        ("{\"a\":1,}", "expected a field name, found '}' (line 1, column 8)"),
        ("{\"a\":1 \"b\":2}", "expected ',' or '}', found a string (line 1, column 8)"),
        ("{a:1}", "expected a field name, found 'a' (line 1, column 2)"),
        ("{\"a\":[1,]}", "a: expected a value, found ']' (line 1, column 9)"),
        ("{\"é\":tru}", "é: expected a value, found 't' (line 1, column 6)"),
        ("{\"resourceSpans\":{}}", "resourceSpans: expected an array, found an object (line 1, column 18)"),
        ("{\"resourceSpans\":[{}", "unexpected end of the document (line 1, column 21)"),
        (
            "{\"resourceSpans\":[\n{\"resource\":\n  7}]}",
            "resourceSpans[0].resource: expected an object, found a number (line 3, column 3)",
        ),
    ] {
        let expected = if json == "{\"resourceSpans\":[{}" {
            format!("resourceSpans: {expected}")
        } else {
            expected.to_owned()
        };
        check_error(&TRACES, json, &expected);
    }
}

#[test]
fn an_error_tells_its_position() {
    let json = "{\n \"resourceSpans\": [{\"schemaUrl\": \"é\", \"resource\": 1}]}";
    let error = read_default(&TRACES, json).unwrap_err();
    assert_eq!((error.line(), error.column(), error.path()), (2, 51, "resourceSpans[0].resource"));
    assert_eq!(json.get(error.offset()..), Some("1}]}"));
    assert!(matches!(error.reason(), Reason::Expected { expected: "an object", .. }));

    let error = read(&TRACES, b"{\"a\":\"b\xff\"}", &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "invalid utf-8 (line 1, column 8)");
    assert_eq!(error.offset(), 7);
}
