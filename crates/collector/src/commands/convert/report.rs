//! What became of every input.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use xray::from_span::Losses;

use crate::cli::Report;

/// How many places of each fault are named.
const PLACES: usize = 5;
/// How many different faults are told apart; the words of some have the input's own in them.
const FAULTS: usize = 100;

/// What became of one input.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) input: String,
    pub(super) spans: usize,
    pub(super) documents: usize,
    pub(super) spans_written: usize,
    pub(super) documents_written: usize,
    /// Documents that would have been too large.
    pub(super) shortened: usize,
    pub(super) losses: Losses,
    faults: BTreeMap<String, Fault>,
}

#[derive(Clone, Debug, Default)]
struct Fault {
    count: usize,
    places: Vec<String>,
}

impl Account {
    /// What was read so far.
    pub(super) const fn items(&self) -> usize {
        self.spans + self.documents
    }

    /// Counts what could not be converted. An empty place is all of the input.
    pub(super) fn refuse(&mut self, place: &str, why: &str, count: usize) {
        let is_new = !self.faults.contains_key(why);
        let why = if is_new && self.faults.len() >= FAULTS { "other reasons" } else { why };
        let fault = self.faults.entry(why.to_owned()).or_default();
        fault.count += count;
        if fault.places.len() < PLACES && !place.is_empty() {
            fault.places.push(place.to_owned());
        }
    }

    fn refused(&self) -> usize {
        self.faults.values().map(|fault| fault.count).sum()
    }

    fn to_json(&self) -> Value {
        let lost = self.losses.0.iter();
        let lost =
            lost.map(|(loss, count)| json!({"what": loss.code(), "count": count, "text": loss.to_string()}));
        let fault = |(why, fault): (&String, &Fault)| json!({"reason": why, "count": fault.count, "places": fault.places});
        json!({
            "input": self.input,
            "read": {"spans": self.spans, "documents": self.documents},
            "written": {"spans": self.spans_written, "documents": self.documents_written},
            "shortened": self.shortened,
            "not_carried_over": lost.collect::<Vec<_>>(),
            "refused": self.faults.iter().map(fault).collect::<Vec<_>>(),
        })
    }

    pub(super) fn to_text(&self) -> String {
        let both = |spans: usize, documents: usize| match (spans, documents) {
            (spans, 0) => things(spans, "span"),
            (0, documents) => things(documents, "document"),
            (spans, documents) => format!("{} and {}", things(spans, "span"), things(documents, "document")),
        };
        let read = both(self.spans, self.documents);
        let mut text =
            format!("{}: {read} became {}\n", self.input, both(self.spans_written, self.documents_written));
        if self.shortened > 0 {
            let shortened = things(self.shortened, "document");
            text.push_str(&format!("  {shortened} shortened, since it was too large\n"));
        }
        for (title, lines) in [
            (
                "not carried over",
                self.losses.0.iter().map(|(loss, count)| format!("{count} × {loss}")).collect(),
            ),
            ("refused", self.faults.iter().map(|(why, fault)| line(why, fault)).collect::<Vec<_>>()),
        ] {
            if !lines.is_empty() {
                text.push_str(&format!("  {title}\n"));
            }
            lines.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
        }
        text
    }
}

fn line(why: &str, fault: &Fault) -> String {
    let more = if fault.count > fault.places.len() { ", …" } else { "" };
    let places = fault.places.join("; ");
    let places = if places.is_empty() { places } else { format!(" ({places}{more})") };
    format!("{} × {why}{places}", fault.count)
}

/// `1 span`, `2 spans`.
pub(super) fn things(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// What became of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts(Vec<Account>);

impl Accounts {
    pub(super) fn add(&mut self, account: Account) {
        self.0.push(account);
    }

    pub(super) fn refused(&self) -> usize {
        self.0.iter().map(Account::refused).sum()
    }

    /// Writes the report into a file, or to standard error for `-`.
    pub(super) fn write(&self, file: &str, form: Option<Report>) -> Result<()> {
        let is_json =
            std::path::Path::new(file).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let form = form.unwrap_or(if is_json { Report::Json } else { Report::Text });
        let text = match form {
            Report::Json => super::super::pretty(
                &json!({"inputs": self.0.iter().map(Account::to_json).collect::<Vec<_>>()}),
            )?,
            Report::Text => self.0.iter().map(Account::to_text).collect(),
        };
        if file == "-" {
            eprint!("{text}");
            return Ok(());
        }
        fs::write(file, text).with_context(|| format!("writing {file}"))
    }
}
