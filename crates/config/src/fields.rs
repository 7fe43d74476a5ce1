//! The description of a section: its keys and what is said about each.

mod access;
mod field;

use std::ops::RangeInclusive;

use serde_json::Value as Json;

use self::access::Place;
use self::field::Discarded;
use crate::diagnostics::Severity;
use crate::section::{Checks, Section};
use crate::setting::Setting;
use crate::suggest;

pub(crate) use self::field::Field;

/// The keys of a section, in the order of documentation.
pub struct Fields<S> {
    pub(crate) list: Vec<Field<S>>,
    /// Checks of flattened sections.
    pub(crate) checks: Vec<FieldCheck<S>>,
}

type FieldCheck<S> = Box<dyn Fn(&mut S, &mut Checks)>;

impl<S: Section> Fields<S> {
    pub(crate) fn new() -> Self {
        Self { list: Vec::new(), checks: Vec::new() }
    }

    /// A key, its line of documentation for users, and its place in the struct.
    pub fn field<T: Setting>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        place: fn(&mut S) -> &mut T,
    ) -> FieldOf<'_, S, T> {
        let field = self.add(Field::new(name, doc, Some(Box::new(Place { place }))));
        FieldOf { field, place }
    }

    /// A key of the Collector that is accepted and has no effect: giving it is a warning that says why.
    pub fn not_honoured(&mut self, name: &'static str, doc: &'static str, why: &'static str) {
        self.add(Field::new(name, doc, None)).effect = Some((Severity::Warning, why));
    }

    /// Such a key of a known type: a value that the Collector would refuse is refused here, too.
    pub fn ignored<T: Setting>(&mut self, name: &'static str, doc: &'static str, why: &'static str) {
        let field = self.add(Field::new(name, doc, None));
        field.effect = Some((Severity::Warning, why));
        field.discarded = Some(Discarded::of::<T>());
    }

    /// A key whose value is read and forgotten: what is in it says itself what has no effect.
    pub fn forgotten<T: Setting>(&mut self, name: &'static str, doc: &'static str) {
        self.add(Field::new(name, doc, None)).discarded = Some(Discarded::of::<T>());
    }

    /// Takes out a key of a flattened block, for a section that describes it in its own way or does not have it.
    pub fn without(&mut self, name: &str) {
        self.list.retain(|field| field.name != name);
    }

    /// A key of the Collector that can't be ignored safely: giving it is an error that says why.
    pub fn unsupported(&mut self, name: &'static str, doc: &'static str, why: &'static str) {
        self.add(Field::new(name, doc, None)).effect = Some((Severity::Error, why));
    }

    /// Takes in the keys of a shared block as if they were this section's own.
    pub fn flatten<T: Section>(&mut self, place: fn(&mut S) -> &mut T) {
        let mut inner = Fields::<T>::new();
        T::describe(&mut inner);
        for field in inner.list {
            self.add(field.through(place));
        }
        self.checks.push(Box::new(move |section, checks| place(section).check(checks)));
        for check in inner.checks {
            self.checks.push(Box::new(move |section, checks| check(place(section), checks)));
        }
    }

    fn add(&mut self, field: Field<S>) -> &mut Field<S> {
        debug_assert!(!self.list.iter().any(|other| other.name == field.name), "{} twice", field.name);
        self.list.push_mut(field)
    }
}

/// A key that has just been described, to say more about it.
pub struct FieldOf<'f, S, T> {
    field: &'f mut Field<S>,
    place: fn(&mut S) -> &mut T,
}

