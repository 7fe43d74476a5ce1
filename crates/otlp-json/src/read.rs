//! JSON text to wire bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use otlp::Limits;
use otlp::schema::{Enum, Kind, Label, Message};
use otlp::wire::WireType;

use crate::builder::Builder;
use crate::error::{Fault, JsonError, Reason, excerpt};
use crate::number::{Integer, Scalar, double, integer};
use crate::plan::{Entry, Plan, Plans, with_plan};
use crate::scan::{Quoted, Scanner, unescape};

/// Reads the JSON form of `message` into its wire bytes.
///
/// The result is exactly as large as it has to be and at most four times the input (a packed `0,` becomes eight
/// bytes). Time is linear in the input. Messages nest as deep as the check of wire bytes allows by the same
/// `limits`; inside an unknown field each array and each object counts too. The size of the input is the
/// caller's to bound.
///
/// Accepted, as the reference implementation does unless said otherwise:
///
/// - Names in lowerCamel and as in the `.proto` file. Unknown ones are skipped with their value.
/// - Integers as numbers or strings. Stricter and wider than the reference, as protobuf's JSON mapping has it:
///   `5.0` and `1e3` are integers, a fraction is an error, and so is one out of the field's range.
/// - Doubles as numbers or strings, among them `"NaN"`, `"Infinity"` and `"-Infinity"`.
/// - Enums by number, known or not, or by full name, which must be known.
/// - Ids as 32 or 16 hexadecimal digits of any case; the empty string is absent.
/// - Bytes as standard base64 with padding.
/// - `null` for a field is the field absent; as an element of a repeated message or string it is an empty one.
/// - Half a surrogate pair becomes U+FFFD. Bytes that are not UTF-8 are an error.
///
/// A singular field that comes twice is written twice, so that protobuf's rule decides: the last scalar counts,
/// the last member of a oneof, and messages are merged. OTLP's check of wire bytes, which belongs behind this
/// function as behind every other door, settles it.
///
/// # Errors
///
/// [`JsonError`] says what is wrong, at which field, line and column. An empty text is an error, as is anything
/// but white space behind the document.
///
/// # Examples
///
/// ```
/// # use collimator_otlp_json as otlp_json;
/// use otlp::schema::TRACES;
/// use otlp_json::{Limits, read};
///
/// let wire = read(&TRACES, br#"{"resourceSpans":[{"schemaUrl":"a"}]}"#, &Limits::default())?;
/// assert_eq!(wire, [0x0a, 0x03, 0x1a, 0x01, b'a']);
///
/// let error = read(&TRACES, br#"{"resourceSpans":[{"schemaUrl":1}]}"#, &Limits::default()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "resourceSpans[0].schemaUrl: expected a string, found a number (line 1, column 32)"
/// );
/// # Ok::<(), otlp_json::JsonError>(())
/// ```
pub fn read(message: &'static Message, json: &[u8], limits: &Limits) -> Result<Vec<u8>, JsonError> {
    // Once for the whole text, which is faster than string by string.
    if let Err(error) = std::str::from_utf8(json) {
        return Err(Fault::new(Reason::Utf8, error.valid_up_to()).locate(json));
    }
    with_plan(message, |plans, plan| {
        let mut reader = Reader {
            plans,
            text: Scanner::new(json, limits.max_depth.into()),
            // Keys go, tags come: the wire is about half of the text.
            wire: Builder::with_capacity(json.len() / 2),
            scratch: Vec::new(),
        };
        let result = reader.message(plan, 0).and_then(|()| reader.text.end());
        result.map_err(|fault| fault.locate(json))?;
        Ok(reader.wire.finish())
    })
}

struct Reader<'a> {
    plans: &'a Plans,
    text: Scanner<'a>,
    wire: Builder,
    /// For strings whose escapes have to be resolved before they can be looked at.
    scratch: Vec<u8>,
}

