//! `otlp`: receives OTLP over gRPC and HTTP.
//!
//! A request is handed on as the bytes that it came in, checked once. It is answered when every branch behind it
//! has delivered its data or taken it over, or when that was refused.

mod answer;
mod config;
mod grpc;
mod http;
mod intake;
mod requests;
mod serve;

use std::sync::Arc;

use component::{
    BuildCx, BuildError, Component, Ended, Kind, Outlets, Receiver, RunCx, Spec, Stability, Stage,
};
use futures::future::try_join;

pub use crate::config::Config;
use crate::grpc::Grpc;
use crate::http::Http;
use crate::intake::{Intake, Settings};

/// The component type.
pub const SPEC: Spec = Spec::new::<OtlpReceiver>(Kind::Receiver, "otlp", "Receives OTLP over gRPC and HTTP")
    .stability(Stability::Beta);

/// The receiver.
pub struct OtlpReceiver {
    config: Config,
}

impl Component for OtlpReceiver {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::receiver(Self { config: config.clone() }))
    }
}

impl Receiver for OtlpReceiver {
    async fn run(self, outlets: Outlets, cx: RunCx) -> Ended {
        let protocols = &self.config.protocols;
        let grpc = protocols.grpc.get().map(|config| {
            let intake = self.intake("grpc", config.include_metadata, &outlets, &cx);
            serve::grpc(config, Grpc { intake }, &cx)
        });
        let http = protocols.http.get().map(|config| {
            let intake = self.intake("http", config.server.include_metadata, &outlets, &cx);
            serve::http(&config.server, Http { intake, paths: config.paths() }, &cx)
        });
        // Both are bound before either serves, so that a taken port fails the start.
        let (grpc, http) = (grpc.transpose()?, http.transpose()?);
        drop(outlets);
        cx.ready();
        try_join(serve::all(grpc), serve::all(http)).await?;
        Ok(())
    }
}

impl OtlpReceiver {
    fn intake(
        &self,
        transport: &'static str,
        include_metadata: bool,
        outlets: &Outlets,
        cx: &RunCx,
    ) -> Arc<Intake> {
        let settings = Settings {
            transport,
            invalid_utf8: self.config.invalid_utf8.into(),
            patience: self.config.max_wait,
            include_metadata,
        };
        Arc::new(Intake::new(&settings, outlets.clone(), cx.clone()))
    }
}

#[cfg(test)]
mod tests;
