use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use component::{Gate as _, Machine};
use data::{Budget, Refusal};
use testkit::contract;

use super::*;

const MIB: usize = 1 << 20;

/// 100 MiB, refusing at 80.
fn config() -> Config {
    Config { check_interval: Duration::from_secs(1), limit_mib: 100, ..Config::default() }
}

fn limiter(machine: Machine) -> Limiter {
    Limiter::new(Limits::of(&config(), machine.memory), Duration::from_secs(1), machine, &"under_test".into())
}

#[test]
fn keeps_the_contract() {
    contract::spec(&SPEC, false);
    contract::gate(|| limiter(Machine::default()));
}

#[test]
fn limits_are_the_collectors() {
    let limits = |limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage| {
        let given =
            Config { limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage, ..config() };
        let Limits { soft, hard } = Limits::of(&given, 1000 << 20);
        (soft >> 20, hard >> 20)
    };
    assert_eq!(limits(100, 0, 0, 0), (80, 100));
    assert_eq!(limits(100, 30, 50, 10), (70, 100), "MiB go before percent");
    assert_eq!(limits(0, 0, 50, 10), (400, 500));
    assert_eq!(limits(0, 0, 50, 0), (400, 500));
    assert_eq!(limits(100, 0, 0, 50), (80, 100), "a spike in percent belongs to a limit in percent");
}

#[test]
fn what_is_wrong_is_said_in_the_collectors_words() {
    let cases = [
        ("limit_mib: 10", "'check_interval' must be greater than zero"),
        ("check_interval: 1s", "'limit_mib' or 'limit_percentage' must be greater than zero"),
        (
            "{check_interval: 1s, limit_mib: 10, spike_limit_mib: 10}",
            "'spike_limit_mib' must be smaller than 'limit_mib'",
        ),
        (
            "{check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 60}",
            "'spike_limit_percentage' must be smaller than 'limit_percentage'",
        ),
        (
            "{check_interval: 1s, limit_percentage: 101}",
            "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
        ),
        (
            "{check_interval: 1s, limit_mib: 10, min_gc_interval_when_hard_limited: 11s}",
            "'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'",
        ),
    ];
    for (text, expected) in cases {
        let found = ::config::read_text::<Config>(text).expect_err(text).to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
    ::config::read_text::<Config>("{check_interval: 1s, limit_mib: 10}").expect("this is right");
}

#[test]
fn refuses_from_the_soft_limit_on_and_takes_again_at_once() {
    let (limiter, budget) = (limiter(Machine::default()), Budget::unlimited());
    let below = budget.force(80 * MIB - 1);
    limiter.admit(&budget, 0).expect("below the soft limit");
    let last = budget.force(1);
    let refused = limiter.admit(&budget, 0).expect_err("at the soft limit");
    assert_eq!(refused.refusal, Refusal::Retry { after: Some(Duration::from_secs(1)) });
    assert_eq!(&*refused.message, "data refused due to high memory usage");
    limiter.admit(&budget, 1).expect("what was read already does not count against itself");
    drop(last);
    limiter.admit(&budget, 0).expect("nothing has to be checked first");
    drop(below);
}

#[test]
fn resident_memory_is_the_backstop() {
    static RESIDENT: AtomicU64 = AtomicU64::new(0);
    let resident = || Some(RESIDENT.load(Ordering::Relaxed));
    let machine = Machine { memory: 1 << 30, resident };
    let (limiter, budget) = (limiter(machine), Budget::unlimited());
    for (mib, admits) in [(127, true), (128, false), (300, false), (50, true)] {
        RESIDENT.store(mib << 20, Ordering::Relaxed);
        limiter.check(&budget);
        assert_eq!(limiter.admit(&budget, 0).is_ok(), admits, "{mib} MiB");
    }
}

#[test]
fn what_the_process_itself_takes_does_not_close_it_for_ever() {
    let limits = Limits { soft: 8 << 20, hard: 10 << 20 };
    assert_eq!(limits.resident(), 56 << 20);
    let limits = Limits { soft: 400 << 20, hard: 500 << 20 };
    assert_eq!(limits.resident(), 500 << 20);
}
