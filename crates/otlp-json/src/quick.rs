//! Quick paths of the writer: spans, and attributes of scalars, encoded the way that every SDK encodes them.
//!
//! They know these messages by heart, go over the wire once and put a span together in a small room before it
//! goes to the output. Whatever is not as expected (a field out of order, given twice or unknown, a text that
//! needs escapes) makes them give up; the message is then written by the tables, which are right for all
//! messages. Both give the same text: `tests/quick.rs` holds them to it.

use otlp::wire::{Value, read_varint};

use crate::cursor::{Cursor, Literal};
use crate::plan::{Entry, Plan};
use crate::write::{MAX_DEPTH, Writer};

/// Bytes of the room in which a span is put together.
pub(crate) const ROOM: usize = 4096;

/// So much of it is free when an attribute begins.
const SPARE: usize = 1536;

/// The tag of `Span.flags`, field 16 of type `fixed32`.
const FLAGS_TAG: [u8; 2] = [0x85, 0x01];

/// The tag of a field below 16 that is a varint.
const fn varint(number: u8) -> u8 {
    number << 3
}

/// The tag of a field below 16 that has eight bytes.
const fn fixed64(number: u8) -> u8 {
    number << 3 | 1
}

/// The tag of a field below 16 that has a length.
const fn len(number: u8) -> u8 {
    number << 3 | 2
}

impl<'a> Writer<'a> {
    /// Writes a `KeyValue`, by the quick path if it can.
    pub(crate) fn attribute(&mut self, plan: &Plan, wire: &[u8], depth: usize) {
        let mut cursor = Cursor { room: std::mem::take(&mut self.room), len: 0 };
        // The value is one level deeper.
        let written = (depth + 1 < MAX_DEPTH).then(|| key_value(&mut cursor, wire, 0, wire.len())).flatten();
        if written.is_some() {
            self.spill(&mut cursor);
        }
        self.room = cursor.room;
        if written.is_none() {
            self.object_by_table(plan, wire, depth);
        }
    }

    /// Writes a `Span`, by the quick path if it can.
    pub(crate) fn span(&mut self, plan: &Plan, wire: &[u8], depth: usize) {
        let begin = self.out.len();
        let mut cursor = Cursor { room: std::mem::take(&mut self.room), len: 0 };
        let written = self.quick_span(&mut cursor, plan, wire, depth);
        if written.is_some() {
            self.spill(&mut cursor);
        }
        self.room = cursor.room;
        if written.is_some() {
            self.end_object(begin);
        } else {
            self.out.truncate(begin);
            self.object_by_table(plan, wire, depth);
        }
    }

    /// Every field with a comma before it. Steps are in the order of the wire, which is JSON's but for the
    /// flags. A field that is out of order is no step's, so the last one does not get to the end.
    fn quick_span(&mut self, cursor: &mut Cursor<'a>, plan: &Plan, wire: &[u8], depth: usize) -> Option<()> {
        let mut fields = Fields { wire, at: 0 };
        ids(cursor, &mut fields)?;
        let (flags, end) = guess_flags(wire);
        if flags != 0 {
            cursor.literal(&const { Literal::new(",\"flags\":") })?;
            cursor.unsigned(flags.into())?;
        }
        name_and_times(cursor, &mut fields)?;
        self.attributes(
            cursor,
            plan.by_number(9).and_then(|index| plan.fields.get(index))?,
            &mut fields,
            depth,
        )?;
        count(cursor, &mut fields, 10, &const { Literal::new(",\"droppedAttributesCount\":") })?;
        self.messages_by_table(cursor, plan, 11, &mut fields, depth)?;
        count(cursor, &mut fields, 12, &const { Literal::new(",\"droppedEventsCount\":") })?;
        self.messages_by_table(cursor, plan, 13, &mut fields, depth)?;
        count(cursor, &mut fields, 14, &const { Literal::new(",\"droppedLinksCount\":") })?;
        self.status(cursor, plan, &mut fields, depth)?;
        (fields.at == end).then_some(())
    }

    fn attributes(
        &mut self,
        cursor: &mut Cursor<'a>,
        field: &Entry,
        fields: &mut Fields<'_>,
        depth: usize,
    ) -> Option<()> {
        if !fields.next_is(len(9)) {
            return Some(());
        }
        cursor.literal(&const { Literal::new(",\"attributes\":[") })?;
        loop {
            let (start, end) = fields.len_value()?;
            if cursor.room.len().saturating_sub(cursor.len) < SPARE {
                self.spill(cursor);
            }
            let mark = cursor.len;
            if key_value(cursor, fields.wire, start, end).is_none() {
                cursor.len = mark;
                let wire = fields.wire.get(start..end)?;
                self.aside(cursor, |writer| {
                    writer.object_by_table(writer.plans.get(field.child), wire, depth + 1);
                });
            }
            if !fields.next_is(len(9)) {
                return cursor.byte(b']');
            }
            cursor.byte(b',')?;
        }
    }

