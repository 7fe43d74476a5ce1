use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sampling::{ApiError, Call, Client, MAX_REQUEST, Operation, Request, Target};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rule(name: &str, reservoir_size: u32) -> Rule {
    Rule { name: name.to_owned(), priority: 7, reservoir_size, fixed_rate: 0.25, ..Rule::default() }
}

/// So long after the start is a time of day that says `at(0)`.
const RUNNING: Duration = Duration::from_secs(3_600);

/// Reservoirs of a process that has been running for long.
fn central(reservoir: u32) -> Central {
    Central::new(vec![Rule::default(), rule("a", reservoir)], Now { mono: Duration::ZERO, wall: at(5) })
}

/// A time of day, when nobody has set the clock.
fn clock(now: u64) -> Now {
    Now { mono: RUNNING + at(now), wall: at(now) }
}

fn ask(central: &mut Central, operation: Operation, request: &Value, now: u64) -> Result<Value, ApiError> {
    ask_at(central, operation, request, clock(now))
}

fn ask_at(central: &mut Central, operation: Operation, request: &Value, now: Now) -> Result<Value, ApiError> {
    let call = Call::read(operation, request.to_string().as_bytes())?;
    let answer = central.answer(&call, now);
    Ok(serde_json::from_slice(&answer).unwrap())
}

fn document(rule: &str, client: &str, requests: u64) -> Value {
    json!({"RuleName": rule, "ClientID": client, "Timestamp": 1, "RequestCount": requests, "SampledCount": 2,
        "BorrowCount": 1})
}

/// The quota that a client is given; none is null.
fn quota(central: &mut Central, client: &str, requests: u64, now: u64) -> Option<u64> {
    target(central, client, requests, clock(now)).0
}

/// The quota and its end.
fn target(central: &mut Central, client: &str, requests: u64, now: Now) -> (Option<u64>, Option<f64>) {
    let request = json!({"SamplingStatisticsDocuments": [document("a", client, requests)]});
    let answer = ask_at(central, Operation::Targets, &request, now).unwrap();
    let target = &answer["SamplingTargetDocuments"][0];
    (target["ReservoirQuota"].as_u64(), target["ReservoirQuotaTTL"].as_f64())
}

#[test]
fn rules_are_listed_as_the_api_lists_them() {
    for body in ["", "{}", r#"{"NextToken": null}"#, "not looked at"] {
        let call = Call::read(Operation::Rules, body.as_bytes()).unwrap();
        let answer = central(3).answer(&call, clock(9));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let records = answer["SamplingRuleRecords"].as_array().unwrap();
        let names: Vec<&Value> = records.iter().map(|record| &record["SamplingRule"]["RuleName"]).collect();
        assert_eq!(names, ["a", "Default"]);
        let first = &records[0];
        assert_eq!((first["CreatedAt"].as_f64(), first["ModifiedAt"].as_f64()), (Some(5.0), Some(5.0)));
        assert_eq!(records[1]["CreatedAt"].as_f64(), Some(0.0));
        // What the SDK for Python reads without asking whether it is there.
        for key in [
            "RuleName",
            "Priority",
            "FixedRate",
            "ReservoirSize",
            "Host",
            "ServiceName",
            "HTTPMethod",
            "URLPath",
            "ServiceType",
            "Version",
            "ResourceARN",
            "Attributes",
        ] {
            assert!(!first["SamplingRule"][key].is_null(), "{key}");
        }
        assert!(answer["NextToken"].is_null());
    }
}

#[test]
fn a_client_alone_has_the_reservoir() {
    let mut central = central(5);
    let request = json!({"SamplingStatisticsDocuments": [document("a", "one", 110)]});
    let first = ask(&mut central, Operation::Targets, &request, 100).unwrap();
    let expected = json!({"RuleName": "a", "FixedRate": 0.25, "ReservoirQuota": null, "ReservoirQuotaTTL": null,
        "Interval": null, "SamplingBoost": null});
    assert_eq!(first["SamplingTargetDocuments"], json!([expected]));
    assert_eq!(first["LastRuleModification"], json!(5.0));
    let second = ask(&mut central, Operation::Targets, &request, 110).unwrap();
    let expected = json!({"RuleName": "a", "FixedRate": 0.25, "ReservoirQuota": 5, "ReservoirQuotaTTL": 410.0,
        "Interval": 10, "SamplingBoost": null});
    assert_eq!(second["SamplingTargetDocuments"], json!([expected]));
    assert_eq!(second["UnprocessedStatistics"], json!([]));
}

