//! The accounts of all nodes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use component::NodeId;
use data::{Account, Signal, Statement};

/// Every node's account. Cheap to clone; accounts outlive a reload, so counts never go back.
#[derive(Clone, Debug, Default)]
pub struct Books {
    accounts: Arc<Mutex<Accounts>>,
}

/// By node and the signal of the items; receivers have one account for each signal.
type Accounts = BTreeMap<(NodeId, Signal), Arc<Account>>;

impl Books {
    /// The account of a node for a signal, opened if it is new.
    #[must_use]
    pub fn account(&self, node: &NodeId, signal: Signal) -> Arc<Account> {
        Arc::clone(self.lock().entry((node.clone(), signal)).or_default())
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
            let _ = writeln!(text, "{node}, {}: {statement}", signal.items());
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
