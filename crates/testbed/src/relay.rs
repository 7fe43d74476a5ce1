//! A network that can fall silent: it forwards connections, and can stop without closing anything.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The network between a client and a server.
pub struct Relay {
    address: SocketAddr,
    /// How often it has recovered, and whether it is silent now.
    state: watch::Sender<(u64, bool)>,
}

impl Relay {
    /// Leads to `server`.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel((0, false));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, watched.clone()));
            }
        });
        Self { address, state }
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing gets through; connections are made as before, and none ends.
    pub fn fall_silent(&self) {
        self.state.send_modify(|(_, is_silent)| *is_silent = true);
    }

    /// New connections are forwarded again. What was open stays silent for ever, as after a change of routes.
    pub fn recover(&self) {
        self.state
            .send_modify(|(recoveries, is_silent)| (*recoveries, *is_silent) = (*recoveries + 1, false));
    }
}

async fn forward(client: TcpStream, server: SocketAddr, state: watch::Receiver<(u64, bool)>) {
    let opened_in = *state.borrow();
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(
        copy(from_client, to_server, state.clone(), opened_in),
        copy(from_server, to_client, state, opened_in)
    );
}

/// Copies while nothing has changed since the connection was made; then holds both ends open without a word.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<(u64, bool)>,
    opened_in: (u64, bool),
) {
    let mut buffer = [0; 8192];
    while *state.borrow_and_update() == opened_in && !opened_in.1 {
        let read = tokio::select! {
            // In this order: what comes after the silence began must not get through.
            biased;
            _ = state.changed() => continue,
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() || to.write_all(bytes).await.is_err() {
            return;
        }
    }
    std::future::pending().await
}
