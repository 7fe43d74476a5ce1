use component::{Graph, NodeId, NodeView, Phase, PipelineView, SettingsView};
use data::{Account, Signal};
use http::StatusCode;
use net::http::server::Response;
use serde_json::{Value, json};
use testkit::contract;

use super::*;

fn config(text: &str) -> Config {
    ::config::read_text(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The site of a process with one pipeline, whose exporter has trouble.
fn pages() -> Pages {
    let (cx, _ready) = testkit::run_cx(testkit::extension_node());
    cx.process.enter(Phase::Running, cx.clock.now());
    let account = Arc::new(Account::default());
    account.receive(1200);
    account.leave(1000);
    account.refuse("queue full", 100);
    let view = |node: NodeId, account: &Arc<Account>| NodeView {
        node,
        signal: Signal::Traces,
        account: Arc::clone(account),
        level: None,
        guard: None,
        notes: Arc::default(),
    };
    let exporter = view(NodeId::exporter("otlp_grpc/<b>", Signal::Traces), &account);
    exporter.notes.add(cx.clock.now(), &"UNAVAILABLE: <script>");
    let receiver = view(NodeId::shared(Kind::Receiver, "otlp"), &Arc::default());
    cx.process.show(Graph {
        pipelines: vec![PipelineView {
            name: "traces".into(),
            signal: Signal::Traces,
            receivers: vec!["otlp".into()],
            processors: Vec::new(),
            exits: vec![("otlp_grpc/<b>".into(), false)],
        }],
        nodes: vec![receiver, exporter],
        extensions: vec!["zpages".into()],
        settings: vec![SettingsView {
            kind: Kind::Extension,
            id: "zpages".into(),
            component_type: "zpages",
            settings: json!({ "endpoint": "localhost:55679" }),
        }],
    });
    let feature = Feature { id: "a.b", stage: "Alpha", description: "d", here: "honoured", enabled: true };
    Pages::new("Collimator/test".into(), [feature].into(), &cx)
}

async fn ask(path: &str) -> Response {
    let head = http::Request::get(path).body(()).unwrap().into_parts().0;
    admin::Site::answer(&pages(), &head).await
}

async fn json_of(path: &str) -> Value {
    serde_json::from_slice(ask(&format!("{path}?format=json")).await.body()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    contract::spec(&SPEC, true);
    let build = |text: &str| Zpages::build(&config(text), &testkit::build_cx()).unwrap();
    contract::extension(|endpoint| build(&format!("endpoint: \"{endpoint}\"")), "/debug/servicez").await;
}

#[test]
fn an_endpoint_is_needed() {
    let found = ::config::read_text::<Config>("endpoint: ''").expect_err("it is empty").to_string();
    assert!(found.contains("\"endpoint\" is required when using the \"zpages\" extension"), "{found}");
}

#[tokio::test]
async fn every_page_is_there_as_html_and_json() {
    for page in ["servicez", "pipelinez", "extensionz", "featurez"] {
        let path = format!("/debug/{page}");
        let response = ask(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let text = std::str::from_utf8(response.body()).unwrap();
        assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n"), "{text}");
        for tag in ["table", "tr", "div", "ul", "li", "details", "span"] {
            let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
            let opened =
                text.matches(&format!("{opened}>")).count() + text.matches(&format!("{opened} ")).count();
            assert_eq!(opened, text.matches(&closed).count(), "{path}: <{tag}>");
        }
        assert!(
            !text.contains("<script") && !text.contains("src="),
            "nothing runs and nothing is loaded: {text}"
        );
        assert!(json_of(&path).await.is_object());
    }
    assert_eq!(json_of("/debug/featurez").await["features"][0]["id"], "a.b");
    assert_eq!(ask("/debug/tracez").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(ask("/").await.headers()["location"], "/debug/servicez");
}

#[tokio::test]
async fn pipelines_show_the_ledger_and_what_went_wrong() {
    let said = json_of("/debug/pipelinez").await;
    let exporter = &said["pipelines"][0]["nodes"][1];
    assert_eq!(exporter["node"], "exporter otlp_grpc/<b> (traces)");
    assert_eq!(exporter["ledger"]["refused"], json!({ "queue full": 100 }));
    assert_eq!(exporter["last_error"]["message"], "UNAVAILABLE: <script>");
    let page = ask("/debug/pipelinez").await;
    let page = std::str::from_utf8(page.body()).unwrap();
    assert!(page.contains("otlp → otlp_grpc/&lt;b&gt;"), "{page}");
    assert!(page.contains("UNAVAILABLE: &lt;script&gt;"), "{page}");
    assert!(page.contains("1\u{202f}200"), "{page}");
}

#[tokio::test]
async fn what_is_stuck_stands_on_every_page() {
    let pages = pages();
    // The wall clock of a test does not wait: what is stuck is told from the samples, here by a node's own state.
    pages.0.cx.budget.set_limit(1000);
    let held = pages.0.cx.budget.force(950);
    for page in ["servicez", "pipelinez", "extensionz", "featurez"] {
        let head = http::Request::get(format!("/debug/{page}")).body(()).unwrap().into_parts().0;
        let answer = admin::Site::answer(&pages, &head).await;
        let text = std::str::from_utf8(answer.body()).unwrap();
        assert!(text.contains("950 B of 1000 B for telemetry are held"), "{text}");
    }
    drop(held);
    assert_eq!(pages.0.snapshot().findings, []);
}

#[tokio::test]
async fn a_browser_asks_again_only_as_often_as_is_sensible() {
    for (query, again) in [("?refresh=5", true), ("?refresh=0", false), ("?refresh=x", false), ("", false)] {
        let page = ask(&format!("/debug/servicez{query}")).await;
        let text = std::str::from_utf8(page.body()).unwrap();
        assert_eq!(text.contains("http-equiv=\"refresh\""), again, "{query}");
    }
}
