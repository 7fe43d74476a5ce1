//! What an SDK does with rules.

use std::time::Duration;

use super::rule::{Request, Rule};

/// Rules from the API are not used longer than this after they were last fetched.
const RULES_LAST: Duration = Duration::from_secs(3_600);

/// Requests that are borrowed from a reservoir without a quota, for each rule and second.
const BORROWED: u32 = 1;

/// Samples by rules: those of the API while they are fresh, local ones otherwise.
#[derive(Clone, Debug)]
pub struct Client {
    central: Vec<Tracked>,
    fetched: Option<Duration>,
    local: Vec<Tracked>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is sampled.
    pub sampled: bool,
    /// The rule that decided; none if there are none.
    pub rule: Option<String>,
}

/// What a client reports of a rule, as in `SamplingStatisticsDocuments`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The rule.
    pub rule: String,
    /// Requests that it matched.
    pub requests: u64,
    /// Of these sampled, without the borrowed ones, as most SDKs count.
    pub sampled: u64,
    /// Of these sampled on credit.
    pub borrowed: u64,
}

/// What the API says about a rule, as in `SamplingTargetDocuments`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// The rule.
    pub rule: String,
    /// The share to sample from now on.
    pub fixed_rate: Option<f64>,
    /// Requests a second out of the reservoir.
    pub quota: Option<u32>,
    /// Until when the quota holds.
    pub quota_ttl: Option<Duration>,
}

/// A rule with its reservoir and its counts.
#[derive(Clone, Debug)]
struct Tracked {
    rule: Rule,
    quota: Option<(u32, Duration)>,
    second: u64,
    taken: u32,
    borrowed_now: u32,
    requests: u64,
    sampled: u64,
    borrowed: u64,
}

impl Tracked {
    fn new(rule: Rule) -> Self {
        let (quota, second, taken, borrowed_now) = (None, 0, 0, 0);
        Self { rule, quota, second, taken, borrowed_now, requests: 0, sampled: 0, borrowed: 0 }
    }

    fn decide(&mut self, now: Duration, chance: f64) -> bool {
        self.requests += 1;
        if self.second != now.as_secs() {
            (self.second, self.taken, self.borrowed_now) = (now.as_secs(), 0, 0);
        }
        let quota = self.quota.filter(|(_, ttl)| *ttl >= now).map(|(quota, _)| quota);
        if quota.is_some_and(|quota| self.taken < quota) {
            self.taken += 1;
            self.sampled += 1;
            return true;
        }
        if quota.is_none() && self.rule.reservoir_size > 0 && self.borrowed_now < BORROWED {
            self.borrowed_now += 1;
            self.borrowed += 1;
            return true;
        }
        let sampled = chance < self.rule.fixed_rate;
        self.sampled += u64::from(sampled);
        sampled
    }
}

impl Client {
    /// A client that has only local rules until it is given others.
    #[must_use]
    pub fn new(local: Vec<Rule>) -> Self {
        // Nobody shares a local rule's reservoir: it is a quota that never ends.
        let local = local.into_iter().map(|rule| {
            let quota = Some((rule.reservoir_size, Duration::MAX));
            Tracked { quota, ..Tracked::new(rule) }
        });
        Self { central: Vec::new(), fetched: None, local: local.collect() }
    }

    /// Takes the API's rules in. Reservoirs and counts of rules that stay are kept; what clients can't use is left out.
    pub fn set_rules(&mut self, mut rules: Vec<Rule>, now: Duration) {
        rules.retain(Rule::is_usable);
        rules.sort_by(Rule::order);
        let mut former = std::mem::take(&mut self.central);
        let keep = |rule: Rule| match former.iter().position(|tracked| tracked.rule.name == rule.name) {
            Some(place) => Tracked { rule, ..former.swap_remove(place) },
            None => Tracked::new(rule),
        };
        self.central = rules.into_iter().map(keep).collect();
        self.fetched = Some(now);
    }

    /// Decides about a request. `chance` is a number from 0 up to 1, drawn for this request.
    pub fn decide(&mut self, request: &Request<'_>, now: Duration, chance: f64) -> Decision {
        let is_fresh = self.fetched.is_some_and(|at| now.saturating_sub(at) <= RULES_LAST);
        let rules = if is_fresh { &mut self.central } else { &mut self.local };
        match rules.iter_mut().find(|tracked| tracked.rule.matches(request)) {
            Some(tracked) => {
                Decision { sampled: tracked.decide(now, chance), rule: Some(tracked.rule.name.clone()) }
            }
            None => Decision { sampled: false, rule: None },
        }
    }

