//! The loop between a listener and its connections, as the tests here need it. (Receivers have their own: theirs spawns
//! through the engine, which ends the process when a connection panics.)

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use crate::drive::End;
use crate::listen::Listener;
use crate::shutdown::{Phase, Signal};
use crate::tls::ServerTls;
use crate::{Peer, Stream};

/// Accepts until `shutdown` says to drain, then waits for every connection to end.
///
/// Each connection is a task: a TLS handshake, if there is `tls`, and then what `connection` makes of it, such as
/// [`crate::grpc::server::serve_connection`]. The tasks go to `runtimes` in turn, or all to the current one if there
/// are none. Dropping this future drops the listener and every connection.
pub(crate) async fn serve<F>(
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    runtimes: &[Handle],
    mut shutdown: Signal,
    connection: impl Fn(Stream, Peer, Signal) -> F + Clone + Send + 'static,
) where
    F: Future<Output = End> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let each = shutdown.clone();
    let here = Handle::current();
    let is_moved = !runtimes.is_empty();
    let mut turns = runtimes.iter().cycle();
    loop {
        tokio::select! {
            (stream, peer) = listener.accept() => {
                let connection = connection.clone();
                let (tls, each) = (tls.clone(), each.clone());
                let task = async move {
                    let stream = if is_moved { stream.into_current_runtime() } else { Ok(stream) };
                    (peer, one(stream, peer, tls, each, connection).await)
                };
                connections.spawn_on(task, turns.next().unwrap_or(&here));
            }
            Some(ended) = connections.join_next() => report(ended),
            _ = shutdown.reached(Phase::Drain) => break,
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

async fn one<F: Future<Output = End>>(
    stream: io::Result<Stream>,
    peer: Peer,
    tls: Option<Arc<ServerTls>>,
    shutdown: Signal,
    connection: impl Fn(Stream, Peer, Signal) -> F,
) -> End {
    let opened = match (stream, tls) {
        (Ok(stream), Some(tls)) => tls.accept(stream).await,
        (stream, _) => stream,
    };
    match opened {
        Ok(stream) => connection(stream, peer, shutdown).await,
        Err(error) => End::Failed(error.into()),
    }
}

fn report(ended: Result<(Peer, End), JoinError>) {
    match ended {
        Ok((peer, end)) => tracing::debug!(%peer, ?end, "connection ended"),
        Err(error) if error.is_cancelled() => {}
        Err(error) => tracing::error!(%error, "a connection's task panicked"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use http::HeaderMap;
    use http::uri::PathAndQuery;
    use tonic::Status;

    use crate::grpc::{client, server};
    use crate::listen::Bound;
    use crate::reserve::tests::Budget;
    use crate::shutdown::Trigger;
    use crate::testing::{loopback, run};

    use super::*;

    /// Answers with the name of its thread.
    struct WhereAmI(Mutex<Vec<String>>);

    impl server::Service for WhereAmI {
        async fn call(&self, _: server::Request) -> Result<Bytes, Status> {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            self.0.lock().unwrap().push(name);
            Ok(Bytes::new())
        }
    }

    #[test]
    fn connections_are_dealt_to_runtimes_and_waited_for() {
        let stop = Arc::new(tokio::sync::Semaphore::new(0));
        let (handles, threads): (Vec<_>, Vec<_>) = ["one", "two"]
            .map(|name| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let (handle, stop) = (runtime.handle().clone(), Arc::clone(&stop));
                let work = move || runtime.block_on(async { drop(stop.acquire().await) });
                (handle, std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap())
            })
            .into_iter()
            .unzip();
        run(async {
            let bound = Bound::bind(&loopback()).unwrap();
            let endpoint = bound.local_addr().unwrap().to_string();
            let listener = bound.listen(&loopback()).unwrap();
            let (trigger, seen) = (Trigger::default(), Arc::new(WhereAmI(Mutex::default())));
            let service = Arc::clone(&seen);
            let serving = serve(listener, None, &handles, trigger.signal(), move |stream, peer, signal| {
                let memory = Budget::new(usize::MAX);
                let settings = server::Settings::default();
                server::serve_connection(stream, peer, Arc::clone(&service), &settings, memory, signal)
            });
            let calling = async {
                for _ in 0..2 {
                    let mut settings = client::Settings { endpoint: endpoint.clone(), ..Default::default() };
                    settings.tls.insecure = true;
                    let client = client::Client::new(settings, &Default::default()).unwrap();
                    let path = PathAndQuery::from_static("/a/b");
                    client.unary(&path, &HeaderMap::new(), &[], None).await.unwrap();
                }
                trigger.drain();
            };
            tokio::join!(serving, calling);
            assert_eq!(*seen.0.lock().unwrap(), ["one", "two"]);
        });
        stop.add_permits(2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
