//! Asks the linker to keep one of functions that are the same machine code, which many are that were made of one for several
//! types: a megabyte of the binary. Rust promises nobody that two functions have two addresses, and nothing here that is
//! written in C asks.

use std::env::{var, var_os};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// LLD, which comes with the compiler, knows it, and so does mold.
const FOLD: &str = "-Wl,--icf=all";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = var("TARGET").unwrap_or_default().to_uppercase().replace(['-', '.'], "_");
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "RUSTC"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for name in ["LINKER", "RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed=CARGO_TARGET_{target}_{name}");
    }
    if var("OPT_LEVEL").is_ok_and(|level| level != "0") && links().unwrap_or(false) {
        println!("cargo::rustc-link-arg-bins={FOLD}");
    }
}

/// Whether a program can be linked that way.
fn links() -> Option<bool> {
    let folder = var_os("OUT_DIR")?;
    let program = Path::new(&folder).join("probe.rs");
    fs::write(&program, "fn main() {}").ok()?;
    let mut rustc = Command::new(var_os("RUSTC")?);
    rustc
        .args(["--target", &var("TARGET").ok()?, "-C", &format!("link-arg={FOLD}"), "--out-dir"])
        .arg(&folder)
        .arg(&program);
    if let Some(linker) = var_os("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={}", linker.display()));
    }
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    Some(rustc.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?.success())
}
