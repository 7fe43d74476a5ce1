//! Heap profiles: who holds memory now, and who asked for it since the start.

use std::ffi::c_void;
use std::time::Duration;

use ::heap::{Amount, Stack};

use crate::encode::Encoder;
use crate::profile::Function;

/// Frames of the recording itself, above the function that allocates.
const OWN: &[&str] = &["backtrace::backtrace::", "collimator_heap::", "__rust_alloc", "__rust_realloc"];

/// What is shown first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Bytes that are held.
    Held,
    /// Bytes that were allocated, freed or not.
    Allocated,
}

/// pprof's message of what the allocator's samples say, with Go's four values.
///
/// Takes as long as naming some thousand places in the program does: up to seconds at the first time.
pub(crate) fn encoded(stacks: &[Stack], interval: u64, shown: Shown) -> Vec<u8> {
    let space = ("space", "bytes");
    let types = [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ];
    let mut encoder = Encoder::new(&types);
    for stack in stacks {
        let values = [stack.allocated, stack.held].map(|Amount { objects, bytes }| [objects, bytes]);
        let values: Vec<u64> = values.iter().flatten().map(|value| value.round() as u64).collect();
        encoder.sample(&named(&stack.frames), &values, None);
    }
    let shown = match shown {
        Shown::Held => "inuse_space",
        Shown::Allocated => "alloc_space",
    };
    encoder.finish((Some(std::time::SystemTime::now()), Duration::ZERO), (space, interval), shown)
}

/// Lines of `outermost;…;innermost bytes`, as flame graph tools read them.
pub(crate) fn collapsed(stacks: &[Stack], shown: Shown) -> String {
    let mut text = String::new();
    for stack in stacks {
        let amount = match shown {
            Shown::Held => stack.held,
            Shown::Allocated => stack.allocated,
        };
        if amount.bytes < 1.0 {
            continue;
        }
        let frames = named(&stack.frames);
        let outside_in = frames.iter().rev().flat_map(|inlined| inlined.iter().rev());
        let names: Vec<String> = outside_in.map(|function| function.name.replace(';', ":")).collect();
        text.push_str(&format!("{} {:.0}\n", names.join(";"), amount.bytes));
    }
    text
}

/// The functions at these return addresses, without those that record.
fn named(frames: &[usize]) -> Vec<Vec<Function>> {
    let mut named: Vec<Vec<Function>> = frames.iter().map(|frame| functions(*frame)).collect();
    let is_own = |inlined: &Vec<Function>| {
        inlined.iter().any(|function| OWN.iter().any(|own| function.name.contains(own)))
    };
    if let Some(last) = named.iter().rposition(is_own) {
        named.drain(..=last);
    }
    named
}

/// The functions at a return address, the innermost first: more than one where some are inlined.
fn functions(address: usize) -> Vec<Function> {
    let mut found = Vec::new();
    // The call itself is before the address to which it returns.
    let place = std::ptr::without_provenance_mut::<c_void>(address.saturating_sub(1));
    backtrace::resolve(place, |symbol| {
        found.push(Function {
            name: symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}")),
            file: symbol.filename().map(|file| file.display().to_string()).unwrap_or_default(),
            line: symbol.lineno().unwrap_or(0),
        });
    });
    if found.is_empty() {
        found.push(Function { name: format!("{address:#x}"), file: String::new(), line: 0 });
    }
    found
}
