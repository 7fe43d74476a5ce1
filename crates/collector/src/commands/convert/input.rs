//! What is converted, piece by piece, whatever form it has.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use anyhow::{Context as _, Result};
use xray::json::scan;

use super::beginning::{self, Beginning};
use super::output::{Output, Pausing};

/// The most bytes of a line, of a message, and of a value that goes over several lines.
const MAX_PIECE: u64 = 256 << 20;
/// So many bytes tell what form the input has, whatever they are.
const HEAD: usize = 512;
/// How many lists and texts a document may be wrapped in.
const MAX_WRAPPINGS: u32 = 10;

/// Of a line that no JSON value fills.
const NOT_JSON: &str = "not JSON, or nested too deeply";
/// The mark that some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What can be converted by itself.
#[derive(Debug)]
pub(super) enum Piece {
    /// A request in JSON.
    OtlpJson(Vec<u8>),
    /// A request in protobuf, not checked yet.
    OtlpProto(Vec<u8>),
    /// An X-Ray document.
    Document(Vec<u8>),
    /// Something else, and what is wrong with it.
    Unreadable(String),
}

/// How the input is made up, which its beginning tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// JSON values, each on a line or over several.
    Json,
    /// Protobuf: the fields of one request.
    Request,
    /// Protobuf: requests, each behind its length in four bytes, big endian.
    Lengths,
}

/// A file or standard input.
pub(super) struct Input {
    /// Its name, as it was given.
    pub(super) name: String,
    /// How many bytes it has, if that is known.
    pub(super) total: Option<u64>,
    /// How many have been read.
    pub(super) consumed: u64,
    reader: Box<dyn BufRead>,
    form: Option<Form>,
    /// Messages read, or the line that `held[at]` is in.
    number: u64,
    waiting: VecDeque<(Piece, String)>,
    /// Lines, and how far they have been taken apart.
    held: Vec<u8>,
    at: usize,
    /// What is held begins a value, the rest of which is still to be read.
    beginning: Option<Beginning>,
    /// Everything is read.
    is_read: bool,
    done: bool,
}

impl Input {
    /// Opens a file; `-` is standard input. While it has to wait for more, `output` has what was made of the rest.
    pub(super) fn open(name: &str, output: &Output) -> Result<Self> {
        let (reader, total): (Box<dyn Read>, _) = if name == "-" {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(name).with_context(|| format!("opening {name}"))?;
            let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
            (Box::new(file), total)
        };
        let reader: Box<dyn Read> = match total {
            Some(_) => reader,
            None => Box::new(Pausing { reader, output: output.clone() }),
        };
        Ok(Self::new(name, Box::new(BufReader::with_capacity(1 << 16, reader)), total))
    }

    fn new(name: &str, reader: Box<dyn BufRead>, total: Option<u64>) -> Self {
        Self {
            name: name.to_owned(),
            total,
            consumed: 0,
            reader,
            form: None,
            number: 0,
            waiting: VecDeque::new(),
            held: Vec::new(),
            at: 0,
            beginning: None,
            is_read: false,
            done: false,
        }
    }

    /// The next piece and where it is; none at the end.
    pub(super) fn next_piece(&mut self) -> Result<Option<(Piece, String)>> {
        loop {
            if let Some(piece) = self.waiting.pop_front() {
                return Ok(Some(piece));
            }
            if self.done {
                return Ok(None);
            }
            let form = match self.form {
                Some(form) => form,
                None => self.begin()?,
            };
            match form {
                Form::Json => self.json()?,
                Form::Request => self.field()?,
                Form::Lengths => self.message()?,
            }
        }
    }

    fn push(&mut self, piece: Piece, place: String) {
        self.waiting.push_back((piece, place));
    }

    /// Finds out what form the input has.
    fn begin(&mut self) -> Result<Form> {
        let head = head(&mut self.reader).context("reading")?;
        let form = *self.form.insert(form_of(&head));
        self.number = u64::from(form == Form::Json);
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(io::Cursor::new(head).chain(rest));
        Ok(form)
    }

