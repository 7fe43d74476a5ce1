//! What the API does: one reservoir for each rule, shared by all clients.
//!
//! A client's share follows its demand, which it reports every ten seconds. What it was given stays reserved until it
//! reports again, or until the quota's end if it is heard of no more: the quotas that are out never add up to more than
//! the reservoir.
//!
//! What was given before a start is not known. A client that is heard of first may hold a quota of then: for as long as
//! such a one may last it is told to have nothing until its next report, and in the first seconds everybody is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rule::Rule;
use super::share::fair_shares;

/// Statistics documents in one request, at most.
pub const MAX_STATISTICS: usize = 25;

/// How long a quota holds.
pub const QUOTA_TTL: Duration = Duration::from_secs(300);

/// How often clients report.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Clients of one rule that are known at once. Further ones go on borrowing.
pub const MAX_CLIENTS: usize = 10_000;

/// Clients of all rules together, one that uses several counted for each: about 20 MB. Further ones go on borrowing.
pub const MAX_LEASES: usize = 100_000;

/// How long one client has what can't be divided, before it is another's turn.
const TURN: u64 = 60;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since any fixed moment, and never back: what quotas are timed by.
    pub mono: Duration,
    /// Since the Unix epoch: what clients are told, and may be set forward and back.
    pub wall: Duration,
}

/// Rules with their reservoirs.
#[derive(Clone, Debug)]
pub struct Central {
    rules: Vec<Shared>,
    /// When they were made, by the monotonic clock.
    began: Duration,
    /// By the time of day.
    changed: Duration,
    /// Clients of all rules.
    leases: usize,
}

/// A rule and its clients.
#[derive(Clone, Debug)]
struct Shared {
    rule: Rule,
    /// By id; ordered, so that the same reports give the same quotas.
    clients: BTreeMap<Box<str>, Lease>,
    /// The sum of their quotas.
    out: u32,
    /// When it was last looked who is gone and what everybody's share is: once a second, since it takes as long as
    /// there are clients.
    divided: Option<u64>,
    window: Summary,
    closed: Summary,
}

/// What a client has of a reservoir.
#[derive(Clone, Copy, Debug)]
struct Lease {
    /// Requests a second, rounded up.
    demand: u32,
    quota: u32,
    /// What it should have, as far as the others have not got it yet.
    fair: u32,
    /// By the monotonic clock, as the next.
    ends: Duration,
    reported: Duration,
}

/// What a client is told that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) size: u32,
    /// By the time of day.
    pub(super) ends: Duration,
}

/// What a start has to do with a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// It is so recent that not everybody has reported since.
    Recent,
    /// Quotas of before it may be out.
    Remembered,
    Forgotten,
}

/// Counts over all clients in one window of ten seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// When the window began, in seconds.
    pub(super) start: u64,
    pub(super) requests: u64,
    pub(super) sampled: u64,
    pub(super) borrowed: u64,
}

impl Central {
    /// Reservoirs for these rules, which are taken now.
    #[must_use]
    pub fn new(rules: Vec<Rule>, now: Now) -> Self {
        let mut central = Self { rules: Vec::new(), began: now.mono, changed: now.wall, leases: 0 };
        central.replace(rules, now.wall);
        central
    }

    /// Takes other rules. Clients of rules that stay keep what they have; a reservoir that became smaller is not
    /// exceeded by what is given from now on. The time of the change is never before that of the former one: clients
    /// that were told that one would not notice.
    pub fn replace(&mut self, rules: Vec<Rule>, changed: Duration) {
        let mut former = std::mem::take(&mut self.rules);
        let keep = |rule: Rule| match former.iter().position(|shared| shared.rule.name == rule.name) {
            Some(place) => Shared { rule, divided: None, ..former.swap_remove(place) },
            None => Shared::new(rule),
        };
        self.rules = rules.into_iter().map(keep).collect();
        self.rules.sort_by(|a, b| a.rule.order(&b.rule));
        self.leases = self.rules.iter().map(|shared| shared.clients.len()).sum();
        self.changed = self.changed.max(changed);
    }