impl<S: Section, T: Setting> FieldOf<'_, S, T> {
    /// Hides the value wherever it would be shown.
    pub fn secret(self) -> Self {
        self.field.secret = true;
        self
    }

    /// The value is a URL: user, password and query are hidden wherever it would be shown.
    pub fn url(self) -> Self {
        self.field.is_url = true;
        self
    }

    /// Must be given, and not be empty.
    pub fn required(self) -> Self {
        self.field.required = true;
        self
    }

    /// An older name, accepted with a warning.
    pub fn alias(self, name: &'static str) -> Self {
        self.field.aliases.push(name);
        self
    }

    /// Giving the key is a warning; `instead` says what to do: "use `timeout`".
    pub fn deprecated(self, instead: &'static str) -> Self {
        self.field.deprecated = Some(instead);
        self
    }

    /// The key is read but has no effect yet: any value but the default is a warning that says why.
    pub fn not_honoured(self, why: &'static str) -> Self {
        self.field.effect = Some((Severity::Warning, why));
        self
    }

    /// The key has no effect yet and can't be ignored safely: any value but the default is an error that says why.
    pub fn unsupported(self, why: &'static str) -> Self {
        self.field.effect = Some((Severity::Error, why));
        self
    }

    /// The Collector takes negative numbers here, which this type has not: they are read as `value`, with a warning
    /// that ends in `meaning`: "no limit".
    pub fn negative_is(self, value: T, meaning: &'static str) -> Self
    where
        T: Clone,
    {
        let place = self.place;
        self.field.negative = Some(Box::new(move |section| {
            place(section).clone_from(&value);
            Some(meaning)
        }));
        self
    }

    /// Without a value the key is as if it were not given: a pointer in the Collector that is nil by default.
    pub fn null_is_absent(self) -> Self {
        self.field.null_is_absent = true;
        self
    }

    /// What else it means that the key has no value.
    pub fn on_null(self, change: fn(&mut T)) -> Self {
        let place = self.place;
        self.field.on_null = Some(Box::new(move |section| change(place(section))));
        self
    }

    /// Negative numbers are taken, and forgotten, in a section that is off.
    pub fn negative_if(self, off: fn(&S) -> bool) -> Self {
        self.field.negative = Some(Box::new(move |section| off(section).then_some("")));
        self
    }

    /// A check of the value alone; the error says what must be: "must be a power of two".
    pub fn check(self, check: impl Fn(&T) -> Result<(), String> + 'static) -> Self {
        let place = self.place;
        self.field.checks.push(Box::new(move |section| check(place(section))));
        self
    }

    /// A lower bound, itself allowed.
    pub fn at_least(mut self, least: T) -> Self
    where
        T: PartialOrd,
    {
        self.bound("minimum", least.render());
        self.check(move |value| match *value >= least {
            true => Ok(()),
            false => Err(format!("must be at least {}, found {}", plain(&least), plain(value))),
        })
    }

    /// An upper bound, itself allowed.
    pub fn at_most(mut self, most: T) -> Self
    where
        T: PartialOrd,
    {
        self.bound("maximum", most.render());
        self.check(move |value| match *value <= most {
            true => Ok(()),
            false => Err(format!("must be at most {}, found {}", plain(&most), plain(value))),
        })
    }

    /// Both bounds, themselves allowed.
    pub fn range(mut self, range: RangeInclusive<T>) -> Self
    where
        T: PartialOrd,
    {
        self.bound("minimum", range.start().render());
        self.bound("maximum", range.end().render());
        self.check(move |value| match range.contains(value) {
            true => Ok(()),
            false => {
                let (least, most) = (plain(range.start()), plain(range.end()));
                Err(format!("must be between {least} and {most}, found {}", plain(value)))
            }
        })
    }

    /// The words that a text may be.
    pub fn one_of(self, words: &'static [&'static str]) -> Self
    where
        T: AsRef<str>,
    {
        self.field.schema.push(("enum", words.into()));
        self.check(move |value| match words.contains(&value.as_ref()) {
            true => Ok(()),
            false => Err(format!(
                "expected one of {}, found `{}`",
                suggest::list(words.iter().copied()),
                value.as_ref().escape_debug()
            )),
        })
    }

    /// Only numbers have bounds in a schema; durations are texts there.
    fn bound(&mut self, name: &'static str, value: Json) {
        if value.is_number() {
            self.field.schema.push((name, value));
        }
    }
}

/// A value without the quotes of JSON.
fn plain<T: Setting>(value: &T) -> String {
    match value.render() {
        Json::String(text) => text,
        other => other.to_string(),
    }
}
