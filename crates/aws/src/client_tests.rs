use std::sync::atomic::{AtomicU64, Ordering};

use aws_credential_types::provider::{ProvideCredentials, future};

use super::*;
use crate::endpoint::Endpoint;
use crate::testing::{upstream, upstream_http2};

/// Gives another key with each call, up to the key `last`.
#[derive(Debug)]
struct Keys {
    calls: AtomicU64,
    last: u64,
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let call = (self.calls.fetch_add(1, Ordering::Relaxed) + 1).min(self.last);
        let keys = aws_credential_types::Credentials::new(format!("key{call}"), "secret", None, None, "test");
        future::ProvideCredentials::ready(Ok(keys))
    }
}

fn client(url: &str, last_key: u64, settings: &Settings) -> Client {
    let credentials = Credentials::new(Keys { calls: AtomicU64::new(0), last: last_key });
    let session = Session::fixed("xray", "eu-west-1", Endpoint::parse(url).unwrap(), credentials);
    Client::new(session, settings, &Environment::default()).unwrap()
}

async fn post(client: &Client) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-xray-timestamp", HeaderValue::from_static("1.000000000"));
    let body = Body::new(Bytes::from_static(b"{\"a\":1}"));
    client.post("/TraceSegments", headers, &body, SystemTime::UNIX_EPOCH).await.unwrap()
}

