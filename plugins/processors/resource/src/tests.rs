use component::Carries;
use data::{Signal, Signals};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use testkit::Harness;
use testkit::generate::{attribute, batch, traces};

use super::*;

fn resources(text: &str) -> Resources {
    let config: Config = config::read_text(text).unwrap_or_else(|error| panic!("{error}"));
    Resources::new(Actions::new(&config.attributes).expect("fine actions"))
}

/// The Collector's published example, in our words.
const PUBLISHED: &str = "
attributes:
- key: cloud.availability_zone
  value: zone-1
  action: upsert
- key: k8s.cluster.name
  from_attribute: k8s-cluster
  action: insert
- {key: redundant-attribute, action: delete}
";

#[test]
fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, false);
    testkit::contract::processor(|| resources(PUBLISHED), Carries::Same(Signals::OTLP));
    let idle = "attributes: [{key: nobody has this, action: delete}]";
    testkit::contract::processor(|| resources(idle), Carries::Same(Signals::OTLP));
}

#[test]
fn changes_resources_and_nothing_else() {
    let text = "
attributes:
- {key: deployment.environment, value: '', default_value: development, action: upsert}
- {key: service.namespace, from_attribute: service.name, default_value: default, action: insert}
- {key: cloud.region, from_context: metadata.region, default_value: us-east-1, action: upsert}
- {key: k8s.cluster.name, from_attribute: k8s-cluster, action: insert}
- {key: service.name, action: hash}
";
    let mut stage = Harness::new(resources(text));
    let mut expected = traces(1..4);
    // SHA-256 of "shop", by another program.
    let hash = "8d9001d32c6a703d95921a77115050f33dd823d3f1730bd35215dcbecad6dc20";
    expected.resource_spans[0].resource.as_mut().expect("it has one").attributes = vec![
        attribute("service.name", hash),
        attribute("deployment.environment", ""),
        attribute("service.namespace", "shop"),
        attribute("cloud.region", "us-east-1"),
    ];
    let sent = stage.send(batch(Signal::Traces, 1, 3));
    let bytes: Vec<u8> = sent.iter().flat_map(Batch::chunks).flatten().copied().collect();
    assert_eq!(ExportTraceServiceRequest::decode(&bytes[..]).expect("a request"), expected);
    sent.into_iter().for_each(Batch::delivered);
}

#[test]
fn what_no_action_finds_keeps_its_bytes() {
    let mut stage = Harness::new(resources("attributes: [{key: nobody has this, action: delete}]"));
    let batch = batch(Signal::Metrics, 1, 3);
    let before: Vec<_> = batch.chunks().map(|bytes| bytes.as_ptr()).collect();
    let sent = stage.send(batch);
    assert_eq!(sent[0].chunks().map(|bytes| bytes.as_ptr()).collect::<Vec<_>>(), before);
    sent.into_iter().for_each(Batch::delivered);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let check = |text: &str, place: &str, message: &str| {
        let found = config::read_text::<Config>(text).expect_err("it is wrong").to_string();
        assert!(found.contains(message) && found.contains(place), "{found}");
    };
    check("", "", "missing required field \"attributes\"");
    check("attributes: []", "text:1:", "missing required field \"attributes\"");
    check("attributes:\n- {key: a, action: upsert}", "text:2:3", "must be specified");
    check("actions: []", "text:1:1", "unknown key `actions`");
    check("include: {}\nattributes: [{key: a, action: delete}]", "text:1:1", "unknown key `include`");
}
