//! The account that the process prints when it stops.

use std::collections::BTreeMap;

/// The account of one node and one signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Such as `exporter file (traces)`.
    pub node: String,
    /// `spans`, `metric_points` or `log_records`.
    pub items: String,
    /// Taken in.
    pub entered: u64,
    /// Made here.
    pub created: u64,
    /// Handed on.
    pub left: u64,
    /// Not handed on: in the inbox or the stage.
    pub inside: u64,
    /// Dropped on purpose, by reason.
    pub discarded: BTreeMap<String, u64>,
    /// Refused, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// Every line of an account.
#[derive(Clone, Debug, Default)]
pub struct Account(pub Vec<Entry>);

impl Account {
    /// Reads what the process printed, and asserts that each line balances, by its own word and by its numbers.
    #[must_use]
    pub fn read(output: &str) -> Self {
        let entries: Vec<Entry> = output.lines().filter_map(entry).collect();
        assert!(!output.contains("DOES NOT BALANCE"), "the books do not balance:\n{output}");
        for it in &entries {
            let out =
                it.left + it.inside + it.discarded.values().sum::<u64>() + it.refused.values().sum::<u64>();
            assert_eq!(it.entered + it.created, out, "{it:?}");
        }
        Self(entries)
    }

    /// The line of a node, such as `receiver otlp` or `processor batch (traces)`.
    #[must_use]
    pub fn of(&self, node: &str, items: &str) -> &Entry {
        let found = self.0.iter().find(|it| it.node == node && it.items == items);
        found.unwrap_or_else(|| panic!("no line for {node}, {items} in {:#?}", self.0))
    }

    /// Asserts that exactly `count` items went in and came out of a node, none refused or dropped.
    pub fn passed(&self, node: &str, items: &str, count: u64) {
        let expected =
            Entry { node: node.into(), items: items.into(), entered: count, left: count, ..Entry::default() };
        assert_eq!(*self.of(node, items), expected);
    }

    /// Asserts that nothing was refused or dropped anywhere, and that what left the receiver entered the exporters.
    pub fn nothing_lost(&self) {
        for it in &self.0 {
            assert!(it.refused.is_empty() && it.discarded.is_empty() && it.inside == 0, "{it:?}");
        }
        for items in ["spans", "metric_points", "log_records"] {
            let sum = |kind: &str, term: fn(&Entry) -> u64| -> u64 {
                let of_kind = self.0.iter().filter(|it| it.node.starts_with(kind) && it.items == items);
                of_kind.map(term).sum()
            };
            let (left, arrived) = (sum("receiver", |it| it.left), sum("exporter", |it| it.entered));
            assert_eq!(left, arrived, "what left the receivers and what came to the exporters, in {items}");
        }
    }
}

/// `exporter file (traces), spans: entered 5 + created 1 = left 3 + held 1 + refused{queue full} 2`
fn entry(line: &str) -> Option<Entry> {
    let kinds = ["receiver ", "processor ", "exporter ", "connector ", "extension "];
    let (head, sum) = line.split_once(": entered ")?;
    let (node, items) = head.rsplit_once(", ")?;
    if !kinds.iter().any(|kind| node.starts_with(kind)) {
        return None;
    }
    let mut entry = Entry { node: node.to_owned(), items: items.to_owned(), ..Entry::default() };
    let (incoming, outgoing) = sum.split_once(" = ")?;
    let mut incoming = incoming.split(" + created ");
    entry.entered = incoming.next()?.parse().ok()?;
    entry.created = incoming.next().map_or(0, |count| count.parse().unwrap());
    for term in outgoing.split(" + ") {
        let (name, count) = term.rsplit_once(' ').unwrap();
        let count: u64 = count.parse().unwrap_or_else(|_| panic!("a term that is no count: {line}"));
        let (name, reason) = name.split_once('{').unwrap_or((name, ""));
        let reason = reason.trim_end_matches('}').to_owned();
        match name {
            "discarded" => *entry.discarded.entry(reason).or_default() += count,
            "refused" => *entry.refused.entry(reason).or_default() += count,
            "left" => entry.left = count,
            "waiting" | "held" => entry.inside += count,
            _ => panic!("an unknown term: {line}"),
        }
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_term() {
        let text = "noise\nexporter file (traces), spans: entered 5 + created 2 = left 3 + held 1 + discarded{a b} 1 \
                    + refused{queue full} 2\nreceiver otlp, spans: entered 0 = left 0\n";
        let account = Account::read(text);
        assert_eq!(account.0.len(), 2);
        let file = account.of("exporter file (traces)", "spans");
        assert_eq!((file.entered, file.created, file.left, file.inside), (5, 2, 3, 1));
        assert_eq!(file.discarded["a b"], 1);
        assert_eq!(file.refused["queue full"], 2);
        account.passed("receiver otlp", "spans", 0);
    }

    #[test]
    #[should_panic(expected = "entered: 5")]
    fn does_the_sum_itself() {
        drop(Account::read("receiver otlp, spans: entered 5 = left 4\n"));
    }
}