    /// Events or links.
    fn messages_by_table(
        &mut self,
        cursor: &mut Cursor<'a>,
        plan: &Plan,
        number: u8,
        fields: &mut Fields<'_>,
        depth: usize,
    ) -> Option<()> {
        let start = fields.at;
        while fields.next_is(len(number)) {
            fields.len_value()?;
        }
        if fields.at > start {
            let range = fields.wire.get(start..fields.at)?;
            let field = plan.by_number(number.into()).and_then(|index| plan.fields.get(index))?;
            self.aside(cursor, |writer| writer.messages(field, &[range], depth));
        }
        Some(())
    }

    /// The status, which is written even if there is none.
    fn status(
        &mut self,
        cursor: &mut Cursor<'a>,
        plan: &Plan,
        fields: &mut Fields<'_>,
        depth: usize,
    ) -> Option<()> {
        const CODE: u8 = varint(3);
        let mut wire = [].as_slice();
        if fields.next_is(len(15)) {
            let (start, end) = fields.len_value()?;
            wire = fields.wire.get(start..end)?;
        }
        match wire {
            [] => cursor.literal(&const { Literal::new(",\"status\":{}") }),
            [CODE, code @ 1..=9] => {
                cursor.literal(&const { Literal::new(",\"status\":{\"code\":") })?;
                cursor.byte(b'0' + code)?;
                cursor.byte(b'}')
            }
            _ => {
                let field = plan.by_number(15).and_then(|index| plan.fields.get(index))?;
                self.aside(cursor, |writer| writer.single(field, Value::Len(wire), depth));
                Some(())
            }
        }
    }

    /// Moves what the cursor has put together to the output.
    #[inline]
    fn spill(&mut self, cursor: &mut Cursor<'_>) {
        self.out.extend_from_slice(cursor.room.get(..cursor.len).unwrap_or_default());
        cursor.len = 0;
    }

    /// Lets the tables write in between. They get the room for quick paths of their own.
    fn aside(&mut self, cursor: &mut Cursor<'a>, work: impl FnOnce(&mut Self)) {
        self.spill(cursor);
        std::mem::swap(&mut self.room, &mut cursor.room);
        work(self);
        std::mem::swap(&mut self.room, &mut cursor.room);
    }
}

/// Fields 1 to 4.
#[inline(always)]
fn ids(cursor: &mut Cursor<'_>, fields: &mut Fields<'_>) -> Option<()> {
    if fields.next_is(len(1)) {
        let (high, low) = (fields.block(2)?, fields.block(10)?);
        fields.take_len(16)?;
        if (u64::from_le_bytes(high) | u64::from_le_bytes(low)) != 0 {
            cursor.literal(&const { Literal::new(",\"traceId\":\"") })?;
            cursor.hex(&high)?;
            cursor.hex(&low)?;
            cursor.byte(b'"')?;
        }
    }
    span_id(cursor, fields, 2, &const { Literal::new(",\"spanId\":\"") })?;
    text(cursor, fields, 3, &const { Literal::new(",\"traceState\":\"") })?;
    span_id(cursor, fields, 4, &const { Literal::new(",\"parentSpanId\":\"") })
}

#[inline(always)]
fn span_id(cursor: &mut Cursor<'_>, fields: &mut Fields<'_>, number: u8, opening: &Literal) -> Option<()> {
    if !fields.next_is(len(number)) {
        return Some(());
    }
    if fields.wire.get(fields.at + 1) == Some(&0) {
        return fields.take_len(0);
    }
    let id = fields.block(2)?;
    fields.take_len(8)?;
    if id == [0; 8] {
        return Some(());
    }
    cursor.literal(opening)?;
    cursor.hex(&id)?;
    cursor.byte(b'"')
}

/// Fields 5 to 8.
#[inline(always)]
fn name_and_times(cursor: &mut Cursor<'_>, fields: &mut Fields<'_>) -> Option<()> {
    text(cursor, fields, 5, &const { Literal::new(",\"name\":\"") })?;
    count(cursor, fields, 6, &const { Literal::new(",\"kind\":") })?;
    time(cursor, fields, 7, &const { Literal::new(",\"startTimeUnixNano\":\"") })?;
    time(cursor, fields, 8, &const { Literal::new(",\"endTimeUnixNano\":\"") })
}

