//! `awsxray`: receives segment documents as X-Ray's SDKs send them to its daemon, over UDP.
//!
//! A pipeline of `traces` gets them translated, one of `xray` as they came. Beside the socket the receiver has the TCP
//! server that the SDKs ask for sampling rules.

mod config;
mod counts;
mod header;
mod intake;
mod lane;
mod records;
mod serve;

use aws::proxy::{Proxy, ProxyError, Switchable};
use component::{
    BoxError, BuildCx, BuildError, Carries, Component, Ended, Environment, Kind, Outlets, Receiver, RunCx,
    Spec, Stability, Stage,
};
use data::{Signal, Signals};
use futures::future::join_all;

pub use crate::config::{Config, Conventions, DocumentLimits};
use crate::intake::Intake;
use crate::lane::Forward;

/// The component type.
pub const SPEC: Spec = Spec::new::<XrayReceiver>(
    Kind::Receiver,
    "awsxray",
    "Receives segments of AWS X-Ray over UDP, and serves its SDKs sampling rules over TCP",
)
.carrying(Carries::Same(Signals::of(&[Signal::Traces, Signal::Xray])))
.stability(Stability::Beta);

/// The receiver.
pub struct XrayReceiver {
    config: Config,
    environment: Environment,
}

impl Component for XrayReceiver {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::receiver(Self { config: config.clone(), environment: cx.environment.clone() }))
    }
}

impl Receiver for XrayReceiver {
    async fn run(self, outlets: Outlets, cx: RunCx) -> Ended {
        let bound = serve::bind(&self.config.endpoint, self.config.receive_buffer_mib << 20, &cx)?;
        let receiver = bound.receiver()?;
        let proxy = self.proxy(&cx).await?;
        let (intake, forwards) = Intake::new(&self.config, &outlets, &cx);
        drop(outlets);
        cx.ready();
        let forwarding = join_all(forwards.into_iter().map(Forward::run));
        let proxying = async {
            match proxy {
                Some(proxy) => proxy.run().await,
                None => Ok(()),
            }
        };
        let ((), _, ended) = tokio::join!(serve::serve(receiver, intake, &cx), forwarding, proxying);
        ended
    }
}

impl XrayReceiver {
    /// The proxy, unless it is turned off. Without a region it is of no use, and the receiver does without: its work does
    /// not depend on it.
    async fn proxy(&self, cx: &RunCx) -> Result<Option<Proxy>, BoxError> {
        let Switchable(config) = &self.config.proxy_server;
        if !config.enabled {
            return Ok(None);
        }
        match Proxy::bind(config, &self.environment, cx).await {
            Ok(proxy) => Ok(Some(proxy)),
            Err(ProxyError::Session(error)) => {
                tracing::warn!(
                    otelcol.component.id = %cx.node.id,
                    otelcol.component.kind = "receiver",
                    %error,
                    "Running without the TCP proxy: name a region, or turn it off with proxy_server::enabled: false"
                );
                Ok(None)
            }
            Err(ProxyError::Other(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
