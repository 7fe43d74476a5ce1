//! What a configuration may refer to: variables, files, web servers.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use component::Environment;
use config::{Env, SystemEnv};
use net::http::client::{Client, Settings};

use crate::machine;

/// For a server to give a configuration. The Collector waits for ever.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The environment of the process, with a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        SystemEnv.var(name)
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        SystemEnv.read_file(path)
    }

    fn fetch(&self, url: &str) -> io::Result<Vec<u8>> {
        let url = url.to_owned();
        // A thread of its own: configurations are also read where a runtime runs already.
        let fetched = std::thread::spawn(move || fetch(&url)).join();
        fetched.unwrap_or_else(|_| Err(io::Error::other("the request ended unexpectedly")))
    }
}

/// What surrounds the process. What is not UTF-8 in its variables is replaced.
pub(crate) fn of_process() -> Environment {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    Environment::new(std::env::vars_os().map(|(name, value)| (text(name), text(value))))
        .on(machine::machine())
}

fn fetch(url: &str) -> io::Result<Vec<u8>> {
    let settings = Settings {
        timeout: FETCH_TIMEOUT,
        max_response_body_size: config::yaml::MAX_BYTES + 1,
        disable_keep_alives: true,
        ..Settings::default()
    };
    let variables = of_process();
    let proxies = net::proxy::Environment::from_variables(|name| variables.get(name));
    let client = Client::new(settings, &proxies).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let response = runtime.block_on(client.get(url)).map_err(io::Error::other)?;
    if !response.status.is_success() {
        return Err(io::Error::other(format!("the server answered {}", response.status)));
    }
    Ok(response.body.to_vec())
}