#[test]
fn clients_share_by_demand_once_there_is_room() {
    let mut central = central(10);
    assert_eq!(
        (quota(&mut central, "one", 1_000, 0), quota(&mut central, "one", 1_000, 10)),
        (None, Some(10))
    );
    assert_eq!(quota(&mut central, "two", 1_000, 11), None, "it is heard of first");
    assert_eq!(quota(&mut central, "two", 1_000, 15), Some(0), "the other still has everything");
    assert_eq!(quota(&mut central, "one", 1_000, 20), Some(5));
    assert_eq!(quota(&mut central, "two", 1_000, 21), Some(5));
    assert_eq!(quota(&mut central, "one", 15, 30), Some(2), "two a second are what it asks for");
    assert_eq!(quota(&mut central, "two", 1_000, 31), Some(8));
}

#[test]
fn what_a_silent_client_has_is_kept_for_it_until_its_end() {
    let mut central = central(10);
    quota(&mut central, "one", 1_000, 0);
    quota(&mut central, "one", 1_000, 10);
    quota(&mut central, "two", 1_000, 20);
    for now in [30, 200, 310] {
        assert_eq!(quota(&mut central, "two", 1_000, now), Some(0), "{now}");
    }
    assert_eq!(quota(&mut central, "two", 1_000, 311), Some(10));
}

#[test]
fn more_clients_than_may_be_go_on_borrowing() {
    let mut central = central(1_000);
    for client in 0..MAX_CLIENTS {
        quota(&mut central, &format!("{client:024}"), 20, 0);
    }
    for now in [10, 20] {
        assert_eq!(quota(&mut central, "one too many", 20, now), None, "{now}");
    }
    assert!(quota(&mut central, &format!("{:024}", 0), 20, 30).is_some());
    let later = 30 + QUOTA_TTL.as_secs();
    assert_eq!(quota(&mut central, "one too many", 20, later), None, "heard of first");
    assert!(quota(&mut central, "one too many", 20, later + 10).is_some(), "the others are gone");
}

#[test]
fn there_are_so_many_clients_over_all_rules() {
    let names: Vec<String> = (0..20).map(|number| format!("rule {number}")).collect();
    let rules = names.iter().map(|name| rule(name, 5)).collect();
    let mut central = Central::new(rules, Now::default());
    let report = |central: &mut Central, rule: &str, client: usize, now: u64| {
        central.report(rule, &client.to_string(), [1, 0, 0], clock(now)).unwrap().1
    };
    for client in 0..MAX_LEASES {
        assert_eq!(report(&mut central, &names[client % names.len()], client, 0), None);
    }
    assert!(report(&mut central, &names[0], 0, 10).is_some());
    for now in [10, 20] {
        assert_eq!(report(&mut central, &names[0], MAX_LEASES, now), None);
    }
    assert_eq!(central.leases, MAX_LEASES);
    let later = 5 + QUOTA_TTL.as_secs();
    for now in [later, later + 10] {
        assert_eq!(report(&mut central, &names[1], MAX_LEASES, now).is_some(), now > later);
    }
    assert_eq!(central.leases, 2, "those of other rules are gone, too");
    central.replace(vec![rule(&names[0], 5)], at(0));
    assert_eq!(central.leases, 1);
}

#[test]
fn a_clock_that_is_set_moves_no_quota() {
    let mut central = central(10);
    quota(&mut central, "one", 1_000, 0);
    assert_eq!(quota(&mut central, "one", 1_000, 10), Some(10));
    // An hour ahead, and back.
    let set = |mono: u64, wall: u64| Now { mono: RUNNING + at(mono), wall: at(wall) };
    assert_eq!(target(&mut central, "two", 1_000, set(20, 3_620)), (None, None));
    assert_eq!(
        target(&mut central, "two", 1_000, set(30, 3_630)),
        (Some(0), Some(3_930.0)),
        "one has it all"
    );
    assert_eq!(target(&mut central, "two", 1_000, set(40, 40)), (Some(0), Some(340.0)));
    assert_eq!(target(&mut central, "two", 1_000, set(309, 309)).0, Some(0));
    assert_eq!(target(&mut central, "two", 1_000, set(311, 0)).0, Some(10), "one is silent for 300 s");
}

#[test]
fn after_a_start_nobody_has_what_it_had_before() {
    let mut central = Central::new(vec![rule("a", 10)], clock(0));
    assert_eq!(target(&mut central, "one", 100, clock(3)), (Some(0), Some(13.0)), "whatever it had");
    assert_eq!(
        target(&mut central, "one", 100, clock(9)),
        (Some(0), Some(19.0)),
        "others may not have reported"
    );
    assert_eq!(target(&mut central, "one", 100, clock(13)), (Some(10), Some(313.0)));
    assert_eq!(
        target(&mut central, "two", 100, clock(299)),
        (Some(0), Some(309.0)),
        "as long as it may have"
    );
    assert_eq!(target(&mut central, "three", 100, clock(300)), (None, None), "and then it borrows");
}

