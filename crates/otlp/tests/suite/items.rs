//! What a batch says, item by item.

use bytes::Bytes;
use collimator_otlp::Signal;
use collimator_otlp::wire::Fields;

/// Every item with all that is around it: the fields of each message on the way down that do not lead to items.
/// Two batches with the same list say the same about the same items.
pub(crate) fn items(signal: Signal, parts: &[Bytes]) -> Vec<(Vec<Vec<u8>>, Vec<u8>)> {
    let mut found = Vec::new();
    for part in parts {
        let around: Vec<Vec<u8>> = Vec::new();
        walk(signal, 0, part, &around, &mut found);
    }
    found
}

fn walk(
    signal: Signal,
    level: usize,
    bytes: &[u8],
    around: &[Vec<u8>],
    found: &mut Vec<(Vec<Vec<u8>>, Vec<u8>)>,
) {
    let leads_down = |number| match (signal, level) {
        (_, 0) => number == 1,
        (_, 1 | 2) => number == 2,
        (Signal::Metrics, 3) => [5, 7, 9, 10, 11].contains(&number),
        (Signal::Metrics, 4) => number == 1,
        _ => false,
    };
    if level == if signal == Signal::Metrics { 5 } else { 3 } {
        found.push((around.to_vec(), bytes.to_vec()));
        return;
    }
    let mut around = around.to_vec();
    if level > 0 {
        let shared = Fields::new(bytes).filter(|field| !leads_down(field.number));
        around.push(shared.flat_map(|field| field.raw.to_vec()).collect());
    }
    for field in Fields::new(bytes).filter(|field| leads_down(field.number)) {
        let mut around = around.clone();
        around.push(field.number.to_le_bytes().to_vec());
        walk(signal, level + 1, field.bytes().unwrap(), &around, found);
    }
}