#[tokio::test]
async fn a_request_is_signed_and_sent_as_it_is() {
    let (upstream, url) = upstream(|_| (StatusCode::OK, "", Bytes::from_static(b"{}")));
    let settings = Settings { user_agent: "a/1 b/2".to_owned(), ..Settings::default() };
    let answer = post(&client(&format!("{url}/base"), 1, &settings)).await;
    assert_eq!((answer.status, answer.error), (StatusCode::OK, None));
    let asked = upstream.asked.lock().unwrap();
    let asked = &asked[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/base/TraceSegments"));
    assert_eq!(&asked.body[..], b"{\"a\":1}");
    assert_eq!((asked.header("content-type"), asked.header("user-agent")), ("application/json", "a/1 b/2"));
    let authorization = asked.header("authorization");
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amzn-xray-timestamp";
    assert!(authorization.contains(signed), "{authorization}");
    assert!(
        authorization.contains("Credential=key1/19700101/eu-west-1/xray/aws4_request"),
        "{authorization}"
    );
}

#[tokio::test]
async fn refused_credentials_are_exchanged_once() {
    let refuse_first = |asked: &crate::testing::Asked| match asked.key() {
        "key1" => (StatusCode::FORBIDDEN, "ExpiredTokenException", Bytes::new()),
        _ => (StatusCode::OK, "", Bytes::new()),
    };
    let (server, url) = upstream(refuse_first);
    let fresh = client(&url, 2, &Settings::default());
    assert_eq!(post(&fresh).await.status, StatusCode::OK);
    assert_eq!(server.asked.lock().unwrap().len(), 2);
    let (server, url) = upstream(refuse_first);
    let stale = client(&url, 1, &Settings::default());
    let answer = post(&stale).await;
    let code = answer.error.map(|error| error.code);
    assert_eq!((answer.status, code.as_deref()), (StatusCode::FORBIDDEN, Some("ExpiredTokenException")));
    assert_eq!(server.asked.lock().unwrap().len(), 1, "the same credentials would be refused again");
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_first_answer() {
    // `post` signs at the beginning of 1970.
    let (server, url) = upstream(|asked| match asked.header("x-amz-date").starts_with("1970") {
        true => (StatusCode::FORBIDDEN, "InvalidSignatureException", Bytes::new()),
        false => (StatusCode::OK, "", Bytes::new()),
    });
    let client = client(&url, 1, &Settings::default());
    assert_eq!(post(&client).await.status, StatusCode::OK);
    assert_eq!(post(&client.clone()).await.status, StatusCode::OK);
    let asked = server.asked.lock().unwrap();
    let is_late = |asked: &crate::testing::Asked| asked.header("x-amz-date").starts_with("1970");
    let late: Vec<bool> = asked.iter().map(is_late).collect();
    assert_eq!(late, [true, false, false], "the first is sent again at once, the next ones are right");
    let days = |asked: &crate::testing::Asked| {
        let (_, rest) = asked.header("authorization").split_once("Credential=key1/").unwrap();
        rest[..8].to_owned()
    };
    assert!(asked.iter().all(|asked| asked.header("x-amz-date").starts_with(&days(asked))));
}

#[tokio::test]
async fn a_signature_that_never_fits_is_sent_twice_at_most() {
    let (server, url) = upstream(|_| (StatusCode::FORBIDDEN, "SignatureDoesNotMatch", Bytes::new()));
    let client = client(&url, 1, &Settings::default());
    for calls in [2, 3] {
        assert_eq!(post(&client).await.status, StatusCode::FORBIDDEN);
        assert_eq!(server.asked.lock().unwrap().len(), calls, "the clock is no reason any more");
    }
}

#[tokio::test]
async fn a_connection_that_died_without_a_word_is_left() {
    let (server, relay) = upstream_http2(|_| (StatusCode::OK, "", Bytes::new()));
    let settings = Settings { no_verify_ssl: true, ..Settings::default() };
    let client = client(&relay.url, 1, &settings);
    assert_eq!(post(&client).await.status, StatusCode::OK);
    relay.mute();
    let body = Body::new(Bytes::new());
    let lost = client.post("/x", HeaderMap::new(), &body, SystemTime::UNIX_EPOCH).await;
    // That is what the ping finds; whoever waits for the answer is told of a timeout.
    assert!(matches!(lost, Err(ClientError::Send(SendError::Transport(_)))), "{lost:?}");
    assert_eq!(post(&client).await.status, StatusCode::OK);
    assert_eq!(server.asked.lock().unwrap().len(), 2);
}

#[test]
fn errors_are_read_as_aws_writes_them() {
    let check = |header: Option<&'static str>, body: &str, code: &str, message: &str| {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(header));
        }
        let expected = ApiError { code: code.to_owned(), message: message.to_owned() };
        assert_eq!(ApiError::read(&headers, body.as_bytes()), expected, "{header:?} {body}");
    };
    let both = r#"{"__type":"Other","message":"slow down"}"#;
    check(Some("ThrottledException:http://internal.amazon.com/"), both, "ThrottledException", "slow down");
    check(None, r#"{"__type":"com.amazon#Invalid","Message":"no"}"#, "Invalid", "no");
    check(None, r#"{"code":"E:x"}"#, "E", "");
    check(None, r#"{"__type":5,"message":null}"#, "", "");
    check(None, "<html>", "", "");
    check(None, "[1]", "", "");
}

#[test]
fn of_long_errors_a_kilobyte_is_kept() {
    let long = |letters: usize| "x".repeat(letters);
    let read = |code: &str, message: &str| {
        ApiError::read(&HeaderMap::new(), format!(r#"{{"code":"{code}","message":"{message}"}}"#).as_bytes())
    };
    let whole = read(&long(1024), &long(1024));
    assert_eq!((whole.code, whole.message), (long(1024), long(1024)));
    // The last letter takes two bytes, of which one would fit.
    let cut = read(&long(4_000_000), &format!("{}é{}", long(1023), long(4_000_000)));
    assert_eq!((cut.code, cut.message), (long(1024), long(1023)));
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-errortype", HeaderValue::from_str(&format!("{}:http://a", long(5000))).unwrap());
    assert_eq!(ApiError::read(&headers, b"").code, long(1024));
}

#[tokio::test]
async fn what_stands_in_the_way_has_a_name() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let now = SystemTime::UNIX_EPOCH;
    let sent = |url: String| async move {
        client(&url, 1, &Settings::default())
            .post("/x", HeaderMap::new(), &Body::new(Bytes::new()), now)
            .await
            .unwrap_err()
    };
    let refused = sent(nobody).await;
    assert!(matches!(refused, ClientError::Send(SendError::Refused(_))), "{refused:?}");
    let unknown = sent("http://there-is-no-such-host.invalid".to_owned()).await;
    assert!(matches!(unknown, ClientError::Send(SendError::UnknownHost(_))), "{unknown:?}");
}

#[test]
fn the_platform_is_named_as_aws_counts_it() {
    let variable = |value: &str| Environment::new([("AWS_EXECUTION_ENV".to_owned(), value.to_owned())]);
    assert!(platform(&Environment::default()).starts_with("exec-env/UNKNOWN OS/"));
    assert!(platform(&variable("AWS_ECS_FARGATE")).starts_with("exec-env/AWS_ECS_FARGATE OS/"));
    assert!(platform(&variable("a\r\nb: c")).starts_with("exec-env/ab:c OS/"));
}