#[inline(always)]
fn text(cursor: &mut Cursor<'_>, fields: &mut Fields<'_>, number: u8, opening: &Literal) -> Option<()> {
    if !fields.next_is(len(number)) {
        return Some(());
    }
    let (start, end) = fields.len_value()?;
    if start == end {
        return Some(());
    }
    cursor.literal(opening)?;
    cursor.plain_text(fields.wire, start, end)?;
    cursor.byte(b'"')
}

/// A varint of one byte, of whatever kind: below 128 they look the same.
#[inline(always)]
fn count(cursor: &mut Cursor<'_>, fields: &mut Fields<'_>, number: u8, opening: &Literal) -> Option<()> {
    if !fields.next_is(varint(number)) {
        return Some(());
    }
    let value = *fields.wire.get(fields.at + 1).filter(|byte| **byte < 0x80)?;
    fields.at += 2;
    if value == 0 {
        return Some(());
    }
    cursor.literal(opening)?;
    cursor.unsigned(value.into())
}

#[inline(always)]
fn time(cursor: &mut Cursor<'_>, fields: &mut Fields<'_>, number: u8, opening: &Literal) -> Option<()> {
    if !fields.next_is(fixed64(number)) {
        return Some(());
    }
    let value = u64::from_le_bytes(fields.block(1)?);
    fields.at += 9;
    if value == 0 {
        return Some(());
    }
    cursor.literal(opening)?;
    cursor.unsigned(value)?;
    cursor.byte(b'"')
}

/// The flags of a span and where they begin, if its last six bytes are what they seem to be. They may be the end
/// of something else: the guess was right if the field before ends there.
#[inline(always)]
fn guess_flags(wire: &[u8]) -> (u32, usize) {
    match wire.last_chunk::<6>() {
        Some([tag0, tag1, flags @ ..]) if [*tag0, *tag1] == FLAGS_TAG => {
            (u32::from_le_bytes(*flags), wire.len() - 6)
        }
        _ => (0, wire.len()),
    }
}

/// Writes the `KeyValue` that is `wire[start..end]`: a key that is not empty, and a value that is nothing but a
/// string, a bool, an integer or a double.
#[inline(always)]
fn key_value(cursor: &mut Cursor<'_>, wire: &[u8], start: usize, end: usize) -> Option<()> {
    let mut fields = Fields { wire, at: start };
    let (key_start, key_end) = fields.next_is(len(1)).then(|| fields.len_value())??;
    let (value, value_end) = fields.next_is(len(2)).then(|| fields.len_value())??;
    if key_start == key_end || value == value_end || value_end != end {
        return None;
    }
    cursor.literal(&const { Literal::new("{\"key\":\"") })?;
    cursor.plain_text(wire, key_start, key_end)?;
    fields.at = value;
    any_value(cursor, &mut fields)?;
    (fields.at == end).then_some(())
}

/// Writes one member of `AnyValue`, between the quote that ends the key and the brackets.
#[inline(always)]
fn any_value(cursor: &mut Cursor<'_>, fields: &mut Fields<'_>) -> Option<()> {
    const STRING: u8 = len(1);
    const BOOL: u8 = varint(2);
    const INT: u8 = varint(3);
    const DOUBLE: u8 = fixed64(4);
    match *fields.wire.get(fields.at)? {
        STRING => {
            let (start, end) = fields.len_value()?;
            cursor.literal(&const { Literal::new("\",\"value\":{\"stringValue\":\"") })?;
            cursor.plain_text(fields.wire, start, end)?;
            cursor.literal(&const { Literal::new("\"}}") })
        }
        BOOL => {
            let value = *fields.wire.get(fields.at + 1).filter(|byte| **byte < 0x80)?;
            fields.at += 2;
            cursor.literal(&const { Literal::new("\",\"value\":{\"boolValue\":") })?;
            match value {
                0 => cursor.literal(&const { Literal::new("false}}") }),
                _ => cursor.literal(&const { Literal::new("true}}") }),
            }
        }
        INT => {
            let rest = fields.wire.get(fields.at + 1..)?;
            let (value, after) = read_varint(rest).ok()?;
            fields.at = fields.wire.len() - after.len();
            cursor.literal(&const { Literal::new("\",\"value\":{\"intValue\":\"") })?;
            cursor.signed(value.cast_signed())?;
            cursor.literal(&const { Literal::new("\"}}") })
        }
        DOUBLE => {
            let bits = u64::from_le_bytes(fields.block(1)?);
            fields.at += 9;
            cursor.literal(&const { Literal::new("\",\"value\":{\"doubleValue\":") })?;
            cursor.double(f64::from_bits(bits))?;
            cursor.literal(&const { Literal::new("}}") })
        }
        _ => None,
    }
}

/// A place on the wire where a field begins.
struct Fields<'a> {
    wire: &'a [u8],
    /// Not beyond the end of `wire`.
    at: usize,
}

