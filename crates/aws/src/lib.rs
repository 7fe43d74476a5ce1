//! AWS for components: whose credentials, which region, which endpoint, how a request is signed, and a client that
//! sends it.
//!
//! - [`Session`]: region, endpoint and credentials found together, once, when a component starts;
//! - [`region`] and [`endpoint`]: the orders of precedence and the partitions;
//! - [`Credentials`]: the AWS SDK's own chain, cached until shortly before its expiry;
//! - [`sign`]: Signature Version 4 over a request's head and its body's hash;
//! - [`Signer`]: the same for requests of other components;
//! - [`Body`]: what is sent, and its hash, which several are best given together;
//! - [`Client`]: signed POSTs over [`net::http::client`], with AWS's error codes;
//! - [`proxy`]: a server that signs and forwards, and answers sampling requests from rules of its own.
//!
//! The AWS SDK is used for what it alone knows: where credentials come from, and the signature. Its requests (to STS,
//! SSO and the metadata services) go over our HTTP client, so there is one TLS stack, and proxies are honoured.

mod authorize;
mod body;
pub mod client;
mod connector;
mod credentials;
pub mod endpoint;
pub mod metadata;
pub mod proxy;
pub mod region;
mod session;
mod sha256;
pub mod sign;
mod skew;
#[cfg(test)]
mod testing;

pub use authorize::Signer;
pub use body::Body;
pub use client::{Answer, ApiError, Client, ClientError, Settings as ClientSettings, platform};
pub use credentials::{Credentials, CredentialsError, Role};
pub use session::{Session, SessionError, Settings as SessionSettings};
#[doc(hidden)]
pub use sha256::fuzz as fuzz_sha256;
