//! Applying actions.

use std::collections::HashMap;
use std::ops::Range;

use data::Context;
use matching::PatternError;
use otlp::attributes::{Changes, Holder};
use otlp::view::{AnyValue, KeyValue, View as _};
use otlp::wire::{Fields, write_len_field};

use crate::action::Action;
use crate::program::{Program, Source, Step, When};
use crate::slots::{Came, Held, Slots};
use crate::values::{write_converted, write_hash};

/// Most keys whose matches are remembered; further ones are matched each time.
const MAX_REMEMBERED: usize = 1024;
/// Most bytes of these keys together. With the map around them, a processor's memory of matches stays under 128 KiB.
const MAX_REMEMBERED_BYTES: usize = 32 << 10;
/// Longer keys are matched each time.
const MAX_REMEMBERED_LEN: usize = 256;

/// A list of actions, ready to be applied to one holder of attributes after the other.
#[derive(Debug)]
pub struct Actions {
    program: Program,
    /// What is known of the present sender, encoded, by number.
    facts: Vec<Option<Vec<u8>>>,
    slots: Slots,
    /// Values made for the present holder.
    made: Vec<u8>,
    matches: Matches,
}

/// Which patterns match which keys.
#[derive(Debug, Default)]
struct Matches {
    /// A bit for each of the first 64 patterns.
    of_named: Vec<u64>,
    remembered: HashMap<Box<[u8]>, u64>,
    /// Bytes of the keys there.
    bytes: usize,
}

impl Actions {
    /// Makes actions ready, whose configuration was checked.
    ///
    /// # Errors
    /// A pattern that is none, which the check of the configuration reports with its place.
    pub fn new(actions: &[Action]) -> Result<Self, PatternError> {
        let program = Program::new(actions)?;
        let of_named = program.keys.iter().map(|key| matches_of(&program, key)).collect();
        Ok(Self {
            facts: program.facts.iter().map(|_| None).collect(),
            program,
            slots: Slots::default(),
            made: Vec::new(),
            matches: Matches { of_named, ..Matches::default() },
        })
    }

    /// Says who sent what comes next.
    pub fn begin(&mut self, context: &Context) {
        for (fact, known) in self.program.facts.iter().zip(&mut self.facts) {
            *known = fact.encode(context);
        }
    }

    /// Applies all actions, in order, to the attributes of one holder.
    pub fn apply(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        self.scan(holder);
        self.made.clear();
        let message = holder.bytes();
        let Self { program, facts, slots, made, matches } = self;
        let mut play = Play { program, facts, slots, made, matches, message };
        for step in &program.steps {
            play.step(step);
        }
        let (program, facts, made) = (&*program, &*facts, &*made);
        let value = |held: &Held| read(held, message, &program.fixed, facts, made);
        slots.finish(&program.keys, message, value, changes);
    }

    /// Takes in the attributes that actions may be about.
    #[inline]
    fn scan(&mut self, holder: Holder<'_>) {
        let Self { program, slots, matches, .. } = self;
        slots.start(program.keys.len(), holder.bytes().len());
        let by_pattern = !program.patterns.is_empty();
        for (at, attribute) in holder.attributes() {
            let key = attribute.key().as_bytes();
            match program.keys.find(key) {
                Some(number) => {
                    let bits = matches.of_named.get(number).copied().unwrap_or_default();
                    slots.came_named(number, came(at, attribute), bits);
                }
                None if by_pattern => {
                    // What no pattern matches stays where it is: a sender may have millions of them.
                    match matches.of(program, key) {
                        0 => slots.passed(at.end),
                        bits => slots.came_other(came(at, attribute), None, bits),
                    }
                }
                None => slots.passed(at.end),
            }
        }
    }
}

/// Where an attribute's key and value stand. It ends where its field does.
fn came(at: Range<usize>, attribute: KeyValue<'_>) -> Came {
    let base = at.end.saturating_sub(attribute.as_bytes().len());
    let (mut key, mut value) = (at.end..at.end, at.end..at.end);
    for field in Fields::new(attribute.as_bytes()) {
        let payload = field.payload();
        match field.number {
            1 => key = base + payload.start..base + payload.end,
            2 => value = base + payload.start..base + payload.end,
            _ => {}
        }
    }
    Came { at, key, value }
}

fn matches_of(program: &Program, key: &[u8]) -> u64 {
    let bits = program.patterns.iter().take(64).enumerate();
    bits.fold(0, |bits, (number, pattern)| bits | u64::from(pattern.is_match(key)) << number)
}

impl Matches {
    fn of(&mut self, program: &Program, key: &[u8]) -> u64 {
        if let Some(bits) = self.remembered.get(key) {
            return *bits;
        }
        let bits = matches_of(program, key);
        let bytes = self.bytes.saturating_add(key.len());
        let fits = self.remembered.len() < MAX_REMEMBERED && bytes <= MAX_REMEMBERED_BYTES;
        if fits && key.len() <= MAX_REMEMBERED_LEN {
            self.bytes = bytes;
            self.remembered.insert(key.into(), bits);
        }
        bits
    }
}

/// An encoded value, wherever it is.
#[inline]
fn read<'v>(
    held: &Held,
    message: &'v [u8],
    fixed: &'v [Vec<u8>],
    facts: &'v [Option<Vec<u8>>],
    made: &'v [u8],
) -> &'v [u8] {
    let found = match held {
        Held::Message(range) => message.get(range.clone()),
        Held::Fixed(number) => fixed.get(*number).map(Vec::as_slice),
        Held::Fact(number) => facts.get(*number).and_then(Option::as_deref),
        Held::Made(range) => made.get(range.clone()),
    };
    found.unwrap_or_default()
}

