use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::levels::least_level;
use super::series::{Kind, Reader, Reading, Series};
use super::{Counter, Gauge, Histogram, Labels, MetricsLevel, text};
use crate::Resource;

/// How many series a family may have before new ones share one that is labelled `otel_metric_overflow="true"`:
/// the OpenTelemetry SDKs' default cardinality limit.
pub const MAX_SERIES_PER_FAMILY: usize = 2_000;

/// How series are exposed, as in a Prometheus reader of `service.telemetry.metrics`; by default short names without
/// more labels, as the reference serves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// False appends the unit to the names: `_seconds`, `_bytes`.
    pub without_units: bool,
    /// False appends `_total` to the names of counters.
    pub without_type_suffix: bool,
    /// False adds labels with the instrumentation scope, which is the process's name and version for all.
    pub without_scope_info: bool,
    /// Resource attributes that are labels of every series, where these have none of that name.
    pub constant_labels: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            without_units: true,
            without_type_suffix: true,
            without_scope_info: true,
            constant_labels: Vec::new(),
        }
    }
}

/// The process's instruments. Clones share them.
///
/// Every method that registers takes the metric's name, its help text, its unit in UCUM's notation (`s`, `By`,
/// `{spans}`, or nothing) and the labels of the series. Registering the same series again gives the same
/// instrument. What the first registration of a name said of help, unit and bounds stays. A name that is
/// registered as two types is a bug: it is logged, and the second handle is not exposed. Nor is what the level
/// leaves out; histograms that are not exposed are off.
///
/// What is registered here stays for the life of the process; the nodes of a graph use a [`Scope`].
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    level: MetricsLevel,
    options: Options,
    resource: Resource,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By name, without what [`Options`] add.
    families: BTreeMap<String, Family>,
    registrations: u64,
}

pub(super) struct Family {
    pub(super) help: String,
    pub(super) unit: String,
    pub(super) kind: Kind,
    pub(super) series: BTreeMap<OwnedLabels, Series>,
}

