//! The accounts of all nodes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use component::{Kind, NodeId, Notes};
use data::{Account, Signal, Statement};
use telemetry::metrics::{Labels, Registry};

/// Every node's account. Cheap to clone; accounts outlive a reload, so counts never go back.
#[derive(Clone, Default)]
pub struct Books {
    accounts: Arc<Mutex<Accounts>>,
    notes: Arc<Mutex<BTreeMap<NodeId, Arc<Notes>>>>,
    /// Where accounts are published; nowhere if there is none.
    registry: Option<Registry>,
}

/// By node and the signal of the items; receivers have one account for each signal.
type Accounts = BTreeMap<(NodeId, Signal), Arc<Account>>;

impl Books {
    /// Books whose accounts are metrics too.
    #[must_use]
    pub fn published(registry: Registry) -> Self {
        Self { registry: Some(registry), ..Self::default() }
    }

    /// The account of a node for a signal, opened if it is new.
    #[must_use]
    pub fn account(&self, node: &NodeId, signal: Signal) -> Arc<Account> {
        let mut accounts = self.lock();
        let account = accounts.entry((node.clone(), signal)).or_insert_with(|| {
            let account = Arc::new(Account::default());
            if let Some(registry) = &self.registry {
                publish(registry, node, signal, &account);
            }
            account
        });
        Arc::clone(account)
    }

    /// What went wrong at a node.
    #[must_use]
    pub fn notes(&self, node: &NodeId) -> Arc<Notes> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(notes.entry(node.clone()).or_default())
    }

    /// Every account as it stands, in a stable order.
    #[must_use]
    pub fn statements(&self) -> Vec<(NodeId, Signal, Statement)> {
        let accounts = self.lock();
        accounts
            .iter()
            .map(|((node, signal), account)| (node.clone(), *signal, account.statement()))
            .collect()
    }

    /// Whether every account balances and nothing is left inside any node.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.statements().iter().all(|(_, _, statement)| statement.balances() && statement.inside() == 0)
    }

    /// The account of the process as text, a line for each node.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (node, signal, statement) in self.statements() {
            // Writing to a string can't fail.
            writeln!(text, "{node}, {}: {statement}", signal.items()).ok();
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes an account visible: under the Collector's names where it has them, and whole under ours.
fn publish(registry: &Registry, node: &NodeId, signal: Signal, account: &Arc<Account>) {
    let metrics = Published { registry, account };
    match node.kind {
        Kind::Processor => {
            let labels = [("processor", node.id.to_string()), ("otel_signal", signal.name().to_owned())];
            let help = "Number of items passed to the processor [Alpha]";
            metrics.counter("otelcol_processor_incoming_items", help, &labels, |it| it.entered);
            let help = "Number of items emitted from the processor [Alpha]";
            metrics.counter("otelcol_processor_outgoing_items", help, &labels, |it| it.left);
        }
        // Receivers count for themselves, exporters are counted where they deliver.
        Kind::Receiver | Kind::Exporter | Kind::Connector | Kind::Extension => {}
    }
    for &(term, read) in TERMS {
        let labels = [
            ("kind", node.kind.name().to_owned()),
            ("id", node.id.to_string()),
            ("pipeline", node.pipeline.as_deref().unwrap_or_default().to_owned()),
            ("signal", signal.name().to_owned()),
            ("output", node.output.map(|output| output.name().to_owned()).unwrap_or_default()),
            ("term", term.to_owned()),
        ];
        let help = "The ledger: entered + created = left + waiting + held + discarded + refused";
        metrics.gauge("collimator_ledger_items", help, &labels, read);
    }
}

type Read = fn(&Statement) -> u64;

const TERMS: &[(&str, Read)] = &[
    ("entered", |it| it.entered),
    ("created", |it| it.created),
    ("left", |it| it.left),
    ("waiting", |it| it.waiting),
    ("held", |it| it.held),
    ("discarded", Statement::discarded_in_all),
    ("refused", Statement::refused_in_all),
];

struct Published<'a> {
    registry: &'a Registry,
    account: &'a Arc<Account>,
}

#[allow(clippy::cast_precision_loss, reason = "a gauge of Prometheus is a double")]
impl Published<'_> {
    fn counter(&self, name: &str, help: &str, labels: Labels<'_>, read: Read) {
        let account = Arc::clone(self.account);
        self.registry.counter_fn(name, help, "{items}", labels, move || read(&account.statement()) as f64);
    }

    fn gauge(&self, name: &str, help: &str, labels: Labels<'_>, read: Read) {
        let account = Arc::clone(self.account);
        self.registry.gauge_fn(name, help, "{items}", labels, move || read(&account.statement()) as f64);
    }
}
