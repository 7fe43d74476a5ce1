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

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

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

/// How long the proxy waits before it looks for a region again.
const AGAIN: Duration = Duration::from_secs(30);

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
        let granted = bound.granted().unwrap_or(usize::MAX);
        let mut proxying = pin!(self.proxy(&cx));
        // What is found wrong with it at once fails the start. What takes longer must not keep datagrams waiting.
        let at_once = poll_fn(|task| Poll::Ready(proxying.as_mut().poll(task))).await;
        if let Poll::Ready(Err(error)) = at_once {
            return Err(error);
        }
        let proxying = async {
            match at_once {
                Poll::Ready(ended) => ended,
                Poll::Pending => proxying.await,
            }
        };
        let (intake, forwards) = Intake::new(&self.config, &outlets, &cx);
        drop(outlets);
        cx.ready();
        let receiving = async {
            let forwarding = join_all(forwards.into_iter().map(Forward::run));
            tokio::join!(serve::serve(receiver, granted, intake, &cx), forwarding);
            Ok(())
        };
        tokio::try_join!(receiving, proxying).map(|_| ())
    }
}

impl XrayReceiver {
    /// Runs the proxy, unless it is turned off. Without a region it is of no use, and the receiver does without: its work
    /// does not depend on it.
    async fn proxy(&self, cx: &RunCx) -> Ended {
        let Switchable(config) = &self.config.proxy_server;
        if !config.enabled {
            return Ok(());
        }
        let opening = until_open(AGAIN, || Proxy::bind(config, &self.environment, cx), cx);
        let opened = tokio::select! {
            biased;
            () = cx.draining.cancelled() => return Ok(()),
            opened = opening => opened?,
        };
        opened.run().await
    }
}

/// Opens until that succeeds, as long as it is only the region that is missing: when a machine has just started, the
/// metadata service is often not there yet.
async fn until_open<T, F>(again: Duration, open: impl Fn() -> F, cx: &RunCx) -> Result<T, BoxError>
where
    F: Future<Output = Result<T, ProxyError>>,
{
    let mut is_told = false;
    loop {
        match open().await {
            Ok(opened) => return Ok(opened),
            Err(ProxyError::Other(error)) => return Err(error),
            Err(ProxyError::Session(error)) if !is_told => {
                is_told = true;
                tracing::warn!(
                    otelcol.component.id = %cx.node.id,
                    otelcol.component.kind = "receiver",
                    %error,
                    "Running without the TCP proxy until there is a region: name one, or turn it off with \
                     proxy_server::enabled: false"
                );
            }
            Err(ProxyError::Session(error)) => tracing::debug!(%error, "still no region"),
        }
        tokio::time::sleep(again).await;
    }
}

#[cfg(test)]
mod tests;