pub(super) type OwnedLabels = Vec<(&'static str, String)>;

/// What is registered: name, help, unit, labels.
type Spec<'a> = (&'a str, &'a str, &'a str, Labels<'a>);

/// Where a registration is found again.
struct Registration {
    name: String,
    labels: OwnedLabels,
    id: u64,
}

impl Registry {
    /// An empty registry of everything up to the level `normal`, which exposes `resource` as `target_info`.
    #[must_use]
    pub fn new(options: Options, resource: Resource) -> Self {
        Self::at_level(MetricsLevel::Normal, options, resource)
    }

    /// The same with another level.
    #[must_use]
    pub fn at_level(level: MetricsLevel, options: Options, resource: Resource) -> Self {
        Self { shared: Arc::new(Shared { level, options, resource, state: Mutex::default() }) }
    }

    /// A scope whose series leave with it.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { registry: self.clone(), registrations: Mutex::default() }
    }

    /// Registers a counter.
    pub fn counter(&self, name: &str, help: &str, unit: &str, labels: Labels<'_>) -> Counter {
        self.add_counter((name, help, unit, labels)).0
    }

    /// Registers a gauge.
    pub fn gauge(&self, name: &str, help: &str, unit: &str, labels: Labels<'_>) -> Gauge {
        self.add_gauge((name, help, unit, labels)).0
    }

    /// Registers a histogram with these upper bounds, to which an infinite one is added.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        unit: &str,
        labels: Labels<'_>,
        bounds: &[f64],
    ) -> Histogram {
        self.add_histogram((name, help, unit, labels), bounds).0
    }

    /// Registers a count that is kept elsewhere and read at each scrape. `read` must be quick and must not use the
    /// registry. The sum of all readers of a series is exposed, those of dropped scopes included.
    pub fn counter_fn(
        &self,
        name: &str,
        help: &str,
        unit: &str,
        labels: Labels<'_>,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.add_reader((name, help, unit, labels), new_counter(), Arc::new(read));
    }

    /// Registers a value that is kept elsewhere and read at each scrape. `read` must be quick and must not use the
    /// registry. Of several readers of a series, the newest is exposed.
    pub fn gauge_fn(
        &self,
        name: &str,
        help: &str,
        unit: &str,
        labels: Labels<'_>,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.add_reader((name, help, unit, labels), new_gauge(), Arc::new(read));
    }

    /// Appends all series in Prometheus' text format 0.0.4, the families sorted by name.
    pub fn render(&self, out: &mut String) {
        self.render_as(&self.shared.options, out);
    }

    /// The same, exposed in another way.
    pub fn render_as(&self, options: &Options, out: &mut String) {
        let constant = text::constant_labels(options, &self.shared.resource);
        let state = self.lock();
        let exposed = |(name, family): (&String, _)| (text::exposed_name(name, family, options), family);
        let mut families: Vec<(String, &Family)> = state.families.iter().map(exposed).collect();
        families.sort_by(|one, other| one.0.cmp(&other.0));
        // Two of a name, which suffixes could make of different ones, would spoil the whole scrape.
        families.dedup_by(|later, earlier| later.0 == earlier.0);
        let split = families.partition_point(|(name, _)| name.as_str() <= text::TARGET_INFO);
        let (before, after) = families.split_at_checked(split).unwrap_or((&families, &[]));
        before.iter().for_each(|(name, family)| text::family(out, name, family, &constant));
        text::target_info(out, &self.shared.resource);
        after.iter().for_each(|(name, family)| text::family(out, name, family, &constant));
    }

    fn add_counter(&self, spec: Spec<'_>) -> (Counter, Option<Registration>) {
        self.register(spec, new_counter(), None, |reading| match reading {
            Reading::Counter { cell, .. } => Some(cell.clone()),
            _ => None,
        })
    }

    fn add_gauge(&self, spec: Spec<'_>) -> (Gauge, Option<Registration>) {
        self.register(spec, new_gauge(), None, |reading| match reading {
            Reading::Gauge { cell, .. } => Some(cell.clone()),
            _ => None,
        })
    }

    fn add_histogram(&self, spec: Spec<'_>, bounds: &[f64]) -> (Histogram, Option<Registration>) {
        let reading = Reading::Histogram(Histogram::new(bounds));
        let (found, registration) = self.register(spec, reading, None, |reading| match reading {
            Reading::Histogram(histogram) => Some(histogram.clone()),
            _ => None,
        });
        (found, registration)
    }

    fn add_reader(&self, spec: Spec<'_>, fresh: Reading, reader: Reader) -> Option<Registration> {
        self.register(spec, fresh, Some(reader), |_| Some(())).1
    }

    /// Finds or inserts the series and joins it; the handle is the default one if the name is of another type.
    fn register<T: Default>(
        &self,
        (name, help, unit, labels): Spec<'_>,
        fresh: Reading,
        reader: Option<Reader>,
        handle: impl Fn(&Reading) -> Option<T>,
    ) -> (T, Option<Registration>) {
        if least_level(name) > self.shared.level {
            return (T::default(), None);
        }
        let kind = fresh.kind();
        let name = text::identifier(name);
        let mut state = self.lock();
        state.registrations = state.registrations.wrapping_add(1);
        let id = state.registrations;
        let family = state.families.entry(name.clone()).or_insert_with(|| Family {
            help: help.to_owned(),
            unit: unit.to_owned(),
            kind,
            series: BTreeMap::new(),
        });
        if family.kind != kind {
            let registered = family.kind.name();
            drop(state);
            tracing::error!(
                metric = name,
                registered,
                asked = kind.name(),
                "metric is registered as another type"
            );
            return (T::default(), None);
        }
        let labels = family.admit(labels);
        let series = family.series.entry(labels.clone()).or_insert_with(|| Series::new(fresh));
        series.join(id, reader);
        (handle(&series.reading).unwrap_or_default(), Some(Registration { name, labels, id }))
    }

    fn unregister(&self, registrations: Vec<Registration>) {
        // Readers own parts of the graph, whose drop may come back here: keep them until the lock is gone.
        let mut readers = Vec::new();
        let mut state = self.lock();
        for Registration { name, labels, id } in registrations {
            if let Some(family) = state.families.get_mut(&name)
                && let Entry::Occupied(mut series) = family.series.entry(labels)
            {
                readers.extend(series.get_mut().leave(id));
                if !series.get().is_kept() {
                    series.remove();
                }
            }
        }
        drop(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics, and the maps are whole at each step.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("families", &self.lock().families.len()).finish_non_exhaustive()
    }
}