    /// What happened since the last report, by rule; rules without requests are left out.
    pub fn report(&mut self) -> Vec<Statistics> {
        let busy = self.central.iter_mut().filter(|tracked| tracked.requests > 0);
        busy.map(|tracked| Statistics {
            rule: tracked.rule.name.clone(),
            requests: std::mem::take(&mut tracked.requests),
            sampled: std::mem::take(&mut tracked.sampled),
            borrowed: std::mem::take(&mut tracked.borrowed),
        })
        .collect()
    }

    /// Takes in what the API answered to a report.
    pub fn apply(&mut self, target: &Target) {
        let Some(tracked) = self.central.iter_mut().find(|tracked| tracked.rule.name == target.rule) else {
            return;
        };
        if let Some(rate) = target.fixed_rate {
            tracked.rule.fixed_rate = rate;
        }
        let (quota, ttl) = tracked.quota.unwrap_or_default();
        if target.quota.is_some() || target.quota_ttl.is_some() {
            tracked.quota = Some((target.quota.unwrap_or(quota), target.quota_ttl.unwrap_or(ttl)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: f64 = 0.999;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rule(name: &str, reservoir_size: u32, fixed_rate: f64) -> Rule {
        Rule { name: name.to_owned(), priority: 1, reservoir_size, fixed_rate, ..Rule::default() }
    }

    /// How many of ten requests in one second are sampled.
    fn sampled(client: &mut Client, now: Duration, chance: f64) -> usize {
        (0..10).filter(|_| client.decide(&Request::default(), now, chance).sampled).count()
    }

    fn target(quota: Option<u32>, ttl: Option<u64>) -> Target {
        Target { rule: "a".to_owned(), fixed_rate: None, quota, quota_ttl: ttl.map(at) }
    }

    #[test]
    fn without_a_quota_one_a_second_is_borrowed() {
        let mut client = Client::new(vec![]);
        client.set_rules(vec![rule("a", 5, 0.0)], at(0));
        assert_eq!((sampled(&mut client, at(1), NEVER), sampled(&mut client, at(2), NEVER)), (1, 1));
        let expected = Statistics { rule: "a".to_owned(), requests: 20, sampled: 0, borrowed: 2 };
        assert_eq!((client.report(), client.report()), (vec![expected], vec![]));
        client.set_rules(vec![rule("a", 0, 0.0)], at(0));
        assert_eq!(sampled(&mut client, at(3), NEVER), 0, "nothing to borrow from");
    }

    #[test]
    fn a_quota_holds_until_its_end() {
        let mut client = Client::new(vec![]);
        client.set_rules(vec![rule("a", 5, 0.5)], at(0));
        client.apply(&target(Some(3), Some(10)));
        assert_eq!((sampled(&mut client, at(1), NEVER), sampled(&mut client, at(10), NEVER)), (3, 3));
        assert_eq!(client.report()[0].sampled, 6);
        assert_eq!(sampled(&mut client, at(11), NEVER), 1, "over: borrowed again");
        client.apply(&target(Some(0), Some(20)));
        assert_eq!(sampled(&mut client, at(12), NEVER), 0, "nothing is not the same as unknown");
        client.apply(&target(None, None));
        assert_eq!(sampled(&mut client, at(13), NEVER), 0, "as before");
        assert_eq!(sampled(&mut client, at(14), 0.4), 10, "the rate is for what is beyond");
        client.apply(&Target { fixed_rate: Some(0.1), ..target(None, None) });
        assert_eq!(sampled(&mut client, at(15), 0.4), 0);
    }

    #[test]
    fn old_rules_make_way_for_local_ones() {
        let mut client = Client::new(vec![rule("local", 2, 0.0)]);
        assert_eq!(sampled(&mut client, at(0), NEVER), 2);
        client.set_rules(vec![rule("a", 0, 1.0)], at(0));
        assert_eq!(sampled(&mut client, at(3_600), NEVER), 10);
        let decision = client.decide(&Request::default(), at(3_601), NEVER);
        assert_eq!(decision.rule.as_deref(), Some("local"));
        assert_eq!(
            Client::new(vec![]).decide(&Request::default(), at(0), 0.0),
            Decision { sampled: false, rule: None }
        );
    }

    #[test]
    fn rules_that_stay_keep_their_reservoirs() {
        let mut client = Client::new(vec![]);
        client.set_rules(vec![rule("a", 5, 0.0)], at(0));
        client.apply(&target(Some(4), Some(100)));
        let unusable = Rule { version: 2, ..rule("b", 1, 1.0) };
        client.set_rules(vec![rule("a", 9, 0.0), unusable], at(5));
        assert_eq!(sampled(&mut client, at(6), NEVER), 4);
        assert_eq!(client.report()[0].requests, 10);
    }
}
