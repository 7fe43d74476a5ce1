//! What a batch says, item by item.

use bytes::Bytes;
use collimator_otlp::Signal;
use collimator_otlp::wire::Fields;

/// What is around an item (the fields of each message on the way down that do not lead to items), and its bytes,
/// or `None` for a message on the way down that holds nothing.
pub(crate) type Leaf = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// All leaves, in order. Two batches with the same list say the same about the same items.
pub(crate) fn leaves(signal: Signal, parts: &[Bytes]) -> Vec<Leaf> {
    let mut found = Vec::new();
    for part in parts {
        let around: Vec<Vec<u8>> = Vec::new();
        walk(signal, 0, part, &around, &mut found);
    }
    found
}

fn walk(signal: Signal, level: usize, bytes: &[u8], around: &[Vec<u8>], found: &mut Vec<Leaf>) {
    let leads_down = |number| match (signal, level) {
        (_, 0) => number == 1,
        (_, 1 | 2) => number == 2,
        (Signal::Metrics, 3) => [5, 7, 9, 10, 11].contains(&number),
        (Signal::Metrics, 4) => number == 1,
        _ => false,
    };
    if level == if signal == Signal::Metrics { 5 } else { 3 } {
        found.push((around.to_vec(), Some(bytes.to_vec())));
        return;
    }
    let mut around = around.to_vec();
    if level > 0 {
        let shared = Fields::new(bytes).filter(|field| !leads_down(field.number));
        around.push(shared.flat_map(|field| field.raw.to_vec()).collect());
    }
    let mut down = Fields::new(bytes).filter(|field| leads_down(field.number)).peekable();
    if level > 0 && down.peek().is_none() {
        found.push((around.clone(), None));
    }
    for field in down {
        let mut around = around.clone();
        around.push(field.number.to_le_bytes().to_vec());
        walk(signal, level + 1, field.bytes().unwrap(), &around, found);
    }
}
