//! What extensions that tell operators about the process share: an HTTP server on a thread of its own, so that it answers
//! while the data plane is busy; rates and stalls of nodes, sampled every second; the pulse of the workers.

mod page;
mod pulse;
mod sampler;
mod serve;

pub use page::{asked_for_json, content_type, json, query, redirect, text};
pub use pulse::Pulse;
pub use sampler::{Flow, NodeKey, Sampler};
pub use serve::{Site, serve};
