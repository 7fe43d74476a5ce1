use testkit::contract;

use super::*;

fn config(text: &str) -> Config {
    ::config::read_text(text).unwrap_or_else(|error| panic!("{error}"))
}

/// With rules of its own, so that it can be asked something without AWS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    contract::spec(&SPEC, true);
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    std::fs::write(&rules, "version: 2\ndefault: {fixed_target: 1, rate: 0.1}\n").unwrap();
    let build = |text: &str| AwsProxy::build(&config(text), &testkit::build_cx()).unwrap();
    let make = |endpoint: &str| build(&format!("{{endpoint: \"{endpoint}\", rules: '{}'}}", rules.display()));
    contract::extension(make, "/GetSamplingRules").await;
}

#[test]
fn keys_and_defaults_are_the_collector_s() {
    let config = config("{}");
    assert_eq!((config.endpoint.as_str(), config.service_name.as_str()), ("localhost:2000", "xray"));
    assert!(!config.local_mode && config.region.is_empty() && config.rules.is_empty());
}

#[tokio::test]
async fn without_a_region_it_does_not_start() {
    let stage = AwsProxy::build(&config("{local_mode: true, endpoint: 'localhost:0'}"), &testkit::build_cx());
    let Ok(Stage::Extension(run)) = stage else { panic!("not an extension") };
    let (cx, ready) = testkit::run_cx(testkit::extension_node());
    let error = run(cx).await.unwrap_err().to_string();
    assert!(error.contains("cannot fetch region"), "{error}");
    assert!(ready.await.is_err());
}
