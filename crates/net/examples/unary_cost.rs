//! What a unary call costs: CPU time of the server's thread and of the client's, per call.
//!
//! `cargo run --release -p collimator-net --example unary_cost [message bytes] [calls] [frame bytes]`

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use collimator_net as net;
use http::HeaderMap;
use http::uri::PathAndQuery;
use net::grpc::{client, server};
use net::listen::{self, Bound};
use net::reserve::Unlimited;
use net::shutdown::Signal;
use net::tls::ClientSettings;

struct Discard;

impl server::Service for Discard {
    async fn call(&self, _request: server::Request) -> Result<Bytes, tonic::Status> {
        Ok(Bytes::new())
    }
}

/// Nanoseconds that this thread has run.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn main() {
    let mut arguments =
        std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("arguments are numbers"));
    let size = arguments.next().unwrap_or(53_000);
    let calls = arguments.next().unwrap_or(40_000);
    let frame = arguments.next().and_then(|frame| u32::try_from(frame).ok());
    let mut settings = server::Settings::default();
    settings.max_frame_size = frame.unwrap_or(settings.max_frame_size);

    let listen = listen::Settings { endpoint: "127.0.0.1:0".to_owned(), ..listen::Settings::default() };
    let bound = Bound::bind(&listen).unwrap();
    let address = bound.local_addr().unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let serving = std::thread::spawn(move || {
        runtime().block_on(async {
            let (stream, peer) = bound.listen(&listen).unwrap().accept().await;
            let before = cpu();
            let memory = Arc::new(Unlimited);
            server::serve_connection(stream, peer, Arc::new(Discard), &settings, memory, Signal::never())
                .await;
            assert!(done.load(Ordering::SeqCst), "the connection ended early");
            cpu() - before
        })
    });

    let client_cpu = runtime().block_on(async {
        let settings = client::Settings {
            endpoint: address.to_string(),
            tls: ClientSettings { insecure: true, ..ClientSettings::default() },
            ..client::Settings::default()
        };
        let client = client::Client::new(settings, &net::proxy::Proxies::default()).unwrap();
        let message = Bytes::from(vec![7; size]);
        let before = cpu();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (client, message) = (client.clone(), message.clone());
            tasks.spawn(async move {
                let path = PathAndQuery::from_static("/bench/discard");
                for _ in 0..calls / 16 {
                    client
                        .unary(&path, &HeaderMap::new(), std::slice::from_ref(&message), None)
                        .await
                        .unwrap();
                }
            });
        }
        while let Some(result) = tasks.join_next().await {
            result.unwrap();
        }
        is_done.store(true, Ordering::SeqCst);
        cpu() - before
    });
    let server_cpu = serving.join().unwrap();
    let each = |nanos: u64| nanos as f64 / 1_000.0 / (calls / 16 * 16) as f64;
    println!("{size} bytes: server {:.1} us, client {:.1} us per call", each(server_cpu), each(client_cpu));
}
