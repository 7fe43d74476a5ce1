//! What is included and not excluded.

use otlp::Signal;
use otlp::view::{Metric, Resource, Scope};

use crate::matcher::Matcher;
use crate::pattern::PatternError;
use crate::properties::Properties;

/// An `include` and an `exclude`, asked on the way down a request of one signal.
///
/// Telemetry is selected if it matches the one, where there is one, and not the other. A block that says nothing about a
/// signal selects all of it.
#[derive(Clone, Debug)]
pub struct Selection {
    signal: Signal,
    include: Option<Matcher>,
    exclude: Option<Matcher>,
    /// Whether the exclusion holds for the present resource, scope and metric, as far as they were asked about.
    excluded: Excluded,
}

#[derive(Clone, Copy, Debug, Default)]
struct Excluded {
    resource: bool,
    scope: bool,
    metric: bool,
}

impl Selection {
    /// Makes both blocks ready for a signal.
    ///
    /// # Errors
    /// As [`Matcher::new`].
    pub fn new(
        include: Option<&Properties>,
        exclude: Option<&Properties>,
        signal: Signal,
    ) -> Result<Self, PatternError> {
        let ready = |block: Option<&Properties>| {
            let matcher = block.map(Matcher::new).transpose()?;
            Ok(matcher.filter(|matcher| matcher.concerns(signal)))
        };
        let (include, exclude) = (ready(include)?, ready(exclude)?);
        Ok(Self { signal, include, exclude, excluded: Excluded::default() })
    }

    /// Whether anything of a resource may be selected.
    pub fn resource(&mut self, resource: Resource<'_>) -> bool {
        let signal = self.signal;
        self.excluded.resource = self.exclude.as_ref().is_some_and(|it| it.resource(signal, resource));
        let all_out = self.excluded.resource
            && self.exclude.as_ref().is_some_and(|it| !it.asks_below_resources(signal));
        !all_out && self.include.as_ref().is_none_or(|it| it.resource(signal, resource))
    }

    /// Whether anything of a scope of that resource may be selected.
    pub fn scope(&mut self, scope: Scope<'_>) -> bool {
        let signal = self.signal;
        self.excluded.scope =
            self.excluded.resource && self.exclude.as_ref().is_some_and(|it| it.scope(signal, scope));
        self.excluded.metric = self.excluded.scope;
        let all_out = signal != Signal::Metrics
            && self.excluded.scope
            && self.exclude.as_ref().is_some_and(|it| !it.asks_items(signal));
        !all_out && self.include.as_ref().is_none_or(|it| it.scope(signal, scope))
    }

    /// Whether a metric of that scope is selected, with all its points.
    pub fn metric(&mut self, metric: Metric<'_>) -> bool {
        self.excluded.metric =
            self.excluded.scope && self.exclude.as_ref().is_some_and(|it| it.metric(metric));
        !self.excluded.metric && self.include.as_ref().is_none_or(|it| it.metric(metric))
    }

    /// Whether an item of what was asked about last is selected.
    #[must_use]
    #[inline]
    pub fn item(&self, bytes: &[u8]) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        self.include.as_ref().is_none_or(|it| it.item(self.signal, bytes))
            && !(self.excluded.metric && self.exclude.as_ref().is_some_and(|it| it.item(self.signal, bytes)))
    }
}
