//! The blocks as users of the Collector write them.

use std::time::Duration;

use config::{Section, read_text, reference};

use crate::compression::Compression;
use crate::grpc::client::Balancer;
use crate::listen::Transport;
use crate::{grpc, http};

/// Reads a block, or says what is wrong with it.
fn read<C: Section>(text: &str) -> Result<C, String> {
    read_text(text).map_err(|diagnostics| diagnostics.to_string())
}

fn check_error<C: Section>(text: &str, part: &str) {
    match read::<C>(text) {
        Ok(_) => panic!("{text}: no error"),
        Err(message) => assert!(message.contains(part), "{text}: {message}"),
    }
}

#[test]
fn a_grpc_clients_block_is_read() {
    let text = "
endpoint: https://gateway:4317
compression: zstd
tls: {ca_file: /ca.pem, insecure_skip_verify: true, server_name_override: other, min_version: '1.3'}
keepalive: {time: 30s, timeout: 5s, permit_without_stream: true}
headers: {X-Token: secret}
balancer_name: pick_first
wait_for_ready: true
";
    let settings = read::<grpc::client::Config>(text).unwrap().settings();
    assert_eq!(settings.endpoint, "https://gateway:4317");
    assert_eq!((settings.compression, settings.balancer), (Compression::Zstd, Balancer::PickFirst));
    assert_eq!(settings.tls.common.ca_file, "/ca.pem");
    assert!(settings.tls.insecure_skip_verify && settings.wait_for_ready);
    assert_eq!(settings.keepalive.unwrap().time, Duration::from_secs(30));
    assert_eq!((settings.headers[0].0.as_str(), settings.headers[0].1.expose()), ("X-Token", "secret"));
    assert_eq!(read::<grpc::client::Config>("").unwrap().settings(), grpc::client::Settings::default());
}

#[test]
fn a_grpc_servers_block_is_read() {
    let text = "
endpoint: 0.0.0.0:4317
transport: tcp4
max_recv_msg_size_mib: 16
max_concurrent_streams: 10
keepalive: {server_parameters: {max_connection_age: 1h, max_connection_age_grace: 5m}}
tls: {cert_file: /cert.pem, key_file: /key.pem, client_ca_file: /ca.pem, reload_interval: 10s}
";
    let config = read::<grpc::server::Config>(text).unwrap();
    assert_eq!((config.listen.endpoint.as_str(), config.listen.transport), ("0.0.0.0:4317", Transport::Tcp4));
    assert_eq!(config.tls.get().unwrap().client_ca_file, "/ca.pem");
    let settings = config.settings();
    assert_eq!((settings.max_recv_msg_size, settings.max_concurrent_streams), (16 << 20, 10));
    assert_eq!(settings.keepalive.max_connection_age, Duration::from_secs(3_600));
    assert_eq!(read::<grpc::server::Config>("").unwrap().settings(), grpc::server::Settings::default());
}

#[test]
fn an_http_servers_block_is_read() {
    let text = "
endpoint: localhost:4318
cors: {allowed_origins: ['https://*.example.com'], max_age: 7200}
max_request_body_size: 1000
compression_algorithms: ['', gzip]
response_headers: {x-a: b}
read_timeout: 5s
keep_alives_enabled: false
";
    let settings = read::<http::server::Config>(text).unwrap().settings();
    assert_eq!(settings.max_request_body_size, 1_000);
    assert_eq!(settings.compression_algorithms, ["", "gzip"]);
    assert_eq!(settings.cors.unwrap().max_age, 7_200);
    assert!(!settings.keep_alives_enabled);
    assert_eq!(read::<http::server::Config>("").unwrap().settings(), http::server::Settings::default());
}

#[test]
fn an_http_clients_block_is_read() {
    let text = "
endpoint: https://gateway:4318
compression: gzip
compression_params: {level: 9}
headers: [{name: X-A, value: b}]
max_conns_per_host: 4
idle_conn_timeout: 10s
";
    let settings = read::<http::client::Config>(text).unwrap().settings();
    assert_eq!((settings.compression, settings.compression_level), (Compression::Gzip, 9));
    assert_eq!((settings.max_conns_per_host, settings.idle_conn_timeout), (4, Duration::from_secs(10)));
    assert_eq!(read::<http::client::Config>("").unwrap().settings(), http::client::Settings::default());
}

