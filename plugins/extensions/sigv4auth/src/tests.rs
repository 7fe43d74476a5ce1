use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use net::http::client::Outgoing;
use testkit::contract;

use super::*;

fn config(text: &str) -> Config {
    ::config::read_text(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn keeps_the_contract_of_a_type() {
    contract::spec(&SPEC, true);
}

#[tokio::test]
async fn it_signs_for_whoever_asks() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let environment = Environment::new(keys.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let build_cx = BuildCx { environment, ..testkit::build_cx() };
    let Ok(Stage::Extension(run)) = Sigv4Auth::build(&config("service: xray"), &build_cx) else {
        panic!("not an extension")
    };
    let (cx, ready) = testkit::run_cx(testkit::extension_node());
    let (process, draining) = (cx.process.clone(), cx.draining.clone());
    let running = tokio::spawn(run(cx));
    ready.await.unwrap();
    let signer: Authorizer = process.capabilities().find("under_test").unwrap();
    let (mut headers, body) = (HeaderMap::new(), [Bytes::from_static(b"{}")]);
    let url: Uri = "https://xray.eu-west-1.amazonaws.com/v1/traces".parse().unwrap();
    let outgoing = Outgoing { method: &Method::POST, url: &url, headers: &mut headers, body: &body };
    signer.authorize(outgoing).await.unwrap();
    let authorization = headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("Credential=AKID/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/xray/aws4_request"), "{authorization}");
    draining.cancel();
    running.await.unwrap().unwrap();
}

#[test]
fn the_role_s_settings_arrive() {
    let text = "{region: eu-west-1, assume_role: {arn: 'arn:aws:iam::1:role/r', session_name: s, sts_region: us-east-2, \
                external_id: e, web_identity_token_file: /token}}";
    let session = config(text).session(&Environment::default());
    let role = session.role.unwrap();
    assert_eq!((session.region.as_str(), role.sts_region.as_str()), ("eu-west-1", "us-east-2"));
    assert_eq!((role.session_name.as_str(), role.external_id.as_str()), ("s", "e"));
    assert_eq!(role.web_identity_token_file, Some(PathBuf::from("/token")));
    let none = config("{}").session(&Environment::default());
    assert_eq!((none.region.as_str(), none.role), ("us-east-1", None));
    let variable = Environment::new([("AWS_DEFAULT_REGION".to_owned(), "eu-north-1".to_owned())]);
    assert_eq!(config("{}").session(&variable).region, "eu-north-1");
}

#[test]
fn what_is_wrong_is_said() {
    for (text, expected) in [
        ("region: 'a b'", "invalid region"),
        ("assume_role: {sts_region: A}", "invalid region"),
        ("assume_role: {web_identity_token_file: /t}", "must specify ARN"),
        ("asume_role: {}", "assume_role"),
    ] {
        let found = ::config::read_text::<Config>(text).expect_err(text).to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
}