impl Family {
    /// The labels under which a series is kept: sorted, each name once, and the overflow's when the family is full.
    fn admit(&mut self, labels: Labels<'_>) -> OwnedLabels {
        let mut labels = labels.to_vec();
        labels.sort_by_key(|(name, _)| *name);
        labels.dedup_by_key(|(name, _)| *name);
        if self.series.len() < MAX_SERIES_PER_FAMILY || self.series.contains_key(&labels) {
            return labels;
        }
        // What only waits to be continued makes room first.
        self.series.retain(|_, series| series.is_shown());
        if self.series.len() < MAX_SERIES_PER_FAMILY {
            return labels;
        }
        vec![("otel_metric_overflow", "true".to_owned())]
    }
}

/// A part of the registry's series that leaves the exposition when it is dropped, such as those of one graph.
///
/// Counters and histograms that are registered again later, with the same name and labels, continue where they
/// were; gauges start afresh. A series that two scopes share stays until both are gone. The methods are those of
/// [`Registry`].
#[derive(Debug)]
pub struct Scope {
    registry: Registry,
    registrations: Mutex<Vec<Registration>>,
}

impl Scope {
    /// The level of metrics, for what differs in more than being there.
    #[must_use]
    pub fn level(&self) -> MetricsLevel {
        self.registry.shared.level
    }

    /// As [`Registry::counter`].
    pub fn counter(&self, name: &str, help: &str, unit: &str, labels: Labels<'_>) -> Counter {
        self.keep(self.registry.add_counter((name, help, unit, labels)))
    }

    /// As [`Registry::gauge`].
    pub fn gauge(&self, name: &str, help: &str, unit: &str, labels: Labels<'_>) -> Gauge {
        self.keep(self.registry.add_gauge((name, help, unit, labels)))
    }

    /// As [`Registry::histogram`].
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        unit: &str,
        labels: Labels<'_>,
        bounds: &[f64],
    ) -> Histogram {
        self.keep(self.registry.add_histogram((name, help, unit, labels), bounds))
    }

    /// As [`Registry::counter_fn`]. What `read` says when the scope is dropped stays in the sum.
    pub fn counter_fn(
        &self,
        name: &str,
        help: &str,
        unit: &str,
        labels: Labels<'_>,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.keep(((), self.registry.add_reader((name, help, unit, labels), new_counter(), Arc::new(read))));
    }

    /// As [`Registry::gauge_fn`].
    pub fn gauge_fn(
        &self,
        name: &str,
        help: &str,
        unit: &str,
        labels: Labels<'_>,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.keep(((), self.registry.add_reader((name, help, unit, labels), new_gauge(), Arc::new(read))));
    }

    fn keep<T>(&self, (handle, registration): (T, Option<Registration>)) -> T {
        self.registrations.lock().unwrap_or_else(PoisonError::into_inner).extend(registration);
        handle
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let registrations = self.registrations.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.registry.unregister(std::mem::take(registrations));
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name, self.labels)
    }
}

fn new_counter() -> Reading {
    Reading::Counter { cell: Counter::default(), settled: 0.0, readers: Vec::new() }
}

fn new_gauge() -> Reading {
    Reading::Gauge { cell: Gauge::default(), readers: Vec::new() }
}