impl Fields<'_> {
    /// Whether the field here has this tag of one byte.
    #[inline(always)]
    fn next_is(&self, tag: u8) -> bool {
        self.wire.get(self.at) == Some(&tag)
    }

    /// Where the value of the field here, which has a tag of one byte, begins and ends; goes to the end. Lengths
    /// of more than two bytes are not for quick paths.
    #[inline(always)]
    fn len_value(&mut self) -> Option<(usize, usize)> {
        let low = usize::from(*self.wire.get(self.at + 1)?);
        let (start, len) = if low < 0x80 {
            (self.at + 2, low)
        } else {
            let high = usize::from(*self.wire.get(self.at + 2)?);
            (self.at + 3, if high < 0x80 { low & 0x7f | high << 7 } else { return None })
        };
        let end = start + len;
        if end > self.wire.len() {
            return None;
        }
        self.at = end;
        Some((start, end))
    }

    /// Goes beyond the field here if its length is `len`, below 128.
    #[inline(always)]
    fn take_len(&mut self, len: u8) -> Option<()> {
        let end = self.at + 2 + usize::from(len);
        if self.wire.get(self.at + 1) != Some(&len) || end > self.wire.len() {
            return None;
        }
        self.at = end;
        Some(())
    }

    /// Eight bytes of the wire, from `offset` bytes on.
    #[inline(always)]
    fn block(&self, offset: usize) -> Option<[u8; 8]> {
        self.wire.get(self.at + offset..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::with_plan;

    /// Bytes of a `Span` or a `KeyValue`, and whether the tables are needed for it.
    fn check(message: &'static otlp::schema::Message, wire: &[u8], expected: Option<&str>) {
        let (mut out, mut room) = (Vec::new(), [0; ROOM]);
        let written = with_plan(message, |plans, plan| {
            let mut cursor = Cursor { room: &mut room, len: 0 };
            let mut writer = Writer { plans, out: &mut out, room: &mut [], quick: true };
            let written = match plan.fields.len() > 4 {
                true => writer.quick_span(&mut cursor, plan, wire, 0),
                false => key_value(&mut cursor, wire, 0, wire.len()),
            };
            writer.spill(&mut cursor);
            written
        });
        assert_eq!(written.map(|()| String::from_utf8_lossy(&out).into_owned()).as_deref(), expected);
    }

    #[test]
    fn what_sdks_send_takes_the_quick_path() {
        let attribute = |value: &[u8]| {
            let len = u8::try_from(value.len()).unwrap();
            [b"\x0a\x01k\x12", [len].as_slice(), value].concat()
        };
        let check_value = |value: &[u8], json: &str| {
            let expected = format!("{{\"key\":\"k\",\"value\":{{{json}}}}}");
            check(&otlp::schema::KEY_VALUE, &attribute(value), Some(&expected));
        };
        check_value(b"\x0a\x02hi", r#""stringValue":"hi""#);
        check_value(b"\x10\x01", r#""boolValue":true"#);
        check_value(b"\x18\xc8\x01", r#""intValue":"200""#);
        check_value(&[b"\x21".as_slice(), &0.25f64.to_le_bytes()].concat(), r#""doubleValue":0.25"#);
        check(&otlp::schema::KEY_VALUE, &attribute(b"\x0a\x02\"\""), None);
        check(&otlp::schema::KEY_VALUE, &attribute(b""), None);
        check(&otlp::schema::KEY_VALUE, b"\x12\x00\x0a\x01k", None);
    }

    #[test]
    fn a_span_in_order_takes_the_quick_path() {
        let attribute = b"\x4a\x07\x0a\x01k\x12\x02\x10\x00".as_slice();
        let head = b"\x12\x08\xa9\xa9\xa9\xa9\xa9\xa9\xa9\xa9\x2a\x01n\x30\x02".as_slice();
        let flags = b"\x85\x01\x01\x01\x00\x00".as_slice();
        let written = concat!(
            r#","spanId":"a9a9a9a9a9a9a9a9","flags":257,"name":"n","kind":2,"#,
            r#""attributes":[{"key":"k","value":{"boolValue":false}}],"status":{"code":2}"#
        );
        let status = b"\x7a\x02\x18\x02".as_slice();
        check(&otlp::schema::SPAN, &[head, attribute, status, flags].concat(), Some(written));
        check(&otlp::schema::SPAN, &[head, status, attribute, flags].concat(), None);
        // What looks like the flags is the message of the status, or part of an unknown field.
        check(&otlp::schema::SPAN, &[b"\x7a\x08\x12\x06".as_slice(), flags].concat(), None);
        check(&otlp::schema::SPAN, &[b"\xa2\x01\x06".as_slice(), flags].concat(), None);
    }
}
