//! Listeners, servers, clients, TLS and compression: everything about the network that receivers and exporters share.
//!
//! Nothing here knows telemetry. gRPC and HTTP hand over and take raw bytes; what they mean is the component's.
//!
//! - [`listen`]: bound sockets and accepted [`Stream`]s;
//! - [`udp`]: datagrams, many at a time;
//! - [`tls`]: both sides' TLS, with certificates re-read from files;
//! - [`grpc`]: a unary server and client over HTTP/2; [`http`]: an HTTP/1 and HTTP/2 server and a pooled client;
//! - [`compression`]: every codec behind one cap; [`reserve`]: memory is asked for before a body is read;
//! - [`status`]: gRPC codes, HTTP statuses and retry hints; [`proxy`], [`endpoint`] and [`url`]: where a client connects;
//! - [`shutdown`]: how connections are asked to finish, and made to.
//!
//! Nothing reads the environment or the clock's date: proxies are passed in as values, and so is "now" where a date
//! header is read or written. (One exception is not ours: the system's root certificates honour `SSL_CERT_FILE`.)

pub mod compression;
pub mod dial;
pub mod endpoint;
pub mod grpc;
pub mod http;
pub mod listen;
pub mod proxy;
pub mod reserve;

pub mod shutdown;
pub mod status;
pub mod tls;
pub mod udp;
pub mod url;

mod allowance;
mod body;
#[cfg(test)]
mod config_tests;
mod drive;
mod frames;
mod metered;
#[cfg(test)]
mod serve;
mod stream;
#[cfg(test)]
mod testing;

pub use stream::{Peer, Stream};
