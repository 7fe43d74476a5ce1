use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::Stream;
use crate::listen::Bound;
use crate::testing::{loopback, run};

/// An authority for one test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Certificate and key, as PEM.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn server(&self, name: &str) -> ServerSettings {
        let (cert_pem, key_pem) = self.issue(name);
        let key_pem = Secret::new(key_pem);
        ServerSettings { common: Common { cert_pem, key_pem, ..Common::default() }, ..Default::default() }
    }

    pub(crate) fn client(&self) -> ClientSettings {
        ClientSettings { common: Common { ca_pem: self.pem(), ..Common::default() }, ..Default::default() }
    }
}

/// One handshake and one echoed byte; the leaf certificate that the client saw, or why not.
async fn handshake(server: &ServerTls, client: &ClientTls, name: &str) -> Result<Vec<u8>, String> {
    let bound = Bound::bind(&loopback()).unwrap();
    let listener = bound.listen(&loopback()).unwrap();
    let accept = async {
        let mut stream = server.accept(listener.accept().await.0).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.shutdown().await
    };
    let connect = async {
        let tcp = tokio::net::TcpStream::connect(bound.local_addr().unwrap()).await?;
        let mut stream = client.connect(Stream::from(tcp), name).await?;
        stream.write_u8(7).await?;
        assert_eq!(stream.read_u8().await?, 7);
        assert_eq!(stream.alpn(), Some(b"h2".as_slice()));
        Ok::<_, std::io::Error>(stream.peer_certificate().unwrap_or_default())
    };
    let (accepted, connected) = tokio::join!(accept, connect);
    match (accepted, connected) {
        (Ok(()), Ok(certificate)) => Ok(certificate),
        (Err(error), _) | (Ok(()), Err(error)) => Err(error.to_string()),
    }
}

fn server(settings: &ServerSettings) -> ServerTls {
    ServerTls::new(settings, &[Proto::Http2], Duration::from_secs(10)).unwrap()
}

fn client(settings: &ClientSettings) -> ClientTls {
    ClientTls::new(settings, &[Proto::Http2, Proto::Http1]).unwrap()
}

#[test]
fn servers_are_verified_unless_told_otherwise() {
    run(async {
        let (ours, foreign) = (Authority::new(), Authority::new());
        let server = server(&ours.server("gateway.test"));
        handshake(&server, &client(&ours.client()), "gateway.test").await.unwrap();
        handshake(&server, &client(&ours.client()), "other.test").await.unwrap_err();
        handshake(&server, &client(&foreign.client()), "gateway.test").await.unwrap_err();
        let renamed = ClientSettings { server_name_override: "gateway.test".to_owned(), ..ours.client() };
        handshake(&server, &client(&renamed), "127.0.0.1").await.unwrap();
        let careless = ClientSettings { insecure_skip_verify: true, ..ClientSettings::default() };
        handshake(&server, &client(&careless), "anything.test").await.unwrap();
    });
}

/// `openssl req -x509` says that what it makes is an authority.
#[test]
fn a_server_may_show_the_authority_that_is_trusted_itself() {
    run(async {
        let own = |name: &str, years: std::ops::Range<i32>| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
            params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
            let key = KeyPair::generate().unwrap();
            let pem = params.self_signed(&key).unwrap().pem();
            let common = Common {
                cert_pem: pem.clone(),
                key_pem: Secret::new(key.serialize_pem()),
                ..Common::default()
            };
            let trusting = |ca_pem: String| {
                client(&ClientSettings {
                    common: Common { ca_pem, ..Common::default() },
                    ..Default::default()
                })
            };
            (server(&ServerSettings { common, ..Default::default() }), trusting(pem))
        };
        let ((shown, trusting), (_, other)) =
            (own("gateway.test", 2020..2090), own("gateway.test", 2020..2090));
        handshake(&shown, &trusting, "gateway.test").await.unwrap();
        let error = handshake(&shown, &trusting, "other.test").await.unwrap_err();
        assert!(error.contains("BadCertificate"), "the name: {error}");
        let error = handshake(&shown, &other, "gateway.test").await.unwrap_err();
        assert!(error.contains("CertificateUnknown"), "nobody named it: {error}");
        let (shown, trusting) = own("gateway.test", 2020..2021);
        let error = handshake(&shown, &trusting, "gateway.test").await.unwrap_err();
        assert!(error.contains("xpired"), "{error}");
    });
}