/// Clients as SDKs are, over a restart of what divides the reservoir: one has it all, and then all want it.
#[test]
fn a_fleet_never_takes_more_than_there_is() {
    const FLEET: usize = 7;
    const RESERVOIR: u32 = 20;
    const RESTART: u64 = 120;
    let start = |now: u64| Central::new(vec![rule("a", RESERVOIR)], clock(now));
    let mut central = start(0);
    let mut clients = vec![Client::new(Vec::new()); FLEET];
    let mut taken = Vec::new();
    for now in 0..2 * RESTART {
        if now == RESTART {
            central = start(now);
        }
        let mut sampled = 0;
        for (number, client) in clients.iter_mut().enumerate() {
            client.set_rules(vec![rule("a", RESERVOIR)], at(now));
            let is_busy = now >= RESTART || number == FLEET - 1;
            let requests = if is_busy { 100 } else { 0 };
            let is_sampled = |_: &i32| client.decide(&Request::default(), at(now), 0.9).sampled;
            sampled += (0..requests).filter(is_sampled).count();
            if now % 10 != number as u64 {
                continue;
            }
            for statistics in client.report() {
                let id = format!("client {number}");
                let (quota, ends) = target(&mut central, &id, statistics.requests, clock(now));
                let quota = quota.map(|quota| u32::try_from(quota).unwrap());
                let quota_ttl = ends.map(Duration::from_secs_f64);
                client.apply(&Target { rule: "a".to_owned(), fixed_rate: None, quota, quota_ttl });
            }
        }
        taken.push(sampled);
    }
    // Whoever has not been told anything yet borrows one.
    assert!(taken.iter().all(|sampled| *sampled < RESERVOIR as usize + FLEET), "{taken:?}");
    assert_eq!(taken[110], RESERVOIR as usize, "{taken:?}");
    assert!(taken[170..].iter().all(|sampled| *sampled >= RESERVOIR as usize - 2), "{taken:?}");
}

#[test]
fn what_can_t_be_divided_goes_round() {
    let mut central = central(1);
    let mut had = BTreeMap::new();
    for now in (0..600).step_by(10) {
        for client in ["one", "two", "three"] {
            if quota(&mut central, client, 50, now) == Some(1) {
                *had.entry(client).or_insert(0) += 1;
            }
        }
    }
    assert!(had.len() == 3 && had.values().all(|turns| *turns >= 12), "{had:?}");
}

#[test]
fn what_is_wrong_is_told() {
    let mut central = central(5);
    let request =
        json!({"SamplingStatisticsDocuments": [document("gone", "one", 1), document("a", "one", 1)]});
    let answer = ask(&mut central, Operation::Targets, &request, 0).unwrap();
    let expected = json!([{"RuleName": "gone", "ErrorCode": "400", "Message": "Unknown rule"}]);
    assert_eq!(answer["UnprocessedStatistics"], expected);
    assert_eq!(answer["SamplingTargetDocuments"].as_array().map(Vec::len), Some(1));

    let many: Vec<Value> = (0..26).map(|_| document("a", "one", 1)).collect();
    let wrong = [
        json!({"SamplingStatisticsDocuments": many}),
        json!({"SamplingBoostStatisticsDocuments": many}),
        json!({"SamplingStatisticsDocuments": {}}),
        json!([]),
    ];
    for request in wrong {
        let error = ask(&mut central, Operation::Targets, &request, 0).unwrap_err();
        assert_eq!(error.code, "InvalidRequestException", "{request}");
    }
    let error = Call::read(Operation::Targets, b"{").unwrap_err();
    assert_eq!(error.code, "SerializationException");
    for operation in [Operation::Rules, Operation::Targets, Operation::Summaries] {
        assert!(Call::read(operation, &[b' '; MAX_REQUEST]).is_ok());
        let error = Call::read(operation, &[b' '; MAX_REQUEST + 1]).unwrap_err();
        assert_eq!(error.code, "InvalidRequestException", "{operation:?}");
    }
    let lenient = json!({"SamplingStatisticsDocuments": [{"RuleName": "a", "ClientID": "one", "RequestCount": 5.0,
        "SampledCount": null}], "SamplingBoostStatisticsDocuments": null});
    assert!(ask(&mut central, Operation::Targets, &lenient, 0).is_ok());
}

