//! Requests made up from the schema, every field of every message among them, odd ones too if asked for.

use collimator_otlp::Signal;
use collimator_otlp::schema::{Field, Kind, Label, Message};
use collimator_otlp::wire::{
    WireType, write_fixed64_field, write_len_field, write_nested, write_tag, write_varint, write_varint_field,
};

/// Small, seeded, and the same everywhere (splitmix64).
#[derive(Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `below`, not reaching it.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        (self.next() % below.max(1) as u64) as usize
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// Legal encodings that few senders use.
#[derive(Clone, Copy, Default)]
pub(crate) struct Odd {
    /// Singular fields more than once, several members of a oneof.
    pub(crate) repeated: bool,
    /// Text that is not UTF-8.
    pub(crate) invalid_utf8: bool,
}

/// A request. `size` bounds the number of elements of each repeated field. Unknown fields, fields out of order,
/// long varints and unpacked scalars are among what is always generated.
pub(crate) fn request(signal: Signal, rng: &mut Rng, size: usize, odd: Odd) -> Vec<u8> {
    let mut out = Vec::new();
    Generator { rng, size, odd }.message(&mut out, signal.schema(), 0);
    out
}

struct Generator<'r> {
    rng: &'r mut Rng,
    size: usize,
    odd: Odd,
}

/// Deeper than this only scalars are generated.
const DEEP: usize = 9;

impl Generator<'_> {
    fn message(&mut self, out: &mut Vec<u8>, message: &'static Message, depth: usize) {
        let mut fields: Vec<Vec<u8>> = Vec::new();
        let oneof: Vec<&Field> = message.fields.iter().filter(|field| field.label == Label::Oneof).collect();
        let members = if self.odd.repeated { self.rng.below(4) } else { usize::from(self.rng.percent(90)) };
        for _ in 0..members.min(oneof.len()) {
            let member = oneof[self.rng.below(oneof.len())];
            fields.push(self.field(member, depth));
        }
        for field in message.fields {
            let times = match field.label {
                Label::Oneof => 0,
                Label::Repeated if depth < 4 => self.rng.below(self.size + 1),
                Label::Repeated | Label::Packed => self.rng.below(3),
                Label::Singular | Label::Optional if self.odd.repeated => self.rng.below(4),
                Label::Singular | Label::Optional => usize::from(self.rng.percent(70)),
            };
            for _ in 0..times {
                fields.push(self.field(field, depth));
            }
        }
        if self.rng.percent(10) {
            fields.push(self.unknown());
        }
        if self.rng.percent(20) {
            for index in (1..fields.len()).rev() {
                fields.swap(index, self.rng.below(index + 1));
            }
        }
        out.extend(fields.concat());
    }

    fn field(&mut self, field: &'static Field, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if field.label == Label::Packed && self.rng.percent(80) {
            write_nested(&mut out, field.number, |out| {
                for _ in 0..self.rng.below(5) {
                    self.scalar(out, field.kind.wire_type());
                }
            });
            return out;
        }
        match field.kind {
            Kind::Message(message) => {
                let mut inner = Vec::new();
                if depth < DEEP || self.rng.percent(10) {
                    self.message(&mut inner, message, depth + 1);
                }
                write_tag(&mut out, field.number, WireType::Len);
                self.varint(&mut out, inner.len() as u64);
                out.extend(inner);
            }
            Kind::String => {
                let text = self.text();
                write_len_field(&mut out, field.number, &text);
            }
            Kind::Bytes => write_len_field(&mut out, field.number, b"\xff\x00bytes"),
            Kind::TraceId => self.id(&mut out, field.number, 16),
            Kind::SpanId => self.id(&mut out, field.number, 8),
            _ => {
                let wire_type = field.kind.wire_type();
                write_tag(&mut out, field.number, wire_type);
                self.scalar(&mut out, wire_type);
            }
        }
        out
    }

    fn scalar(&mut self, out: &mut Vec<u8>, wire_type: WireType) {
        let value = self.rng.next();
        match wire_type {
            WireType::Varint => {
                let bits = self.rng.below(64);
                self.varint(out, value >> bits);
            }
            // As a double, a whole number: no NaN, which is not equal to itself.
            WireType::Fixed64 => out.extend(f64::from(value as i32).to_bits().to_le_bytes()),
            WireType::Fixed32 => out.extend((value as u32).to_le_bytes()),
            WireType::Len => {}
        }
    }

    /// Now and then longer than need be.
    fn varint(&mut self, out: &mut Vec<u8>, value: u64) {
        write_varint(out, value);
        if value < 1 << 40
            && self.rng.percent(5)
            && let Some(last) = out.last_mut()
        {
            *last |= 0x80;
            out.extend([0x80, 0]);
        }
    }

    fn id(&mut self, out: &mut Vec<u8>, number: u32, len: usize) {
        let len = if self.rng.percent(90) { len } else { 0 };
        let byte = self.rng.below(255) as u8 + 1;
        write_len_field(out, number, &vec![byte; len]);
    }

    fn text(&mut self) -> Vec<u8> {
        const WORDS: [&str; 8] = ["a", "key", "größe", "http.route", "", "名前", "🦀", "user.email"];
        let mut text = WORDS[self.rng.below(WORDS.len())].to_owned();
        if self.rng.percent(10) {
            text = text.repeat(self.rng.below(60));
        }
        let mut text = text.into_bytes();
        if self.odd.invalid_utf8 && self.rng.percent(10) {
            text.insert(self.rng.below(text.len() + 1), 0xc3);
            text.push(b'x');
        }
        text
    }

    fn unknown(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let number = [40, 100, 5000, (1 << 29) - 1][self.rng.below(4)];
        match self.rng.below(3) {
            0 => write_varint_field(&mut out, number, 7),
            1 => write_fixed64_field(&mut out, number, 7),
            _ => write_len_field(&mut out, number, b"\xffunknown"),
        }
        out
    }
}