    /// The next value, or a line that none begins in.
    fn json(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        let rest = held.get(self.at..).unwrap_or_default();
        let start = rest.trim_ascii_start();
        if start.is_empty() || self.beginning.is_some() {
            self.held = held;
            return self.next_line();
        }
        self.number += count_lines(rest, start);
        let place = format!("line {}", self.number);
        let mut after = start;
        if let Some((value, behind)) = first_value(start) {
            self.value(value, &place, MAX_WRAPPINGS);
            after = behind;
        } else if !self.begins(start) {
            self.push(Piece::Unreadable(NOT_JSON.to_owned()), place);
            let line = start.iter().position(|byte| *byte == b'\n').unwrap_or(start.len());
            after = start.get(line..).unwrap_or_default();
        }
        self.number += count_lines(start, after);
        self.at = held.len() - after.len();
        self.held = held;
        Ok(())
    }

    /// Whether these lines begin a value that may go on in the next.
    fn begins(&mut self, lines: &[u8]) -> bool {
        let mut beginning = Beginning::default();
        let begins = !self.is_read && beginning.read(lines) == beginning::Read::Open;
        self.beginning = begins.then_some(beginning);
        begins
    }

    /// Reads a line behind those that are held still.
    fn next_line(&mut self) -> Result<()> {
        self.done = self.is_read;
        if self.done {
            return Ok(());
        }
        if self.beginning.is_none() {
            // Blanks are left, and perhaps the lines that they are on.
            self.number += count_lines(self.held.get(self.at..).unwrap_or_default(), &[]);
            self.at = self.held.len();
        }
        self.held.drain(..self.at);
        self.at = 0;
        let before = self.held.len();
        let room = MAX_PIECE.saturating_sub(before as u64);
        let read = self.reader.by_ref().take(room).read_until(b'\n', &mut self.held).context("reading")?;
        let is_first = self.consumed == 0;
        self.consumed += read as u64;
        if is_first && self.held.starts_with(BYTE_ORDER_MARK) {
            self.held.drain(..BYTE_ORDER_MARK.len());
        }
        let line = self.held.get(before..).unwrap_or_default();
        if self.held.len() as u64 >= MAX_PIECE {
            let why = format!("more than {} MiB of one value", MAX_PIECE >> 20);
            let place = format!("line {}", self.number);
            self.number += count_lines(&self.held, &[]);
            self.held.clear();
            self.beginning = None;
            self.push(Piece::Unreadable(why), place);
        } else if read == 0 {
            self.is_read = true;
            self.beginning = None;
        } else if let Some(beginning) = &mut self.beginning
            && beginning.read(line) != beginning::Read::Open
        {
            self.beginning = None;
        }
        Ok(())
    }

    /// The pieces that are in a value: itself, or what it is wrapped around.
    fn value(&mut self, value: &[u8], place: &str, wrappings: u32) {
        let Some(wrappings) = wrappings.checked_sub(1) else {
            return self.push(Piece::Unreadable("wrapped too often".to_owned()), place.to_owned());
        };
        match value.first() {
            Some(b'[') => scan::elements_of(value).for_each(|element| self.value(element, place, wrappings)),
            Some(b'"') => {
                let inside = value.get(1..value.len().saturating_sub(1)).unwrap_or_default();
                let text = scan::unescape(inside);
                match scan::document(&text) {
                    Some((_, value)) => self.value(value, place, wrappings),
                    None => self.push(Piece::Unreadable(NOT_JSON.to_owned()), place.to_owned()),
                }
            }
            Some(b'{') => self.object(value, place, wrappings),
            _ => self
                .push(Piece::Unreadable("neither OTLP nor an X-Ray document".to_owned()), place.to_owned()),
        }
    }

    /// OTLP, a document, or an answer of the X-Ray API with documents in it.
    fn object(&mut self, object: &[u8], place: &str, wrappings: u32) {
        let mut is_header = false;
        for (key, value) in scan::members_of(object) {
            match key {
                b"resourceSpans" | b"resource_spans" => {
                    return self.push(Piece::OtlpJson(object.to_vec()), place.to_owned());
                }
                b"resourceLogs" | b"resourceMetrics" | b"resource_logs" | b"resource_metrics" => {
                    let why = "OTLP, but no traces".to_owned();
                    return self.push(Piece::Unreadable(why), place.to_owned());
                }
                b"Traces" | b"Segments" | b"Document" | b"TraceSegmentDocuments" => {
                    return self.value(value, place, wrappings);
                }
                b"trace_id" | b"start_time" | b"name" | b"id" => {
                    return self.push(Piece::Document(object.to_vec()), place.to_owned());
                }
                // The line that the daemon's clients send before each document.
                b"format" => is_header = true,
                _ => {}
            }
        }
        if !is_header {
            let why = "neither OTLP nor an X-Ray document".to_owned();
            self.push(Piece::Unreadable(why), place.to_owned());
        }
    }