#[test]
fn a_client_ca_makes_certificates_of_clients_mandatory() {
    run(async {
        let (ours, foreign, dir) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
        let ca_file = write(dir.path(), "client-ca.pem", &ours.pem());
        let server = server(&ServerSettings { client_ca_file: ca_file, ..ours.server("gateway.test") });
        handshake(&server, &client(&ours.client()), "gateway.test").await.unwrap_err();
        let with_pair = |authority: &Authority| {
            let mut settings = ours.client();
            let (cert, key) = authority.issue("client");
            (settings.common.cert_pem, settings.common.key_pem) = (cert, Secret::new(key));
            client(&settings)
        };
        handshake(&server, &with_pair(&foreign), "gateway.test").await.unwrap_err();
        handshake(&server, &with_pair(&ours), "gateway.test").await.unwrap();
    });
}

#[test]
fn changed_files_are_used_at_a_next_handshake_and_broken_ones_are_not() {
    run(async {
        let (ours, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        let store = |(cert, key): (String, String)| {
            (write(dir.path(), "cert.pem", &cert), write(dir.path(), "key.pem", &key))
        };
        let (cert_file, key_file) = store(ours.issue("gateway.test"));
        let reload_interval = Duration::from_nanos(1);
        let common = Common { cert_file, key_file, reload_interval, ..Common::default() };
        let server = server(&ServerSettings { common, ..ServerSettings::default() });
        let client = client(&ours.client());
        let first = handshake(&server, &client, "gateway.test").await.unwrap();
        assert_eq!(handshake(&server, &client, "gateway.test").await.unwrap(), first);
        store(ours.issue("gateway.test"));
        let second = handshake(&server, &client, "gateway.test").await.unwrap();
        assert_ne!(second, first);
        write(dir.path(), "key.pem", "no key");
        assert_eq!(handshake(&server, &client, "gateway.test").await.unwrap(), second);
        std::fs::remove_file(dir.path().join("cert.pem")).unwrap();
        assert_eq!(handshake(&server, &client, "gateway.test").await.unwrap(), second);
    });
}

#[test]
fn a_silent_client_is_given_up() {
    run(async {
        let ours = Authority::new();
        let settings = ours.server("gateway.test");
        let server = ServerTls::new(&settings, &[Proto::Http2], Duration::from_millis(20)).unwrap();
        let bound = Bound::bind(&loopback()).unwrap();
        let listener = bound.listen(&loopback()).unwrap();
        let silent = tokio::net::TcpStream::connect(bound.local_addr().unwrap()).await.unwrap();
        let error = server.accept(listener.accept().await.0).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        drop(silent);
    });
}

#[test]
fn versions_and_suites_are_honoured() {
    run(async {
        let ours = Authority::new();
        let mut old = ours.server("gateway.test");
        old.common.max_version = "1.2".to_owned();
        old.common.cipher_suites = vec!["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned()];
        old.common.curve_preferences = vec!["P256".to_owned(), "X25519".to_owned()];
        let mut new = ours.client();
        new.common.min_version = "1.3".to_owned();
        handshake(&server(&old), &client(&ours.client()), "gateway.test").await.unwrap();
        handshake(&server(&old), &client(&new), "gateway.test").await.unwrap_err();
    });
}

#[test]
fn settings_that_cannot_work_are_named() {
    let check = |change: fn(&mut Common), message: &str| {
        let mut common = Common::default();
        change(&mut common);
        let problems: Vec<_> = common.problems().iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|problem| problem.contains(message)), "{problems:?} has no {message:?}");
    };
    check(
        |common| common.cert_file = "a".to_owned(),
        "TLS configuration must include both certificate and key (CertFile/CertPem and KeyFile/KeyPem)",
    );
    check(
        |common| (common.ca_file, common.ca_pem) = ("a".to_owned(), "b".to_owned()),
        "provide either a CA file or the PEM-encoded string, but not both",
    );
    check(
        |common| common.min_version = "1.9".to_owned(),
        "invalid TLS min_version: unsupported TLS version: \"1.9\"",
    );
    check(|common| common.max_version = "1.0".to_owned(), "min_version cannot be greater");
    check(
        |common| (common.min_version, common.max_version) = ("1.3".to_owned(), "1.2".to_owned()),
        "invalid TLS configuration: min_version cannot be greater than max_version",
    );
    check(|common| common.cipher_suites = vec!["TLS_ONE".to_owned()], "expected one of TLS_ECDHE_");
    check(|common| common.curve_preferences = vec!["P1".to_owned()], "\"P1\" is not available");
    assert!(Common::default().problems().is_empty());
    let only_in_go = Common {
        min_version: "1.0".to_owned(),
        cipher_suites: vec!["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned()],
        curve_preferences: vec!["P521".to_owned()],
        ..Common::default()
    };
    assert!(only_in_go.problems().is_empty());
    check(
        |common| {
            common.max_version = "1.2".to_owned();
            common.cipher_suites = vec!["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned()];
        },
        "none of the cipher suites is available",
    );
    let ca_file = "/nonexistent/ca.pem".to_owned();
    let settings = ClientSettings { common: Common { ca_file, ..Common::default() }, ..Default::default() };
    let error = ClientTls::new(&settings, &[]).err().unwrap().to_string();
    assert!(error.starts_with("failed to load CA CertPool File /nonexistent/ca.pem:"), "{error}");
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let common = Common {
        cert_file: "/nonexistent/cert.pem".to_owned(),
        key_file: "/nonexistent/key.pem".to_owned(),
        min_version: "1.9".to_owned(),
        max_version: "1.8".to_owned(),
        cipher_suites: vec!["TLS_ONE".to_owned(), "TLS_TWO".to_owned()],
        curve_preferences: vec!["P1".to_owned(), "P256".to_owned(), "P2".to_owned()],
        ..Common::default()
    };
    let in_settings =
        ["min_version", "max_version", "\"TLS_ONE\"", "\"TLS_TWO\"", "curve: \"P1\"", "curve: \"P2\""];
    let problems: Vec<_> = common.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), in_settings.len(), "{problems:?}");
    for (problem, part) in problems.iter().zip(in_settings) {
        assert!(problem.contains(part), "{problem} has no {part}");
    }
    let client_ca_file = "/nonexistent/clients.pem".to_owned();
    let server = ServerSettings { common: common.clone(), client_ca_file, ..ServerSettings::default() };
    let error = ServerTls::new(&server, &[], Duration::ZERO).err().unwrap();
    let text = error.to_string();
    for part in in_settings.iter().chain(&["cert.pem", "key.pem", "clients.pem"]) {
        assert!(text.contains(part), "{text} has no {part}");
    }
    assert_eq!(error.into_each().len(), 9, "{text}");
    let common = Common { ca_file: "/nonexistent/ca.pem".to_owned(), ..common };
    let client = ClientSettings { common, ..ClientSettings::default() };
    assert_eq!(ClientTls::new(&client, &[]).err().unwrap().into_each().len(), 9);
}

