//! A collector's configuration for one run: which of the harness's endpoints it uses, and the free ports.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::portable::Portable;

/// Variables that a configuration may use, in references such as `${env:UPSTREAM_ENDPOINT:-localhost:5317}`.
const OTLP_GRPC: &str = "OTLP_GRPC_ENDPOINT";
const OTLP_HTTP: &str = "OTLP_HTTP_ENDPOINT";
const UPSTREAM: &str = "UPSTREAM_ENDPOINT";
const METRICS_PORT: &str = "METRICS_PORT";
/// Where X-Ray's datagrams go.
const XRAY_UDP: &str = "XRAY_UDP_ENDPOINT";
const OUT: &str = "COLLIMATOR_OUT";

/// A configuration for every collector compared: Collimator runs the file as it is, a peer a copy without the keys
/// that only Collimator knows.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) config: PathBuf,
    pub(crate) input: Input,
    pub(crate) output: Output,
    /// What peers run.
    pub(crate) portable: Portable,
}

/// What a scenario is fed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// OTLP over gRPC.
    Otlp,
    /// X-Ray segments in datagrams.
    Segments,
}

/// Where a scenario's spans can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// At the sink behind an OTLP or X-Ray exporter.
    Sink,
    /// In the JSON lines of a file exporter.
    File,
    /// Nowhere: only answers are counted.
    Nowhere,
}

impl Scenario {
    /// Reads the file, as far as needed to know where its spans go.
    pub(crate) fn read(config: &Path) -> anyhow::Result<Scenario> {
        let text = fs::read_to_string(config).with_context(|| config.display().to_string())?;
        let input = match (text.contains(OTLP_GRPC), text.contains(XRAY_UDP)) {
            (true, _) => Input::Otlp,
            (false, true) => Input::Segments,
            (false, false) => anyhow::bail!(
                "{}: its receiver's endpoint has to be ${{env:{OTLP_GRPC}:-…}} or ${{env:{XRAY_UDP}:-…}}",
                config.display()
            ),
        };
        let output = if text.contains(UPSTREAM) {
            Output::Sink
        } else if text.contains(OUT) {
            Output::File
        } else {
            Output::Nowhere
        };
        Ok(Scenario { config: config.to_path_buf(), input, output, portable: Portable::new(&text) })
    }
}

/// The endpoints of one run.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) xray: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) metrics: u16,
    pub(crate) file: PathBuf,
}

impl Endpoints {
    /// Free loopback ports, and a file in `folder`.
    pub(crate) fn free(upstream: SocketAddr, folder: &Path) -> anyhow::Result<Endpoints> {
        // All are held until all are known, so that they differ.
        let held = [free_port()?, free_port()?, free_port()?];
        let [grpc, http, metrics] = [held[0].local_addr()?, held[1].local_addr()?, held[2].local_addr()?];
        let xray = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Endpoints { grpc, http, xray, upstream, metrics: metrics.port(), file: folder.join("out.json") })
    }

    /// The environment that tells the child.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            (OTLP_GRPC, self.grpc.to_string()),
            (OTLP_HTTP, self.http.to_string()),
            (XRAY_UDP, self.xray.to_string()),
            (UPSTREAM, self.upstream.to_string()),
            (METRICS_PORT, self.metrics.to_string()),
            (OUT, self.file.display().to_string()),
            // For signatures that nobody checks.
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".into()),
            ("AWS_SECRET_ACCESS_KEY", "example".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn free_port() -> std::io::Result<std::net::TcpListener> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}
