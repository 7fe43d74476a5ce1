use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::http::{self, Asked, MAX_HEAD};
use super::{MAX_CONNECTIONS, Routes};

/// How long a client may take for its head, and then for taking the answer.
const HEAD_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long, and for how many bytes, we listen after the answer, so that closing does not take it back: a socket
/// that is closed with bytes unread resets the connection.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;
/// How long answers under way have when the listener stops.
const STOP_TIME: Duration = Duration::from_millis(500);
/// The pause after a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stopped` resolves, then lets connections end within [`STOP_TIME`].
pub(super) async fn serve(
    listener: std::net::TcpListener,
    routes: Routes,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.admit(stream, routes.clone());
                // Let it run before the next comes: a burst must not end those that have not begun.
                yield_now().await;
            }
            Err(error) => {
                tracing::warn!(%error, "admin listener cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // What is not done by then is aborted with the set.
    timeout(STOP_TIME, async { while connections.tasks.join_next().await.is_some() {} }).await.ok();
    Ok(())
}

#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// Oldest first.
    handles: VecDeque<AbortHandle>,
}

impl Connections {
    fn admit(&mut self, stream: TcpStream, routes: Routes) {
        while self.tasks.try_join_next().is_some() {}
        self.handles.retain(|handle| !handle.is_finished());
        if self.handles.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.handles.pop_front()
        {
            oldest.abort();
        }
        self.handles.push_back(self.tasks.spawn(connection(stream, routes)));
    }
}

async fn connection(mut stream: TcpStream, routes: Routes) {
    let answer = match timeout(HEAD_TIME, read_head(&mut stream)).await {
        Ok(Ok(Some(head))) => answer(&head, &routes).await,
        Ok(Ok(None)) => http::refuse(431, "431 Request Header Fields Too Large\n"),
        Ok(Err(_)) => return,
        Err(_) => http::refuse(408, "408 Request Timeout\n"),
    };
    let written = timeout(ANSWER_TIME, async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    });
    if matches!(written.await, Ok(Ok(()))) {
        let mut rest = stream.take(LINGER_BYTES);
        // Whatever comes, the connection ends here.
        timeout(LINGER_TIME, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await.ok();
    }
}

/// The head's bytes, or nothing if it is longer than [`MAX_HEAD`].
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(1024);
    while !http::is_whole(&head) {
        if head.len() >= MAX_HEAD {
            return Ok(None);
        }
        let mut limited = (&mut *stream).take((MAX_HEAD - head.len()) as u64);
        if limited.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(head))
}

async fn answer(head: &[u8], routes: &Routes) -> Vec<u8> {
    let find = |path: &str| http::find(&routes.read().unwrap_or_else(PoisonError::into_inner), path);
    let asked = match http::read(head, find) {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    // A page reads state of ours under locks that are still whole after a panic.
    let answered = catch_unwind(AssertUnwindSafe(|| match asked {
        Asked::Page(page, with_body) => Ok(http::write(&page(), with_body, None)),
        Asked::Action(action) => Err(action()),
    }));
    match answered {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(action)) => http::write(&action.await, true, None),
        Err(_) => http::refuse(500, "500 Internal Server Error\n"),
    }
}
