//! Where the binary is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The binary under test: `COLLIMATOR_BIN`, or what cargo builds beside the running test, in the same profile.
#[must_use]
pub fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("COLLIMATOR_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

/// Asked of cargo each time, which has nothing to do when the binary is fresh: a stale one would pass or fail for
/// the wrong reasons.
fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // <target>/<profile>/deps/<test>
    let profile_dir = test.ancestors().nth(2).unwrap();
    let target = profile_dir.parent().unwrap();
    let profile = match profile_dir.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        name => name,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "collimator", "--profile", profile, "--target-dir"]);
    let status = cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    assert!(status.success(), "the binary does not build");
    profile_dir.join("collimator")
}