#[test]
fn one_unusable_entry_does_not_spoil_the_others() {
    let mut central = central(5);
    let entry =
        |client: Value, count: Value| json!({"RuleName": "a", "ClientID": client, "RequestCount": count});
    let check = |central: &mut Central, entry: Value, rule: Value, message: &str| {
        let request = json!({"SamplingStatisticsDocuments": [entry, document("Default", "one", 1)]});
        let answer = ask(central, Operation::Targets, &request, 0).unwrap();
        let expected = json!([{"RuleName": rule, "ErrorCode": "400", "Message": message}]);
        assert_eq!(answer["UnprocessedStatistics"], expected);
        assert_eq!(answer["SamplingTargetDocuments"][0]["RuleName"], "Default");
    };
    let no_client = "ClientID is missing or too long";
    check(&mut central, json!({"RuleName": "a"}), json!("a"), no_client);
    check(&mut central, entry(json!("x".repeat(65)), json!(1)), json!("a"), no_client);
    check(&mut central, entry(json!("one"), json!(-1)), json!("a"), "RequestCount is no count");
    check(&mut central, json!(5), Value::Null, "RuleName is missing or too long");
}

#[test]
fn names_are_measured_in_characters() {
    let name = "\u{6f22}".repeat(32);
    let mut central = Central::new(vec![Rule::default(), rule(&name, 5)], Now::default());
    let request = json!({"SamplingStatisticsDocuments": [document(&name, "one", 1)]});
    let answer = ask(&mut central, Operation::Targets, &request, 0).unwrap();
    assert_eq!(answer["SamplingTargetDocuments"][0]["RuleName"].as_str(), Some(name.as_str()));
}

#[test]
fn the_time_of_a_change_is_never_to_come_and_never_goes_back() {
    let mut central = central(5);
    let told = |central: &mut Central, now: u64| {
        let answer = ask(central, Operation::Targets, &json!({}), now).unwrap();
        answer["LastRuleModification"].as_f64()
    };
    assert_eq!(told(&mut central, 3), Some(3.0), "the clock went back");
    central.replace(vec![rule("b", 1)], at(2));
    assert_eq!(told(&mut central, 9), Some(5.0));
    central.replace(vec![rule("c", 1)], at(8));
    assert_eq!(told(&mut central, 9), Some(8.0));
}

#[test]
fn the_last_window_is_summed_over_clients() {
    let mut central = central(5);
    for (client, now) in [("one", 100), ("two", 109)] {
        quota(&mut central, client, 7, now);
    }
    let open = ask(&mut central, Operation::Summaries, &json!({}), 109).unwrap();
    assert_eq!(open["SamplingStatisticSummaries"], json!([]));
    let closed = ask(&mut central, Operation::Summaries, &json!({}), 110).unwrap();
    let expected =
        json!([{"RuleName": "a", "Timestamp": 100, "RequestCount": 14, "SampledCount": 4, "BorrowCount": 2}]);
    assert_eq!(closed["SamplingStatisticSummaries"], expected);
    let later = ask(&mut central, Operation::Summaries, &json!({}), 130).unwrap();
    assert_eq!(later["SamplingStatisticSummaries"], json!([]));
}

#[test]
fn other_rules_keep_the_clients_of_those_that_stay() {
    let mut central = central(10);
    quota(&mut central, "one", 1_000, 0);
    assert_eq!(quota(&mut central, "one", 1_000, 10), Some(10));
    central.replace(vec![rule("a", 4), rule("b", 1)], at(12));
    assert_eq!(central.changed(), at(12));
    quota(&mut central, "two", 1_000, 13);
    assert_eq!(quota(&mut central, "two", 1_000, 14), Some(0));
    assert_eq!(
        (quota(&mut central, "one", 1_000, 20), quota(&mut central, "two", 1_000, 21)),
        (Some(2), Some(2))
    );
}

proptest! {
    /// Whoever reports when, and whoever falls silent: what is out is never more than there is.
    #[test]
    fn quotas_never_add_up_to_more_than_the_reservoir(
        reservoir in 0..50_u32,
        reports in prop::collection::vec((0..12_usize, 0..2_000_u64, 0..40_u64), 1..200),
    ) {
        let mut central = central(reservoir);
        let mut out: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        let mut now = 1_000;
        for (client, requests, later) in reports {
            now += later;
            if let Some(size) = quota(&mut central, &format!("client {client}"), requests, now) {
                out.insert(client, (size, now + QUOTA_TTL.as_secs()));
            }
            let sum: u64 = out.values().filter(|(_, ends)| *ends >= now).map(|(size, _)| size).sum();
            prop_assert!(sum <= u64::from(reservoir), "{sum} of {reservoir} at {now}: {out:?}");
        }
    }

    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut central = central(5);
        for operation in [Operation::Rules, Operation::Targets, Operation::Summaries] {
            if let Ok(call) = Call::read(operation, &body) {
                central.answer(&call, clock(1));
            }
        }
    }
}
