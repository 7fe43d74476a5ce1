//! `auth`: an extension authorizes every request.

use std::sync::Arc;

use component::{BoxError, CapabilityError, Process};
use config::ComponentId;
use futures::future::BoxFuture;
use net::http::client::{Authorize, AuthorizeError, Authorizer, Outgoing, Proof};

/// Asks the extension for each request: after a reload another one may have its id.
struct ById {
    id: String,
    process: Process,
}

/// The extension of that id as the client wants it.
///
/// # Errors
/// If it is not there, or does not authorize requests; worded as the Collector words it.
pub(crate) fn authorizer(id: &ComponentId, process: &Process) -> Result<Authorizer, BoxError> {
    let by_id = ById { id: id.to_string(), process: process.clone() };
    match by_id.find() {
        Ok(_) => Ok(Arc::new(by_id)),
        Err(CapabilityError::Missing) => {
            Err(format!("failed to resolve authenticator \"{id}\": authenticator not found").into())
        }
        Err(CapabilityError::OtherKind) => {
            Err("requested authenticator is not a HTTP client authenticator".into())
        }
    }
}

impl ById {
    fn find(&self) -> Result<Authorizer, CapabilityError> {
        self.process.capabilities().find(&self.id)
    }
}

impl Authorize for ById {
    fn authorize<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<Proof, AuthorizeError>> {
        Box::pin(async move {
            let found =
                self.find().map_err(|error| AuthorizeError(format!("extension {}: {error}", self.id)))?;
            found.authorize(request).await
        })
    }

    fn refused(&self, proof: Proof) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Ok(found) = self.find() {
                found.refused(proof).await;
            }
        })
    }
}
