//! Both directions against prost, on random messages.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use collimator_otlp_json::{Limits, read, write, write_parts};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otlp::schema::{Kind, LOGS, METRICS, Message, TRACES};
use proptest::prelude::*;
use prost::Message as _;
use support::Dice;

fn json_of(message: &'static Message, wire: &[u8]) -> String {
    let mut text = Vec::new();
    write(message, wire, &mut text);
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Text and back; prost sees the same message, and serde_json a well-formed document. Compared as encoded
/// bytes, for which NaN equals itself.
fn check_round_trip<M: prost::Message + Default>(message: &'static Message, original: &M) {
    let wire = original.encode_to_vec();
    let text = json_of(message, &wire);
    serde_json::from_str::<serde_json::Value>(&text).expect("well-formed");
    let back = read(message, text.as_bytes(), &Limits::default()).expect("what was written can be read");
    let decoded = M::decode(back.as_slice()).expect("protobuf");
    assert_eq!(decoded.encode_to_vec(), wire, "{text}");

    // White space anywhere between tokens, and the names of the `.proto` files.
    let spread = spread(&text);
    assert_eq!(read(message, spread.as_bytes(), &Limits::default()), Ok(back.clone()), "{spread}");
    let snake = snake_case(&text);
    assert_eq!(read(message, snake.as_bytes(), &Limits::default()), Ok(back), "{snake}");
}

/// The text with white space around everything outside strings.
fn spread(text: &str) -> String {
    let mut out = String::new();
    let (mut inside, mut escaped) = (false, false);
    for character in text.chars() {
        let structural = !inside && "{}[]:,".contains(character);
        out.push_str(if structural { "\r\n\t " } else { "" });
        out.push(character);
        out.push_str(if structural { " \n" } else { "" });
        match character {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    out
}

/// The text with its names in snake case. Values are no names: they never stand before a colon.
fn snake_case(text: &str) -> String {
    let mut out = String::new();
    for piece in text.split_inclusive("\":") {
        let name_at = piece.trim_end_matches("\":").rfind('"').map_or(0, |at| at + 1);
        out.push_str(&piece[..name_at]);
        for character in piece[name_at..].chars() {
            if character.is_ascii_uppercase() && piece.ends_with("\":") {
                out.push('_');
            }
            out.push(if piece.ends_with("\":") { character.to_ascii_lowercase() } else { character });
        }
    }
    out
}

/// The same message, which has no field twice, with the fields of every level in another order.
fn shuffle(message: &'static Message, wire: &[u8], dice: &mut Dice<'_>) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut rest = wire;
    while !rest.is_empty() {
        let start = rest;
        let tag = prost::encoding::decode_varint(&mut rest).unwrap();
        let number = (tag >> 3) as u32;
        let mut field = Vec::new();
        match tag & 7 {
            0 => drop(prost::encoding::decode_varint(&mut rest).unwrap()),
            1 => rest = &rest[8..],
            5 => rest = &rest[4..],
            _ => {
                let len = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
                let value;
                (value, rest) = rest.split_at(len);
                if let Some(Kind::Message(child)) = message.field(number).map(|field| field.kind) {
                    let shuffled = shuffle(child, value, dice);
                    prost::encoding::encode_varint(tag, &mut field);
                    prost::encoding::encode_varint(shuffled.len() as u64, &mut field);
                    field.extend(shuffled);
                }
            }
        }
        if field.is_empty() {
            field.extend_from_slice(&start[..start.len() - rest.len()]);
        }
        fields.push(field);
    }
    for last in (1..fields.len()).rev() {
        fields.swap(dice.below(last + 1), last);
    }
    fields.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn traces_survive(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        check_round_trip::<ExportTraceServiceRequest>(&TRACES, &Dice(&bytes).traces());
    }

    #[test]
    fn logs_survive(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        check_round_trip::<ExportLogsServiceRequest>(&LOGS, &Dice(&bytes).logs());
    }

    #[test]
    fn metrics_survive(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let mut request = Dice(&bytes).metrics();
        drop_minus_zeros(&mut request);
        check_round_trip::<ExportMetricsServiceRequest>(&METRICS, &request);
    }

    #[test]
    fn several_buffers_are_one_message(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let request = Dice(&bytes).traces();
        let parts: Vec<Bytes> = request
            .resource_spans
            .iter()
            .map(|spans| ExportTraceServiceRequest { resource_spans: vec![spans.clone()] })
            .map(|part| part.encode_to_vec().into())
            .collect();
        let mut text = Vec::new();
        write_parts(&TRACES, &parts, &mut text);
        prop_assert_eq!(String::from_utf8(text).unwrap(), json_of(&TRACES, &request.encode_to_vec()));
    }

    #[test]
    fn any_wire_order_gives_the_same_text(
        bytes in proptest::collection::vec(any::<u8>(), 0..1000),
        order in proptest::collection::vec(any::<u8>(), 0..500),
    ) {
        let mut dice = Dice(&order);
        for (message, wire) in [
            (&TRACES, Dice(&bytes).traces().encode_to_vec()),
            (&LOGS, Dice(&bytes).logs().encode_to_vec()),
            (&METRICS, Dice(&bytes).metrics().encode_to_vec()),
        ] {
            let singles = without_repeats(message, &wire);
            let shuffled = shuffle(message, &singles, &mut dice);
            prop_assert_eq!(json_of(message, &shuffled), json_of(message, &singles));
        }
    }
}

/// Keeps the first value of every field, so that a shuffle has one right answer.
fn without_repeats(message: &'static Message, wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut seen = Vec::new();
    let mut rest = wire;
    while !rest.is_empty() {
        let start = rest;
        let tag = prost::encoding::decode_varint(&mut rest).unwrap();
        let mut value = None;
        match tag & 7 {
            0 => drop(prost::encoding::decode_varint(&mut rest).unwrap()),
            1 => rest = &rest[8..],
            5 => rest = &rest[4..],
            _ => {
                let len = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
                value = Some(&rest[..len]);
                rest = &rest[len..];
            }
        }
        if seen.contains(&tag) {
            continue;
        }
        seen.push(tag);
        match (value, message.field((tag >> 3) as u32).map(|field| field.kind)) {
            (Some(value), Some(Kind::Message(child))) => {
                let value = without_repeats(child, value);
                prost::encoding::encode_varint(tag, &mut out);
                prost::encoding::encode_varint(value.len() as u64, &mut out);
                out.extend(value);
            }
            _ => out.extend_from_slice(&start[..start.len() - rest.len()]),
        }
    }
    out
}

/// prost writes a minus zero that JSON leaves out, where the field is not optional.
fn drop_minus_zeros(request: &mut ExportMetricsServiceRequest) {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let plus = |value: &mut f64| {
        if *value == 0.0 {
            *value = 0.0;
        }
    };
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        match &mut metric.data {
            Some(Data::ExponentialHistogram(histogram)) => {
                histogram.data_points.iter_mut().for_each(|point| plus(&mut point.zero_threshold));
            }
            Some(Data::Summary(summary)) => {
                for point in &mut summary.data_points {
                    plus(&mut point.sum);
                    for quantile in &mut point.quantile_values {
                        plus(&mut quantile.quantile);
                        plus(&mut quantile.value);
                    }
                }
            }
            _ => {}
        }
    }
}