/// Actions being played through on one holder.
struct Play<'p> {
    program: &'p Program,
    facts: &'p [Option<Vec<u8>>],
    slots: &'p mut Slots,
    made: &'p mut Vec<u8>,
    matches: &'p Matches,
    message: &'p [u8],
}

impl Play<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Put { key, when, sources } => self.put(*key, *when, sources),
            Step::Remove { key } => self.slots.remove(*key),
            Step::RemoveMatching { pattern } => self.remove_matching(*pattern),
            Step::Hash { key } => self.hash(*key),
            Step::HashMatching { pattern } => self.hash_matching(*pattern),
            Step::Extract { key, pattern, groups } => self.extract(*key, pattern, groups),
            Step::Convert { key, target } => {
                let Some(held) = self.slots.get(*key).cloned() else { return };
                let converted = self.make(&held, |value, out| write_converted(value, *target, out));
                if let Some(converted) = converted {
                    self.slots.set(*key, converted);
                }
            }
        }
    }

    #[inline]
    fn put(&mut self, key: usize, when: When, sources: &[Source]) {
        let present = self.slots.get(key).is_some();
        if (when == When::Absent && present) || (when == When::Present && !present) {
            return;
        }
        let value = sources.iter().find_map(|source| match source {
            Source::Fixed(number) => Some(Held::Fixed(*number)),
            Source::Fact(number) => {
                self.facts.get(*number).is_some_and(Option::is_some).then_some(Held::Fact(*number))
            }
            Source::Attribute(number) => self.slots.get(*number).cloned(),
        });
        if let Some(value) = value {
            self.slots.set(key, value);
        }
    }

    fn remove_matching(&mut self, pattern: usize) {
        for number in 0..self.program.keys.len() {
            if self.slots.get(number).is_some() && self.named_matches(number, pattern) {
                self.slots.remove(number);
            }
        }
        let (program, message) = (self.program, self.message);
        for (bits, key, value) in self.slots.others() {
            if other_matches(program, pattern, bits, message, key) {
                *value = None;
            }
        }
    }

    fn hash(&mut self, key: usize) {
        if let Some(hash) = self.hashed(key) {
            self.slots.set(key, hash);
        }
    }

    fn hashed(&mut self, key: usize) -> Option<Held> {
        let held = self.slots.get(key).cloned()?;
        self.make(&held, |value, out| {
            write_hash(value, out);
            true
        })
    }

    /// Hashes every attribute whose key matches, those of a key that occurs more than once, too.
    fn hash_matching(&mut self, pattern: usize) {
        for number in 0..self.program.keys.len() {
            if self.named_matches(number, pattern)
                && let Some(hash) = self.hashed(number)
            {
                self.slots.change(number, hash);
            }
        }
        let (program, message) = (self.program, self.message);
        for (bits, key, value) in self.slots.others() {
            let Some(held) = value.as_ref().filter(|_| other_matches(program, pattern, bits, message, key))
            else {
                continue;
            };
            let before = read(held, message, &program.fixed, self.facts, self.made).to_vec();
            let start = self.made.len();
            write_hash(&before, self.made);
            *value = Some(Held::Made(start..self.made.len()));
        }
    }

    /// Sets a key for each group; to the empty string for one that took no part.
    fn extract(&mut self, key: usize, pattern: &matching::Pattern, groups: &[usize]) {
        let Some(held) = self.slots.get(key) else { return };
        let value = read(held, self.message, &self.program.fixed, self.facts, self.made);
        let AnyValue::String(text) = AnyValue::new(value) else { return };
        let Some(captures) = pattern.captures(text.as_bytes()) else { return };
        let mut found = Vec::with_capacity(captures.len());
        let mut encoded = Vec::new();
        for capture in captures {
            let start = encoded.len();
            write_len_field(&mut encoded, 1, capture);
            found.push(start..encoded.len());
        }
        let base = self.made.len();
        self.made.extend_from_slice(&encoded);
        for (group, range) in groups.iter().zip(found) {
            self.slots.set(*group, Held::Made(base + range.start..base + range.end));
        }
    }

    fn named_matches(&self, number: usize, pattern: usize) -> bool {
        let bits = self.matches.of_named.get(number).copied().unwrap_or_default();
        matches_one(self.program, pattern, bits, self.program.keys.get(number))
    }

    /// Makes a value of another; none if `write` says that there is none.
    fn make(&mut self, held: &Held, write: impl FnOnce(&[u8], &mut Vec<u8>) -> bool) -> Option<Held> {
        let mut new = Vec::new();
        let value = read(held, self.message, &self.program.fixed, self.facts, self.made);
        if !write(value, &mut new) {
            return None;
        }
        let start = self.made.len();
        self.made.extend_from_slice(&new);
        Some(Held::Made(start..self.made.len()))
    }
}

fn other_matches(program: &Program, pattern: usize, bits: u64, message: &[u8], key: Range<usize>) -> bool {
    matches_one(program, pattern, bits, message.get(key).unwrap_or_default())
}

fn matches_one(program: &Program, pattern: usize, bits: u64, key: &[u8]) -> bool {
    match pattern {
        0..64 => bits >> pattern & 1 == 1,
        _ => program.patterns.get(pattern).is_some_and(|pattern| pattern.is_match(key)),
    }
}