impl Reader<'_> {
    /// The fields of an object, without the message's tag and length.
    fn message(&mut self, plan: &Plan, depth: usize) -> Result<(), Fault> {
        self.text.peek()?;
        self.text.check_depth(depth)?;
        self.text.expect(b'{', "an object")?;
        if self.text.take(b'}')? {
            return Ok(());
        }
        // Fields seen so far, as bits: a zero that overrides an earlier value must be written.
        let mut seen = 0u64;
        let mut hint = 0;
        loop {
            if let Some(index) = self.key(plan, hint, depth)?
                && let Some(field) = plan.fields.get(index)
            {
                hint = index + 1;
                let bit = 1u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or_default();
                let keep_zero = seen & bit != 0;
                seen |= bit;
                self.field(field, keep_zero, depth).map_err(|fault| fault.in_field(field.json))?;
            }
            if !self.text.more(b'}', "',' or '}'")? {
                return Ok(());
            }
        }
    }

    /// A name and its colon: the index of the field. Of an unknown one the value is passed over too.
    #[inline]
    fn key(&mut self, plan: &Plan, hint: usize, depth: usize) -> Result<Option<usize>, Fault> {
        // Most senders keep the order of the fields and write no white space.
        if plan.fields.get(hint).is_some_and(|field| self.text.take_text(field.key())) {
            return Ok(Some(hint));
        }
        let name = self.text.string("a field name")?;
        self.text.expect(b':', "':'")?;
        let index = if name.is_escaped() {
            plan.by_name(resolve(&mut self.scratch, name)?, hint)
        } else {
            plan.by_name(name.raw, hint)
        };
        if index.is_none() {
            self.text.skip(depth + 1).map_err(|fault| fault.in_unknown(name.raw))?;
        }
        Ok(index)
    }

    fn field(&mut self, field: &Entry, keep_zero: bool, depth: usize) -> Result<(), Fault> {
        if self.text.null()? {
            return Ok(());
        }
        match field.label {
            Label::Repeated => self.repeated(field, depth),
            Label::Packed => self.packed(field),
            Label::Singular => self.single(field, keep_zero, depth),
            Label::Optional | Label::Oneof => self.single(field, true, depth),
        }
    }

    fn repeated(&mut self, field: &Entry, depth: usize) -> Result<(), Fault> {
        self.text.expect(b'[', "an array")?;
        if self.text.take(b']')? {
            return Ok(());
        }
        let mut index = 0;
        loop {
            self.element(field, depth).map_err(|fault| fault.at_index(index))?;
            index += 1;
            if !self.text.more(b']', "',' or ']'")? {
                return Ok(());
            }
        }
    }

    fn element(&mut self, field: &Entry, depth: usize) -> Result<(), Fault> {
        let may_be_empty = matches!(field.kind, Kind::Message(_) | Kind::String);
        if may_be_empty && self.text.null()? {
            self.wire.tag(field.number, WireType::Len);
            self.wire.varint(0);
            return Ok(());
        }
        self.single(field, true, depth)
    }

    /// A repeated scalar, as one block.
    fn packed(&mut self, field: &Entry) -> Result<(), Fault> {
        self.text.expect(b'[', "an array")?;
        if self.text.take(b']')? {
            return Ok(());
        }
        self.wire.tag(field.number, WireType::Len);
        let open = self.wire.open();
        let mut index = 0;
        loop {
            let value = self.scalar(field.kind).map_err(|fault| fault.at_index(index))?;
            self.push(value);
            index += 1;
            if !self.text.more(b']', "',' or ']'")? {
                break;
            }
        }
        self.wire.close(open);
        Ok(())
    }

    /// One value with its tag. A zero is left out unless it is to be kept.
    #[inline]
    fn single(&mut self, field: &Entry, keep_zero: bool, depth: usize) -> Result<(), Fault> {
        match field.kind {
            Kind::Message(_) => {
                self.wire.tag(field.number, WireType::Len);
                let open = self.wire.open();
                self.message(self.plans.get(field.child), depth + 1)?;
                self.wire.close(open);
                Ok(())
            }
            Kind::String => self.string(field, keep_zero),
            Kind::TraceId => self.id::<16>(field, keep_zero),
            Kind::SpanId => self.id::<8>(field, keep_zero),
            Kind::Bytes => self.bytes(field, keep_zero),
            kind => {
                let value = self.scalar(kind)?;
                if keep_zero || !value.is_zero() {
                    self.wire.tag(field.number, field.wire_type);
                    self.push(value);
                }
                Ok(())
            }
        }
    }

    #[inline]
    fn string(&mut self, field: &Entry, keep_empty: bool) -> Result<(), Fault> {
        let text = self.text.string("a string")?;
        if text.raw.is_empty() && !keep_empty {
            return Ok(());
        }
        self.wire.tag(field.number, WireType::Len);
        if text.is_escaped() {
            let open = self.wire.open();
            unescape(text, |piece| self.wire.raw(piece))?;
            self.wire.close(open);
        } else {
            self.wire.varint(text.raw.len() as u64);
            self.wire.raw(text.raw);
        }
        Ok(())
    }

    fn id<const LEN: usize>(&mut self, field: &Entry, keep_empty: bool) -> Result<(), Fault> {
        let quoted = self.text.string("a string of hex digits")?;
        let text = if quoted.is_escaped() { resolve(&mut self.scratch, quoted)? } else { quoted.raw };
        if text.is_empty() && !keep_empty {
            return Ok(());
        }
        self.wire.tag(field.number, WireType::Len);
        self.wire.varint((text.len() / 2) as u64);
        if text.is_empty() {
            return Ok(());
        }
        if text.len() != LEN * 2 {
            return Err(Fault::new(Reason::IdLength { expected: LEN * 2, found: text.len() }, quoted.start));
        }
        let mut id = [0; LEN];
        let mut wrong = 0;
        for (byte, pair) in id.iter_mut().zip(text.as_chunks::<2>().0) {
            let [high, low] = pair.map(hex_value);
            wrong |= high | low;
            *byte = high << 4 | low & 15;
        }
        if wrong > 15 {
            let at = text.iter().position(|digit| hex_value(*digit) > 15).unwrap_or_default();
            let offset = if quoted.is_escaped() { quoted.start } else { quoted.start + 1 + at };
            return Err(Fault::new(Reason::HexDigit, offset));
        }
        self.wire.raw(&id);
        Ok(())
    }

    fn bytes(&mut self, field: &Entry, keep_empty: bool) -> Result<(), Fault> {
        let quoted = self.text.string("a string of base64")?;
        let text = if quoted.is_escaped() { resolve(&mut self.scratch, quoted)? } else { quoted.raw };
        if text.is_empty() && !keep_empty {
            return Ok(());
        }
        self.wire.tag(field.number, WireType::Len);
        let open = self.wire.open();
        let decoded = STANDARD.decode_vec(text, self.wire.tail());
        decoded.map_err(|_| Fault::new(Reason::Base64, quoted.start))?;
        self.wire.close(open);
        Ok(())
    }

    /// A number, boolean or enum.
    fn scalar(&mut self, kind: Kind) -> Result<Scalar, Fault> {
        self.text.peek()?;
        let start = self.text.position();
        let result = match kind {
            Kind::Bool => return Ok(Scalar::Varint(u64::from(self.text.boolean()?))),
            Kind::Enum(values) => return self.enumeration(values),
            Kind::Double => self.double()?.map(|value| Scalar::Fixed64(value.to_bits())),
            Kind::Int32 => self.signed(i32::MIN.into(), i32::MAX.into(), "int32")?.map(Scalar::varint),
            Kind::Sint32 => self.signed(i32::MIN.into(), i32::MAX.into(), "sint32")?.map(Scalar::zigzag),
            Kind::Sfixed32 => {
                let value = self.signed(i32::MIN.into(), i32::MAX.into(), "sfixed32")?;
                value.map(|value| Scalar::Fixed32(value.cast_unsigned() as u32))
            }
            Kind::Int64 => self.signed(i64::MIN, i64::MAX, "int64")?.map(Scalar::varint),
            Kind::Sint64 => self.signed(i64::MIN, i64::MAX, "sint64")?.map(Scalar::zigzag),
            Kind::Sfixed64 => self
                .signed(i64::MIN, i64::MAX, "sfixed64")?
                .map(|value| Scalar::Fixed64(value.cast_unsigned())),
            Kind::Uint32 => self.unsigned(u32::MAX.into(), "uint32")?.map(Scalar::Varint),
            Kind::Fixed32 => {
                self.unsigned(u32::MAX.into(), "fixed32")?.map(|value| Scalar::Fixed32(value as u32))
            }
            Kind::Uint64 => self.unsigned(u64::MAX, "uint64")?.map(Scalar::Varint),
            Kind::Fixed64 => self.unsigned(u64::MAX, "fixed64")?.map(Scalar::Fixed64),
            // Not scalars: `single` has its own ways for them, and none of them is ever packed.
            Kind::String | Kind::Bytes | Kind::TraceId | Kind::SpanId | Kind::Message(_) => {
                return Err(self.text.unexpected("a number"));
            }
        };
        result.map_err(|reason| Fault::new(reason, start))
    }

    #[inline]
    fn signed(&mut self, min: i64, max: i64, kind: &'static str) -> Result<Result<i64, Reason>, Fault> {
        Ok(self.integer(kind)?.and_then(|value| value.signed(min, max, kind)))
    }

    #[inline]
    fn unsigned(&mut self, max: u64, kind: &'static str) -> Result<Result<u64, Reason>, Fault> {
        Ok(self.integer(kind)?.and_then(|value| value.unsigned(max, kind)))
    }

    #[inline]
    fn integer(&mut self, kind: &'static str) -> Result<Result<Integer, Reason>, Fault> {
        Ok(integer(self.number("an integer")?, kind))
    }

    fn double(&mut self) -> Result<Result<f64, Reason>, Fault> {
        let quoted = self.text.peek()? == b'"';
        Ok(match self.number("a number")? {
            b"NaN" if quoted => Ok(f64::NAN),
            b"Infinity" if quoted => Ok(f64::INFINITY),
            b"-Infinity" if quoted => Ok(f64::NEG_INFINITY),
            text => double(text),
        })
    }

    /// The text of a number, or of a string that should hold one.
    #[inline]
    fn number(&mut self, expected: &'static str) -> Result<&[u8], Fault> {
        if self.text.peek()? != b'"' {
            return self.text.number(expected);
        }
        let quoted = self.text.string(expected)?;
        if quoted.is_escaped() { resolve(&mut self.scratch, quoted) } else { Ok(quoted.raw) }
    }

    fn enumeration(&mut self, values: &'static Enum) -> Result<Scalar, Fault> {
        if self.text.peek()? != b'"' {
            let start = self.text.position();
            let number = integer(self.text.number("a number or a name")?, "an enum");
            let number = number.and_then(|number| number.signed(i32::MIN.into(), i32::MAX.into(), "an enum"));
            return number.map(Scalar::varint).map_err(|reason| Fault::new(reason, start));
        }
        let quoted = self.text.string("a name")?;
        let name = if quoted.is_escaped() { resolve(&mut self.scratch, quoted)? } else { quoted.raw };
        match values.values.iter().find(|(known, _)| known.as_bytes() == name) {
            Some((_, number)) => Ok(Scalar::varint(i64::from(*number))),
            None => {
                let reason = Reason::EnumName { of: values.name, name: excerpt(name) };
                Err(Fault::new(reason, quoted.start))
            }
        }
    }

    #[inline]
    fn push(&mut self, value: Scalar) {
        match value {
            Scalar::Varint(value) => self.wire.varint(value),
            Scalar::Fixed32(bits) => self.wire.raw(&bits.to_le_bytes()),
            Scalar::Fixed64(bits) => self.wire.raw(&bits.to_le_bytes()),
        }
    }
}

/// The value of a hexadecimal digit, or 255.
#[inline]
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 255,
    }
}

/// The string without its escapes, in `scratch`.
fn resolve<'s>(scratch: &'s mut Vec<u8>, text: Quoted<'_>) -> Result<&'s [u8], Fault> {
    scratch.clear();
    unescape(text, |piece| scratch.extend_from_slice(piece))?;
    Ok(scratch)
}
