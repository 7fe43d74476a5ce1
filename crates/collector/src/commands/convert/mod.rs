//! `convert`: OTLP becomes X-Ray documents, and X-Ray documents become OTLP.
//!
//! Inputs are read piece by piece (a JSON value, the spans of a resource), and spans are translated and written a few at a
//! time, so that memory grows with the largest piece, of 256 MiB at most, but neither with the input nor with what is made
//! of a piece. What can't be read is counted and passed by; the exit code says so.

mod beginning;
mod input;
mod output;
mod progress;
mod report;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use otlp::schema::TRACES;
use otlp::{Policy, Signal, admit};
use xray::from_span::{Cursor, Enough};
use xray::{from_span, to_span};

use self::input::{Input, Piece};
use self::output::Output;
use self::progress::Progress;
use self::report::{Account, Accounts};
use crate::cli::{Conversion, Target};

/// How much is made of spans before it is written.
const AT_ONCE: Enough = Enough { documents: usize::MAX, bytes: 1 << 20 };

/// Converts every input, one after the other, into one output.
pub(super) fn convert(conversion: &Conversion) -> Result<ExitCode> {
    let mut files = conversion.files.clone();
    if files.is_empty() {
        files.push("-".to_owned());
    }
    check_distinct(conversion, &files)?;
    let output = Output::open(conversion.output.as_deref())?;
    let mut converter = Converter::new(conversion, Box::new(output.clone()));
    let mut accounts = Accounts::default();
    let result = files.iter().try_for_each(|file| {
        let converted = match Input::open(file, &output) {
            Ok(mut input) => converter.convert(&mut input).with_context(|| format!("converting {file}")),
            Err(error) => {
                converter.unreadable(&error, "");
                Ok(())
            }
        };
        // What was done until then is reported, too.
        converter.account.input.clone_from(file);
        accounts.add(std::mem::take(&mut converter.account));
        converted
    });
    let result = result.and_then(|()| converter.out.flush().context("writing the output"));
    if let Some(file) = &conversion.report {
        accounts.write(file, conversion.report_format)?;
    } else if accounts.refused() > 0 {
        eprintln!(
            "{} could not be converted; --report says why",
            report::things(accounts.refused(), "thing")
        );
    }
    match result {
        // Whoever has stopped reading does not want the rest.
        Err(error) if is_broken_pipe(&error) => {}
        result => result?,
    }
    Ok(if accounts.refused() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What is written must be none of what is read, and not the same file twice: it would be emptied before it is read.
fn check_distinct(conversion: &Conversion, files: &[String]) -> Result<()> {
    let output = conversion.output.as_deref().and_then(file_of);
    let report = conversion.report.as_deref().map(Path::new).and_then(file_of);
    for (written, what) in [(&output, "output"), (&report, "report")] {
        let is_it = |file: &&String| written.is_some() && file_of(Path::new(file)) == *written;
        if let Some(file) = files.iter().find(is_it) {
            bail!("{file} is read, so that it can't be the {what}");
        }
    }
    if let Some(output) = output.as_ref().filter(|output| report.as_ref() == Some(output)) {
        bail!("{} can't be both the output and the report", output.display());
    }
    Ok(())
}

/// The file that a path leads to, which need not be there; none for a standard stream, a pipe or a device.
fn file_of(path: &Path) -> Option<PathBuf> {
    if path == Path::new("-") {
        return None;
    }
    match path.canonicalize() {
        Ok(file) => file.is_file().then_some(file),
        Err(_) => {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            Some(folder.unwrap_or(Path::new(".")).canonicalize().ok()?.join(path.file_name()?))
        }
    }
}

/// Converts pieces and keeps account of the input that they come from.
struct Converter {
    to: Option<Target>,
    from_span: from_span::Translator,
    to_span: to_span::Translator,
    documents: from_span::Documents,
    account: Account,
    /// Somebody wants to know what is lost.
    reports: bool,
    out: Box<dyn Write>,
}

impl Converter {
    fn new(conversion: &Conversion, out: Box<dyn Write>) -> Self {
        let options = from_span::Options {
            indexed_attributes: conversion.indexed_attributes.clone(),
            index_all_attributes: conversion.index_all_attributes,
            preserve_xray_fields: true,
            keep_events: conversion.keep,
            keep_network_attributes: conversion.keep,
            body_size_as_content_length: conversion.keep,
            complete_stack_traces: conversion.keep,
            ..from_span::Options::default()
        };
        // Of new ids nothing is asked but that they differ from one run to the next.
        let seed = RandomState::new().build_hasher().finish();
        let preserving = to_span::Options { preserve: true, ..to_span::Options::default() };
        Self {
            to: conversion.to,
            from_span: from_span::Translator::new(options, seed),
            to_span: to_span::Translator::new(preserving),
            documents: from_span::Documents::default(),
            account: Account::default(),
            reports: conversion.report.is_some(),
            out,
        }
    }

    fn convert(&mut self, input: &mut Input) -> Result<()> {
        let mut progress = Progress::new(&input.name, input.total);
        loop {
            let (piece, place) = match input.next_piece() {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let error = error.context(format!("converting {}", input.name));
                    self.unreadable(&error, &format!("byte {}", input.consumed));
                    return Ok(());
                }
            };
            match piece {
                Piece::OtlpJson(text) => self.otlp_json(&text, &place)?,
                Piece::OtlpProto(message) => {
                    match admit(Signal::Traces, message.into(), &Policy::default()) {
                        Ok(admitted) => self.request(&admitted.bytes, &place)?,
                        Err(error) => self.account.refuse(&place, &error.to_string(), 1),
                    }
                }
                Piece::Document(text) => self.document(&text, &place)?,
                Piece::Unreadable(why) => self.account.refuse(&place, &why, 1),
            }
            progress.show(input.consumed, self.account.items());
        }
    }

    /// An input that can't be opened, or read any further: told at once, since it is more than a piece.
    fn unreadable(&mut self, error: &anyhow::Error, place: &str) {
        eprintln!("{error:#}");
        self.account.refuse(place, &format!("can't be read: {}", error.root_cause()), 1);
    }

    fn otlp_json(&mut self, text: &[u8], place: &str) -> Result<()> {
        match otlp_json::read(&TRACES, text, &otlp_json::Limits::default()) {
            Ok(request) => self.request(&request, place),
            Err(error) => {
                self.account.refuse(place, &error.to_string(), 1);
                Ok(())
            }
        }
    }

    /// A request of spans.
    fn request(&mut self, request: &[u8], place: &str) -> Result<()> {
        if !matches!(self.to, None | Some(Target::Xray)) {
            let spans = otlp::count(Signal::Traces, request);
            self.account.spans += spans;
            self.account.spans_written += spans;
            return self.write_otlp(request);
        }
        if self.reports {
            self.from_span.losses(request, &mut self.account.losses);
        }
        let (mut cursor, mut items) = (Cursor::default(), 0);
        loop {
            self.documents.clear();
            // The time matters only where ids are refused for theirs.
            let some = &mut self.documents;
            let is_whole = self.from_span.translate_some(request, &mut cursor, AT_ONCE, 0, some);
            self.write_documents(place, items)?;
            items += self.documents.items;
            if is_whole {
                return Ok(());
            }
        }
    }

    /// Writes the documents there are, of spans behind so many others of their request.
    fn write_documents(&mut self, place: &str, before: usize) -> Result<()> {
        for entry in &self.documents.entries {
            self.out.write_all(self.documents.text(entry)).context("writing the output")?;
            self.out.write_all(b"\n").context("writing the output")?;
            self.account.shortened += usize::from(entry.trimmed);
        }
        for refused in &self.documents.refused {
            let place = format!("{place}, span {}", before + refused.item + 1);
            self.account.refuse(&place, &refused.reason.to_string(), 1);
        }
        self.account.spans += self.documents.items;
        self.account.documents_written += self.documents.entries.len();
        Ok(())
    }

    /// An X-Ray document.
    fn document(&mut self, text: &[u8], place: &str) -> Result<()> {
        self.account.documents += 1;
        if self.to == Some(Target::Xray) {
            self.account.refuse(place, "it is an X-Ray document already", 1);
            return Ok(());
        }
        let mut request = Vec::new();
        match self.to_span.read(text, &mut request) {
            Ok(taken) => {
                self.account.spans_written += taken.spans;
                for dropped in &taken.dropped {
                    let place = format!("{place}, byte {}", dropped.at);
                    let field = if dropped.field.is_empty() { "subsegment" } else { dropped.field };
                    self.account.refuse(&place, &format!("{field}: {}", dropped.reason), dropped.segments);
                }
                self.write_otlp(&request)
            }
            Err(refused) => {
                self.account.refuse(place, &refused.to_string(), 1);
                Ok(())
            }
        }
    }

    fn write_otlp(&mut self, request: &[u8]) -> Result<()> {
        if self.to == Some(Target::OtlpProto) {
            return self.out.write_all(request).context("writing the output");
        }
        let mut line = Vec::new();
        otlp_json::write(&TRACES, request, &mut line);
        line.push(b'\n');
        self.out.write_all(&line).context("writing the output")
    }
}

#[cfg(test)]
mod tests;
