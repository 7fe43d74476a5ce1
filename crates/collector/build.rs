//! Asks the linker to keep one of functions that are the same machine code, which many are that were made of one for several
//! types: a megabyte of the binary. Rust promises nobody that two functions have two addresses.

use std::env::{var, var_os};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["RUSTC_LINKER", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if is_usual_linker() && var("OPT_LEVEL").is_ok_and(|level| level != "0") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether it is the one that comes with the compiler, which knows this; others need not.
fn is_usual_linker() -> bool {
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && var_os("RUSTC_LINKER").is_none()
        && !["linker", "-fuse-ld", "link-self-contained"].iter().any(|word| flags.contains(word))
}
