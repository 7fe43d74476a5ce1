//! What is converted, piece by piece, whatever form it has.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use anyhow::{Context as _, Result};
use xray::json::scan;

/// The most bytes of a line, of a message, and of a text that is not in lines.
const MAX_PIECE: u64 = 256 << 20;
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
    /// A JSON value on every line.
    Lines,
    /// One or more JSON values over several lines.
    Text,
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
    /// Lines read, or messages.
    number: u64,
    waiting: VecDeque<(Piece, String)>,
    /// What is not in lines, and how far it has been taken apart.
    text: Option<Vec<u8>>,
    at: usize,
    done: bool,
}

impl Input {
    pub(super) fn open(name: &str) -> Result<Self> {
        let (reader, total): (Box<dyn BufRead>, _) = if name == "-" {
            (Box::new(BufReader::new(io::stdin())), None)
        } else {
            let file = File::open(name).with_context(|| format!("opening {name}"))?;
            let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
            (Box::new(BufReader::with_capacity(1 << 16, file)), total)
        };
        let name = name.to_owned();
        Ok(Self {
            name,
            total,
            consumed: 0,
            reader,
            form: None,
            number: 0,
            waiting: VecDeque::new(),
            text: None,
            at: 0,
            done: false,
        })
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
                None => *self.form.insert(form_of(self.reader.fill_buf().context("reading")?)),
            };
            match form {
                Form::Lines => self.line()?,
                Form::Text => self.text()?,
                Form::Request => self.field()?,
                Form::Lengths => self.message()?,
            }
        }
    }

    fn push(&mut self, piece: Piece, place: String) {
        self.waiting.push_back((piece, place));
    }

    /// A line. If already the first is not a whole value, values are taken to go over several lines.
    fn line(&mut self) -> Result<()> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(MAX_PIECE).read_until(b'\n', &mut line).context("reading")?;
        self.consumed += read as u64;
        self.number += 1;
        self.done = read == 0;
        let place = format!("line {}", self.number);
        if self.number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        match scan::document(&line) {
            Some((_, value)) => self.value(value, &place, MAX_WRAPPINGS),
            None if self.number == 1 && read as u64 != MAX_PIECE => return self.read_text(line),
            None => self.push(Piece::Unreadable(NOT_JSON.to_owned()), place),
        }
        Ok(())
    }

    /// Reads what follows, which is no longer taken to be in lines.
    fn read_text(&mut self, mut text: Vec<u8>) -> Result<()> {
        let read = self.reader.by_ref().take(MAX_PIECE).read_to_end(&mut text).context("reading")?;
        self.consumed += read as u64;
        self.form = Some(Form::Text);
        self.number = 1;
        if read as u64 == MAX_PIECE {
            self.done = true;
            let why = format!("more than {} MiB that are not in lines", MAX_PIECE >> 20);
            self.push(Piece::Unreadable(why), "from the beginning".to_owned());
            return Ok(());
        }
        self.text = Some(text);
        Ok(())
    }

    /// The next value of a text. Past one that is wrong it goes on with the next line.
    fn text(&mut self) -> Result<()> {
        let Some(text) = self.text.take() else { return self.read_text(Vec::new()) };
        let rest = text.get(self.at..).unwrap_or_default();
        let start = rest.trim_ascii_start();
        self.done = start.is_empty();
        if self.done {
            return Ok(());
        }
        let lines_to = |end: &[u8]| {
            let passed = text.get(self.at..text.len() - end.len()).unwrap_or_default();
            passed.iter().filter(|byte| **byte == b'\n').count() as u64
        };
        let place = format!("line {}", self.number + lines_to(start));
        let line = start.iter().position(|byte| *byte == b'\n').unwrap_or(start.len());
        let (value, after) = match scan::first(start) {
            Some((value, after)) => (Some(value), after),
            None => (None, start.get(line..).unwrap_or_default()),
        };
        self.number += lines_to(after);
        self.at = text.len() - after.len();
        match value {
            Some(value) => self.value(value, &place, MAX_WRAPPINGS),
            None => self.push(Piece::Unreadable(NOT_JSON.to_owned()), place),
        }
        self.text = Some(text);
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

/// JSON begins as JSON does and has no other control characters than those that end lines; a line feed is also
/// protobuf's tag of a request's field.
fn form_of(beginning: &[u8]) -> Form {
    let beginning = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning);
    let is_text = !beginning.iter().any(|byte| *byte < 0x20 && !byte.is_ascii_whitespace());
    match beginning.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"') | None if is_text => Form::Lines,
        _ => match beginning.first() {
            Some(0x0a) => Form::Request,
            Some(0..=0x0f) => Form::Lengths,
            _ => Form::Text,
        },
    }
}