    /// The rules, in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|shared| &shared.rule)
    }

    /// When they changed last.
    #[must_use]
    pub const fn changed(&self) -> Duration {
        self.changed
    }

    /// Takes a client's report of requests, sampled and borrowed ones in, and says at which rate and within which quota
    /// it samples from now on. None for a rule that there is not; no quota for a client that is heard of first and can't
    /// have one of before the start.
    pub(super) fn report(
        &mut self,
        rule: &str,
        client: &str,
        counts: [u64; 3],
        now: Now,
    ) -> Option<(f64, Option<Quota>)> {
        let start = match now.mono.saturating_sub(self.began) {
            age if age < INTERVAL => Start::Recent,
            age if age < QUOTA_TTL => Start::Remembered,
            _ => Start::Forgotten,
        };
        if self.leases >= MAX_LEASES {
            // Once a second, as each of them does.
            self.rules.iter_mut().for_each(|shared| shared.divide(now.mono));
            self.leases = self.rules.iter().map(|shared| shared.clients.len()).sum();
        }
        let has_room = self.leases < MAX_LEASES;
        let shared = self.rules.iter_mut().find(|shared| shared.rule.name == rule)?;
        shared.count(counts, now.wall);
        let before = shared.clients.len();
        let quota = shared.lease(client, counts[0], now, start, has_room);
        self.leases = self.leases.saturating_sub(before).saturating_add(shared.clients.len());
        Some((shared.rule.fixed_rate, quota))
    }

    /// The last window of each rule that is closed at this time of day, if there were requests in it.
    pub(super) fn summaries(&mut self, now: Duration) -> Vec<(&str, Summary)> {
        let roll = |shared: &mut Shared| shared.roll(now);
        self.rules.iter_mut().for_each(roll);
        let wanted = window(now).saturating_sub(INTERVAL.as_secs());
        let closed = self.rules.iter().filter(|it| it.closed.start == wanted && it.closed.requests > 0);
        closed.map(|shared| (shared.rule.name.as_str(), shared.closed)).collect()
    }
}

impl Shared {
    fn new(rule: Rule) -> Self {
        let (window, closed) = Default::default();
        Self { rule, clients: BTreeMap::new(), out: 0, divided: None, window, closed }
    }

    fn lease(
        &mut self,
        client: &str,
        requests: u64,
        Now { mono, wall }: Now,
        start: Start,
        has_room: bool,
    ) -> Option<Quota> {
        let nothing = Quota { size: 0, ends: wall.saturating_add(INTERVAL) };
        let known = self.clients.get(client).copied();
        let is_known = known.is_some_and(|lease| lease.ends >= mono);
        if known.is_none() && (!has_room || self.clients.len() >= MAX_CLIENTS) {
            // Some may be gone by now.
            self.divide(mono);
            if !has_room || self.clients.len() >= MAX_CLIENTS {
                return (start != Start::Forgotten).then_some(nothing);
            }
        }
        let since = known.filter(|_| is_known).map(|lease| mono.saturating_sub(lease.reported));
        let (quota, fair) = known.map_or((0, 0), |lease| (lease.quota, lease.fair));
        let ends = mono.saturating_add(QUOTA_TTL);
        let lease = Lease { demand: demand(requests, since), quota, fair, ends, reported: mono };
        self.clients.insert(client.into(), lease);
        self.divide(mono);
        let lease = self.clients.get_mut(client)?;
        let others = self.out.saturating_sub(lease.quota);
        // The first report says that there is a client; those who are there make room with their next ones.
        let has_share = is_known && start != Start::Recent;
        let size =
            if has_share { lease.fair.min(self.rule.reservoir_size.saturating_sub(others)) } else { 0 };
        self.out = others.saturating_add(size);
        lease.quota = size;
        match (has_share, start) {
            (true, _) => Some(Quota { size, ends: wall.saturating_add(QUOTA_TTL) }),
            // Whoever has something of before the start, has it no more.
            (false, Start::Recent | Start::Remembered) => Some(nothing),
            (false, Start::Forgotten) => None,
        }
    }

    /// Forgets who is heard of no more, and says what everybody's fair share is.
    fn divide(&mut self, now: Duration) {
        if self.divided == Some(now.as_secs()) {
            return;
        }
        self.divided = Some(now.as_secs());
        self.clients.retain(|_, lease| lease.ends >= now);
        self.out = self.clients.values().fold(0, |sum: u32, lease| sum.saturating_add(lease.quota));
        let demands: Vec<u32> = self.clients.values().map(|lease| lease.demand).collect();
        let turn = usize::try_from(now.as_secs() / TURN).unwrap_or_default();
        let shares = fair_shares(self.rule.reservoir_size, &demands, turn);
        for (lease, share) in self.clients.values_mut().zip(shares) {
            lease.fair = share;
        }
    }

    fn count(&mut self, [requests, sampled, borrowed]: [u64; 3], now: Duration) {
        self.roll(now);
        let add = |to: &mut u64, count: u64| *to = to.saturating_add(count);
        add(&mut self.window.requests, requests);
        add(&mut self.window.sampled, sampled);
        add(&mut self.window.borrowed, borrowed);
    }

    fn roll(&mut self, now: Duration) {
        let start = window(now);
        if self.window.start < start {
            self.closed = std::mem::replace(&mut self.window, Summary { start, ..Summary::default() });
        }
    }
}

/// When the window of `now` began.
fn window(now: Duration) -> u64 {
    let length = INTERVAL.as_secs().max(1);
    now.as_secs() / length * length
}

/// Requests a second, rounded up. A client that reports less often is not taken for a busier one.
fn demand(requests: u64, since: Option<Duration>) -> u32 {
    let over = since.unwrap_or(INTERVAL).as_secs().max(INTERVAL.as_secs());
    u32::try_from(requests.div_ceil(over.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "central_tests.rs"]
mod tests;
