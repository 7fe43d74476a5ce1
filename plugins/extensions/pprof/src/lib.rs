//! `pprof`: CPU and heap profiles of the running process, in the form that `go tool pprof` reads.

mod config;
mod encode;
mod held;
mod profile;
mod site;

use component::{
    BuildCx, BuildError, Carries, Component, Ended, Extension, Kind, RunCx, Spec, Stability, Stage,
};
use data::Signals;

pub use crate::config::Config;
use crate::profile::Recording;
use crate::site::Profiles;

/// The component type.
pub const SPEC: Spec =
    Spec::new::<Pprof>(Kind::Extension, "pprof", "Takes CPU and heap profiles of the running process")
        .carrying(Carries::Same(Signals::of(&[])))
        .stability(Stability::Alpha);

/// The extension.
#[derive(Debug)]
pub struct Pprof {
    config: Config,
}

impl Component for Pprof {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::extension(Self { config: config.clone() }))
    }
}

impl Extension for Pprof {
    async fn run(self, cx: RunCx) -> Ended {
        let heap_interval = u64::from(self.config.heap_sample_interval_kib) * 1024;
        let profiles = Profiles { heap_interval };
        let _sampling = Sampling::start(heap_interval);
        let save_to = self.config.save_to_file;
        if save_to.is_empty() {
            return admin::serve(&self.config.server, profiles, &cx).await;
        }
        // Opened now, so that a path that can't be written fails the start.
        let file = std::fs::File::create(&save_to).map_err(|error| format!("{save_to}: {error}"))?;
        let recording = Recording::start()?;
        let served = admin::serve(&self.config.server, profiles, &cx).await;
        let saved = recording.finish().map(|profile| profile.encoded());
        if let Err(error) = saved.map_err(std::io::Error::other).and_then(|bytes| save(file, &bytes)) {
            tracing::error!(%error, path = save_to, "the profile could not be saved");
        }
        served
    }
}

/// Samples of the heap are taken as long as this lives.
struct Sampling;

impl Sampling {
    fn start(interval: u64) -> Option<Self> {
        let interval = usize::try_from(interval).ok().filter(|interval| *interval > 0)?;
        ::heap::start(interval);
        Some(Self)
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        ::heap::stop();
    }
}

fn save(mut file: std::fs::File, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
