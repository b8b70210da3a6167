//! Tells the binary which compiler built it, so that `vaxel bench` can say so beside its figures.

use std::{env, process::Command};

fn main() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned());
    println!("cargo::rustc-env=VAXEL_RUSTC_VERSION={version}");
    println!(
        "cargo::rustc-env=VAXEL_PROFILE={}",
        env::var("PROFILE").unwrap_or_default()
    );
    println!("cargo::rerun-if-changed=build.rs");
}
