use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::testing::{loopback, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[test]
fn a_taken_port_is_an_error_that_reads_like_the_collectors() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = taken.local_addr().unwrap().to_string();
    let error = Bound::bind(&Settings { endpoint: endpoint.clone(), ..Settings::default() }).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, format!("listen tcp {endpoint}: bind: address already in use"));
}

#[test]
fn endpoints_are_resolved_as_go_does() {
    let check = |endpoint: &str, transport: Transport, is_ipv4: bool| {
        let settings = Settings { endpoint: endpoint.to_owned(), transport, ..Settings::default() };
        let first = addresses(&settings).unwrap().first().copied().unwrap();
        assert_eq!(first.is_ipv4(), is_ipv4, "{endpoint} {transport}");
    };
    check(":0", Transport::Tcp, false);
    check("", Transport::Tcp, false);
    check("", Transport::Tcp4, true);
    check(":0", Transport::Tcp4, true);
    check(":0", Transport::Tcp6, false);
    check("0.0.0.0:0", Transport::Tcp, true);
    check("[::1]:0", Transport::Tcp, false);
    check("localhost:0", Transport::Tcp, true);
    let wrong = Settings { endpoint: ":http".to_owned(), ..Settings::default() };
    assert!(Bound::bind(&wrong).is_err());
}

#[test]
fn a_bound_socket_serves_one_listener_after_another() {
    run(async {
        let bound = Bound::bind(&loopback()).unwrap();
        let address = bound.local_addr().unwrap();
        for _ in 0..2 {
            let listener = bound.listen(&loopback()).unwrap();
            let client = tokio::net::TcpStream::connect(address).await.unwrap();
            let (_, peer) = listener.accept().await;
            assert_eq!(peer, Peer::Tcp(client.local_addr().unwrap()));
        }
        // Between listeners nobody is refused.
        tokio::net::TcpStream::connect(address).await.unwrap();
    });
}

#[test]
fn connections_over_the_limit_wait() {
    run(async {
        let settings = Settings { max_connections: 1, ..loopback() };
        let bound = Bound::bind(&settings).unwrap();
        let listener = bound.listen(&settings).unwrap();
        let address = bound.local_addr().unwrap();
        let (_first, _second) =
            tokio::join!(async { tokio::net::TcpStream::connect(address).await.unwrap() }, async {
                tokio::net::TcpStream::connect(address).await.unwrap()
            });
        let (accepted, _) = listener.accept().await;
        assert_eq!(listener.open_connections(), 1);
        let mut next = std::pin::pin!(listener.accept());
        assert!(futures::poll!(next.as_mut()).is_pending());
        drop(accepted);
        next.await;
    });
}

#[test]
fn unix_sockets_have_their_mode_and_leave_no_file() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("otlp.sock");
        let settings = Settings {
            endpoint: path.to_str().unwrap().to_owned(),
            transport: Transport::Unix,
            socket_mode: Some(0o600),
            ..Settings::default()
        };
        // What a killed process leaves.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let bound = Bound::bind(&settings).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Bound::bind(&settings).is_err(), "a socket in use was taken away");
        let listener = bound.listen(&settings).unwrap();
        // The attempt to bind has knocked to see whether somebody is there.
        drop(listener.accept().await);
        let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
        let (mut stream, peer) = listener.accept().await;
        assert_eq!(peer, Peer::Unix);
        stream.write_all(b"hi").await.unwrap();
        let mut read = [0; 2];
        client.read_exact(&mut read).await.unwrap();
        drop(bound);
        assert!(path.exists(), "a listener still needs it");
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "precious").unwrap();
        assert!(Bound::bind(&settings).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    });
}