#[test]
fn mistakes_are_named() {
    check_error::<grpc::client::Config>("endpoint: foo", "address foo: missing port in address");
    check_error::<grpc::client::Config>("endpoint: 'foo:abc'", "invalid port \"abc\"");
    check_error::<grpc::client::Config>(
        "compression: lz4",
        "expected one of `none`, `gzip`, `snappy`, `zstd`",
    );
    check_error::<grpc::client::Config>("compression: lz5", "lz5");
    check_error::<grpc::client::Config>("balancer_name: zz", "zz");
    check_error::<grpc::client::Config>(
        "auth: {authenticator: x}",
        "there are no authenticators for gRPC yet",
    );
    check_error::<grpc::client::Config>("tls: {max_version: '1.1'}", "min_version cannot be greater");
    check_error::<grpc::client::Config>(
        "tls: {max_version: '1.2', cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]}",
        "none of the cipher suites is available",
    );
    check_error::<grpc::client::Config>("tls: {cipher_suites: [TLS_NONE]}", "cipher_suites[0]");
    check_error::<grpc::client::Config>("tls: {curve_preferences: [P256, P1]}", "curve_preferences[1]");
    check_error::<grpc::client::Config>("headers: {a: \"b\\n\"}", "its value ends with a line break");
    check_error::<grpc::client::Config>("tls: {tpm: {enabled: true}}", "TPM");
    check_error::<grpc::server::Config>("tls: {}", "must include both certificate and key");
    check_error::<grpc::server::Config>("tls: {cert_file: a}", "must include both certificate and key");
    check_error::<grpc::server::Config>("transport: udp", "udp");
    check_error::<http::client::Config>(
        "{compression: gzip, compression_params: {level: 99}}",
        "unsupported parameters {Level:99} for compression type \"gzip\"",
    );
    check_error::<http::client::Config>("proxy_url: socks5://x", "only http:// proxies are supported");
}

/// What the Collector takes, though it can't be had here, or means nothing.
#[test]
fn what_the_collector_takes_is_taken() {
    let tls = "tls: {min_version: '1.0', max_version: '1.1', curve_preferences: [P521], tpm: {enabled: false, path: /d}, \
        cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_RC4_128_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]}";
    read::<grpc::client::Config>(tls).unwrap();
    let text =
        "{read_timeout: -1s, idle_timeout: -5, max_request_body_size: -1, compression_algorithms: [br]}";
    let settings = read::<http::server::Config>(text).unwrap().settings();
    assert_eq!(
        settings,
        http::server::Settings {
            idle_timeout: Duration::ZERO,
            compression_algorithms: vec!["br".to_owned()],
            ..http::server::Settings::default()
        }
    );
    let text =
        "{max_idle_conns: -1, max_conns_per_host: -1, idle_conn_timeout: -1s, http2_read_idle_timeout: -1s}";
    let settings = read::<http::client::Config>(text).unwrap().settings();
    assert_eq!((settings.max_idle_conns, settings.max_conns_per_host), (1, 0));
    assert_eq!(settings.idle_conn_timeout, Duration::ZERO);
    read::<grpc::server::Config>("{dialer: {timeout: -1s}, keepalive: {server_parameters: {time: -1s}}}")
        .unwrap();
    assert_eq!(
        read::<grpc::client::Config>("keepalive: {time: -1s}").unwrap().settings().keepalive.unwrap().time,
        Duration::from_secs(10)
    );
}

#[test]
fn every_key_is_described() {
    for rows in [
        reference::<grpc::client::Config>(),
        reference::<grpc::server::Config>(),
        reference::<http::client::Config>(),
        reference::<http::server::Config>(),
    ] {
        assert!(rows.iter().all(|row| row.doc.ends_with('.')), "{rows:?}");
    }
}