#[test]
fn both_halves_of_a_pair_may_be_wrong() {
    let twice = "x".to_owned();
    let common = Common {
        ca_file: twice.clone(),
        ca_pem: twice.clone(),
        cert_file: twice.clone(),
        cert_pem: twice.clone(),
        key_file: twice.clone(),
        key_pem: Secret::new(twice),
        ..Common::default()
    };
    let problems = common.problems();
    assert!(
        matches!(
            problems.as_slice(),
            [TlsError::TwoCas, TlsError::TwoForms("certificate"), TlsError::TwoForms("key")]
        ),
        "{problems:?}"
    );
}

#[test]
fn insecure_counts_only_without_an_authority() {
    let insecure = ClientSettings { insecure: true, ..ClientSettings::default() };
    assert!(insecure.is_plaintext());
    let mut with_ca = insecure;
    with_ca.common.ca_file = "ca.pem".to_owned();
    assert!(!with_ca.is_plaintext());
}

#[test]
fn grpc_calls_go_through_tls() {
    run(async {
        let ours = Authority::new();
        let tls = Arc::new(server(&ours.server("localhost")));
        let server = crate::testing::TestServer::start(usize::MAX, move |stream, peer, memory, signal| {
            let tls = Arc::clone(&tls);
            async move {
                let stream = tls.accept(stream).await?;
                let settings = crate::grpc::server::Settings::default();
                let echo = Arc::new(EchoCalls);
                let end =
                    crate::grpc::server::serve_connection(stream, peer, echo, &settings, memory, signal)
                        .await;
                Ok::<_, std::io::Error>(end)
            }
        });
        let port = server.address.port();
        let settings = crate::grpc::client::Settings {
            endpoint: format!("127.0.0.1:{port}"),
            tls: ClientSettings { server_name_override: "localhost".to_owned(), ..ours.client() },
            ..Default::default()
        };
        let client = crate::grpc::client::Client::new(settings, &Default::default()).unwrap();
        let path = PathAndQuery::from_static("/a/b");
        let message = Bytes::from(vec![5; 300_000]);
        let answer =
            client.unary(&path, &HeaderMap::new(), std::slice::from_ref(&message), None).await.unwrap();
        assert!(answer.message == message);
    });
}

struct EchoCalls;

impl crate::grpc::server::Service for EchoCalls {
    async fn call(&self, request: crate::grpc::server::Request) -> Result<Bytes, tonic::Status> {
        Ok(request.message)
    }
}

fn write(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