    /// One field of a request, which is a request by itself.
    fn field(&mut self) -> Result<()> {
        self.number += 1;
        let place = format!("resource {}", self.number);
        let Some(tag) = self.byte()? else {
            self.done = true;
            return Ok(());
        };
        let mut message = vec![tag];
        let mut len = 0_u64;
        for shift in (0..35).step_by(7) {
            let Some(byte) = self.byte()? else { break };
            message.push(byte);
            len |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if tag == 0x0a { self.body(message, len, place) } else { self.broken(place) };
            }
        }
        self.broken(place)
    }

    /// A message behind its length.
    fn message(&mut self) -> Result<()> {
        self.number += 1;
        let place = format!("message {}", self.number);
        let mut len = 0;
        for at in 0..4 {
            match self.byte()? {
                Some(byte) => len = len << 8 | u64::from(byte),
                None if at == 0 => {
                    self.done = true;
                    return Ok(());
                }
                None => return self.broken(place),
            }
        }
        self.body(Vec::new(), len, place)
    }

    /// The rest of a message, behind what was read of it.
    fn body(&mut self, mut message: Vec<u8>, len: u64, place: String) -> Result<()> {
        if len > MAX_PIECE {
            return self.broken(place);
        }
        let read = self.reader.by_ref().take(len).read_to_end(&mut message).context("reading")?;
        self.consumed += read as u64;
        if (read as u64) < len {
            return self.broken(place);
        }
        self.push(Piece::OtlpProto(message), place);
        Ok(())
    }

    /// Where a length can't be right, nothing tells where the next one is.
    fn broken(&mut self, place: String) -> Result<()> {
        self.done = true;
        let why = "not OTLP in protobuf, or cut off; nothing behind it can be read".to_owned();
        self.push(Piece::Unreadable(why), place);
        Ok(())
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        let mut byte = [0];
        let read = self.reader.read(&mut byte).context("reading")?;
        self.consumed += read as u64;
        let [byte] = byte;
        Ok((read > 0).then_some(byte))
    }
}

/// The value that a text begins with, and what follows it. On a line of its own, nothing but another value may follow: a
/// line that has lost its front may begin with a value, too.
fn first_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (value, after) = scan::first(text)?;
    let next = after.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    let is_followed = matches!(next, None | Some(b'\n' | b'{' | b'[' | b'"'));
    (is_followed || value.contains(&b'\n')).then_some((value, after))
}

/// How many lines a text has before its `end`.
fn count_lines(text: &[u8], end: &[u8]) -> u64 {
    let passed = text.get(..text.len().saturating_sub(end.len())).unwrap_or_default();
    passed.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// As much of the beginning as it takes to tell the form: one byte, unless it is a blank. Whoever writes may have written
/// no more yet, and a line feed is also a tag of protobuf.
fn head(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < HEAD && head.first().is_none_or(u8::is_ascii_whitespace) {
        let more = match reader.fill_buf() {
            Ok([]) => break,
            Ok(more) => more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let len = more.len().min(HEAD - head.len());
        head.extend_from_slice(more.get(..len).unwrap_or_default());
        reader.consume(len);
    }
    Ok(head)
}

/// Text has no other control characters than those that end lines and part words; a line feed is also protobuf's tag of
/// a request's field.
fn form_of(beginning: &[u8]) -> Form {
    let is_text = !beginning.iter().any(|byte| *byte < 0x20 && !byte.is_ascii_whitespace());
    match beginning.first() {
        _ if is_text => Form::Json,
        Some(0x0a) => Form::Request,
        Some(0..=0x0f) => Form::Lengths,
        _ => Form::Json,
    }
}

#[cfg(test)]
mod tests;
