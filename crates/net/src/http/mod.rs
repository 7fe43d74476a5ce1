//! HTTP/1 and HTTP/2: a server that hands over whole bodies, and a pooled client.

pub mod client;
pub mod cors;
pub mod server;

#[cfg(test)]
mod tests;
