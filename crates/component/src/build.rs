//! From a parsed configuration to a stage.

use std::collections::BTreeMap;
use std::sync::Arc;

use data::{Signal, Signals};

/// What surrounds the process: environment variables as they were at the start, the machine's memory, feature gates.
/// Nothing but the binary reads the real ones.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
    machine: Machine,
    features: Arc<[Feature]>,
}

/// A feature gate, for those who show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub id: &'static str,
    /// `Alpha`, `Beta` or `Stable`.
    pub stage: &'static str,
    /// What it changes.
    pub description: &'static str,
    /// What it means here: `honoured`, `always on`, `no effect`, `not supported`.
    pub here: &'static str,
    /// Whether it is on.
    pub enabled: bool,
}

/// The memory of the machine, or of the container.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Bytes that the process may use.
    pub memory: u64,
    /// Bytes that the process holds resident now; none where the system does not say. A system call.
    pub resident: fn() -> Option<u64>,
}

impl Default for Machine {
    /// A machine without bounds that knows nothing of what is resident.
    fn default() -> Self {
        Self { memory: u64::MAX, resident: || None }
    }
}

impl Environment {
    /// An environment of these variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: Arc::new(variables.into_iter().collect()), ..Self::default() }
    }

    /// The same variables on another machine.
    #[must_use]
    pub fn on(self, machine: Machine) -> Self {
        Self { machine, ..self }
    }

    /// The same with these feature gates.
    #[must_use]
    pub fn with_features(self, features: Vec<Feature>) -> Self {
        Self { features: features.into(), ..self }
    }

    /// The feature gates.
    #[must_use]
    pub fn features(&self) -> &Arc<[Feature]> {
        &self.features
    }

    /// The machine.
    #[must_use]
    pub const fn machine(&self) -> Machine {
        self.machine
    }

    /// The value of a variable, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Every variable, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What a component may know while it is built: no clock, no network, since building also runs under `validate`.
#[derive(Clone, Debug)]
pub struct BuildCx {
    /// The id as the user wrote it, such as `otlp/backend`.
    pub id: Arc<str>,
    /// What a processor or connector is handed; none for components that serve several signals at once.
    pub signal: Option<Signal>,
    /// What the pipelines that name it carry.
    pub signals: Signals,
    /// The environment, for what is defined through it (proxies).
    pub environment: Environment,
    /// For `User-Agent` and the like: `Collimator/0.1.0 (linux/x86_64)`.
    pub user_agent: Arc<str>,
}

/// Why a component can't be built from its configuration, by field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct BuildError {
    /// The field, as a `::` path below the component's body; empty for the component as a whole.
    pub path: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
}

impl BuildError {
    /// A complaint about a field.
    pub fn at(path: impl Into<String>, message: impl ToString) -> Self {
        Self { path: path.into(), message: message.to_string() }
    }
}
