//! HTTP/1 and HTTP/2: a server that hands over whole bodies, and a pooled client.

pub mod client;
pub mod cors;
pub mod server;

use ::config::Secret;

/// What to say about a header that can't be sent. Its value may be a secret.
pub(crate) fn invalid_header(name: &str, value: &Secret) -> String {
    match value.expose().ends_with('\n') {
        true => format!("invalid header {name:?}: its value ends with a line break"),
        false => format!("invalid header {name:?}"),
    }
}

#[cfg(test)]
mod tests;
