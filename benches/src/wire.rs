//! The little protobuf reading that the harness needs: where the spans of an export request lie and which ids
//! they carry. Written for speed, not for checking: what it reads comes from a collector under test.

use std::ops::Range;

/// One field of a message: its number, and where its content lies in the buffer that was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) content: Range<usize>,
}

/// Bytes that are no protobuf message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Walks the fields of the message in `bytes[range]`; offsets are those of `bytes`.
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], range: Range<usize>) -> Self {
        Fields { bytes, at: range.start, end: range.end.min(bytes.len()) }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            if self.at >= self.end {
                return Err(Malformed);
            }
            let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// The next field, or `None` at the end of the message.
    pub(crate) fn next(&mut self) -> Result<Option<Field>, Malformed> {
        if self.at >= self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let start = self.at;
        let (start, length) = match tag & 7 {
            0 => {
                self.varint()?;
                (start, self.at - start)
            }
            1 => (start, 8),
            5 => (start, 4),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                (self.at, length)
            }
            _ => return Err(Malformed),
        };
        let end = start.checked_add(length).filter(|end| *end <= self.end).ok_or(Malformed)?;
        self.at = end;
        Ok(Some(Field { number: u32::try_from(tag >> 3).map_err(|_| Malformed)?, content: start..end }))
    }
}

/// Calls `visit` with the place of every span in an `ExportTraceServiceRequest`.
pub(crate) fn for_each_span(bytes: &[u8], mut visit: impl FnMut(Range<usize>)) -> Result<(), Malformed> {
    let mut resources = Fields::new(bytes, 0..bytes.len());
    while let Some(resource) = resources.next()? {
        let mut scopes = Fields::new(bytes, resource.content);
        while let Some(scope) = scopes.next()? {
            if scope.number != 2 {
                continue;
            }
            let mut spans = Fields::new(bytes, scope.content);
            while let Some(span) = spans.next()? {
                if span.number == 2 {
                    visit(span.content);
                }
            }
        }
    }
    Ok(())
}

/// Calls `visit` with every span id in an `ExportTraceServiceRequest`, as a big-endian number.
pub(crate) fn for_each_span_id(bytes: &[u8], mut visit: impl FnMut(u64)) -> Result<(), Malformed> {
    let mut broken = false;
    for_each_span(bytes, |span| match span_id(bytes, span) {
        Some(id) => visit(id),
        None => broken = true,
    })?;
    if broken { Err(Malformed) } else { Ok(()) }
}

fn span_id(bytes: &[u8], span: Range<usize>) -> Option<u64> {
    let mut fields = Fields::new(bytes, span);
    while let Ok(Some(field)) = fields.next() {
        if field.number == 2 {
            return Some(u64::from_be_bytes(bytes.get(field.content)?.try_into().ok()?));
        }
    }
    None
}
