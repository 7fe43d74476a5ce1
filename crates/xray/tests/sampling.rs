//! Sampling requests and rule files as nobody should send them: the body of the fuzz target `sampling` over requests,
//! files and mutations of them.

use collimator_xray::sampling::fuzz_sampling;
use proptest::prelude::*;

const SEEDS: [&str; 6] = [
    r#"{"SamplingStatisticsDocuments":[{"RuleName":"a","ClientID":"0123456789abcdef01234567","Timestamp":1700000010,
        "RequestCount":110,"SampledCount":10,"BorrowCount":10},{"RuleName":"gone","ClientID":"c","RequestCount":1e3}]}"#,
    r#"{"NextToken":null,"SamplingBoostStatisticsDocuments":[]}"#,
    r#"{"version":2,"rules":[{"description":"d","host":"*","http_method":"*","url_path":"/a/*","fixed_target":0,
        "rate":0.05}],"default":{"fixed_target":1,"rate":0.1}}"#,
    r#"{"SamplingRuleRecords":[{"CreatedAt":0.0,"SamplingRule":{"RuleName":"cart","Priority":100,"FixedRate":0.1,
        "ReservoirSize":5,"URLPath":"/cart/*","Attributes":{"a":"b"}}}]}"#,
    "SamplingRules:\n- {RuleName: x, Priority: 1, FixedRate: 0, ReservoirSize: 4294967295}\n",
    "a*b?*c**\naXbYc",
];

#[test]
fn seeds_and_their_mutations_hold() {
    for seed in SEEDS {
        let seed = seed.as_bytes();
        fuzz_sampling(seed);
        for end in 0..seed.len() {
            fuzz_sampling(&seed[..end]);
        }
        for at in 0..seed.len() {
            for byte in [b'"', b'{', b'[', b'0', b'-', b'*', b'\n', 0xff] {
                let mut changed = seed.to_vec();
                changed[at] = byte;
                fuzz_sampling(&changed);
            }
        }
    }
}

proptest! {
    #[test]
    fn patterns_say_the_same_from_both_ends(text in "[ab*?\n]{0,40}") {
        fuzz_sampling(text.as_bytes());
    }
}
