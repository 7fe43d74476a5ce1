use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::Credentials;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request of the tests: who, what, and which signature is expected.
#[derive(Clone)]
struct Case {
    method: Method,
    url: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    token: Option<&'static str>,
    signed: &'static str,
    signature: &'static str,
}

async fn check(case: &Case, region: &str, service: &str, time: u64) {
    let credentials = Credentials::fixed("AKIDEXAMPLE", SECRET, case.token);
    let held = credentials.get(UNIX_EPOCH).await.unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in case.headers {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let scope = Scope { region, service, time: UNIX_EPOCH + Duration::from_secs(time) };
    let hash = body_hash(&[Bytes::from_static(case.body.as_bytes())]);
    let url = case.url.parse().unwrap();
    let mut by_library = headers.clone();
    MADE.iter().for_each(|name| drop(by_library.remove(*name)));
    sign_any(&case.method, &url, &mut by_library, hash.clone(), &held, scope).unwrap();
    let keys = Keys::default();
    sign(&case.method, &url, &mut headers, hash, &held, scope, &keys).unwrap();
    assert_eq!(headers, by_library, "{}", case.url);
    let authorization = headers[AUTHORIZATION].to_str().unwrap();
    let (_, rest) = authorization.split_once("SignedHeaders=").unwrap();
    let (signed, signature) = rest.split_once(", Signature=").unwrap();
    assert_eq!((signed, signature), (case.signed, case.signature), "{}", case.url);
    assert!(headers[AUTHORIZATION].is_sensitive());
    let token = headers.get("x-amz-security-token").map(|value| value.to_str().unwrap());
    assert_eq!(token, case.token);
}

/// From the suite of test vectors that AWS publishes.
#[tokio::test]
async fn published_vectors() {
    let get = |url, signature| Case {
        method: Method::GET,
        url,
        headers: &[],
        body: "",
        token: None,
        signed: "host;x-amz-date",
        signature,
    };
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let post = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    let cases = [
        get("https://example.amazonaws.com/", vanilla),
        get("https://example.amazonaws.com:443/", vanilla),
        Case { method: Method::POST, ..get("https://example.amazonaws.com/", post) },
    ];
    for case in cases {
        check(&case, "us-east-1", "service", 1_440_938_160).await;
    }
}

/// Recomputed with botocore 1.43, at 12:00 of 21 November 2026 for service `xray` in `eu-west-1`.
#[tokio::test]
async fn what_botocore_signs() {
    let documents = r#"{"TraceSegmentDocuments":["{}"]}"#;
    let post = Case {
        method: Method::POST,
        url: "https://xray.eu-west-1.amazonaws.com/TraceSegments",
        headers: &[("content-type", "application/json")],
        body: documents,
        token: None,
        signed: "content-type;host;x-amz-date",
        signature: "",
    };
    let cases = [
        Case {
            headers: &[
                ("content-type", "application/json"),
                ("x-amzn-xray-timestamp", "1795262400.000000000"),
                // What a caller had signed is replaced, what others change on the way is left out.
                ("authorization", "AWS4-HMAC-SHA256 of somebody else"),
                ("x-amz-date", "20000101T000000Z"),
                ("x-amzn-trace-id", "Root=1"),
                ("user-agent", "test"),
                ("content-encoding", "gzip"),
            ],
            signed: "content-type;host;x-amz-date;x-amzn-xray-timestamp",
            signature: "a07659433fd671ef6db05755bf52cbf3efe5a4830138686c1e99c43a72ee320d",
            ..post.clone()
        },
        Case {
            token: Some("a-session-token"),
            signed: "content-type;host;x-amz-date;x-amz-security-token",
            signature: "badfe0e1c3070826edfc6cad9a25e3ee10690b38f2c155f3215e5fbc24916df1",
            ..post.clone()
        },
        Case {
            url: "http://localhost:8080/GetSamplingRules",
            body: "{}",
            signature: "ad3c4e645ffbe54b995ccca66d461cb1abe9a1f4f4ec39002fb0a7e467a8e66c",
            ..post.clone()
        },
        Case {
            url: "https://xray.eu-west-1.amazonaws.com/a%20b/c?z=1&a=x%20y",
            body: "",
            signature: "a9a06d378ca3a2f9c158dd886fb9453f7574752c8ee3ab0c2477b06c8fd3a9ea",
            ..post.clone()
        },
    ];
    for case in cases {
        check(&case, "eu-west-1", "xray", 1_795_262_400).await;
    }
}

#[test]
fn bodies_are_hashed_part_by_part() {
    assert_eq!(body_hash(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let parts = [Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")];
    assert_eq!(body_hash(&parts), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[tokio::test]
async fn what_can_t_be_signed_is_said() {
    let held = Credentials::fixed("id", "secret", None).get(UNIX_EPOCH).await.unwrap();
    let scope = Scope { region: "r", service: "s", time: UNIX_EPOCH };
    let keys = Keys::default();
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-x", HeaderValue::from_bytes(b"\xff").unwrap());
    let url = Uri::from_static("http://h/");
    let error = sign(&Method::GET, &url, &mut headers, String::new(), &held, scope, &keys).unwrap_err();
    assert_eq!(error.to_string(), "header x-amzn-x is not text");
    let error =
        sign(&Method::GET, &Uri::from_static("/"), &mut HeaderMap::new(), String::new(), &held, scope, &keys);
    assert!(error.unwrap_err().to_string().contains("no host"));
}

/// Whether a request is signed without the library; if so, as the library does.
async fn is_quick(
    keys: &Keys,
    url: &str,
    headers: &[(&'static str, &str)],
    who: &Credentials,
    time: u64,
) -> bool {
    let held = who.get(UNIX_EPOCH).await.unwrap();
    let url: Uri = url.parse().unwrap();
    let scope =
        Scope { region: "eu-west-1", service: "xray", time: UNIX_EPOCH + Duration::from_millis(time) };
    let mut quick = HeaderMap::new();
    for (name, value) in headers {
        quick.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let mut by_library = quick.clone();
    let hash = body_hash(&[Bytes::from_static(b"body")]);
    sign_any(&Method::POST, &url, &mut by_library, hash.clone(), &held, scope).unwrap();
    let before = quick.clone();
    if keys.sign(&Method::POST, &url, &mut quick, &hash, &held, scope) {
        assert_eq!(quick, by_library, "{url} {headers:?} {time}");
        assert!(quick[AUTHORIZATION].is_sensitive());
        return true;
    }
    assert_eq!(quick, before, "nothing is done by halves");
    false
}

#[tokio::test]
async fn simple_requests_are_signed_as_by_the_library() {
    let alone = Credentials::fixed("AKIDEXAMPLE", SECRET, None);
    let role = Credentials::fixed("ASIAEXAMPLE", "another/secret+", Some("IQoJb3JpZ2luX2VjE//+a=="));
    let json = ("content-type", "application/json");
    let keys = Keys::default();
    // Days and credentials in turn, with one store of keys.
    for time in [0, 951_782_399_999, 951_782_400_000, 1_795_262_400_123, 4_102_444_799_000] {
        for who in [&alone, &role] {
            for url in [
                "https://xray.eu-west-1.amazonaws.com/TraceSegments",
                "http://localhost:8080/TraceSegments",
                "http://LocalHost:80/",
                "https://[::1]:443/a-b/c_d~e/",
                "https://h:80/a",
            ] {
                assert!(is_quick(&keys, url, &[json], who, time).await, "{url}");
                let more =
                    [json, ("x-amzn-xray-timestamp", "1.5"), ("user-agent", "a  b"), ("x-amz-a", "b c,d")];
                assert!(is_quick(&keys, url, &more, who, time).await, "{url}");
                assert!(is_quick(&keys, url, &[], who, time).await, "{url}");
            }
        }
    }
    for url in [
        "https://h/a?b",
        "https://h/a%20b",
        "https://h/a/../b",
        "https://h//a",
        "https://h/a+b",
        "https://u@h/",
    ] {
        assert!(!is_quick(&keys, url, &[json], &alone, 0).await, "{url}");
    }
    for header in [("x-amz-a", "b  c"), ("x-amz-a", " b"), ("x-amz-a", "b\tc"), ("host", "other")] {
        assert!(!is_quick(&keys, "https://h/", &[header], &alone, 0).await, "{header:?}");
    }
    assert!(!is_quick(&keys, "https://h/", &[("x-amz-a", "b"), ("x-amz-a", "c")], &alone, 0).await);
}
