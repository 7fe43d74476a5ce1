//! Versions, cipher suites and key exchanges, from the names that configurations use.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};

use super::{Common, TlsError, all, both};

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];

/// The range of versions, as rustls wants it.
pub(super) fn versions(common: &Common) -> Result<&'static [&'static SupportedProtocolVersion], TlsError> {
    let range = both(
        version("min_version", &common.min_version, 12),
        version("max_version", &common.max_version, 13),
    )?;
    match range {
        (12, 13) => Ok(BOTH),
        (12, 12) => Ok(ONLY_TLS12),
        (13, 13) => Ok(ONLY_TLS13),
        _ => Err(TlsError::VersionOrder),
    }
}

fn version(key: &'static str, text: &str, default: u8) -> Result<u8, TlsError> {
    match text {
        "" => Ok(default),
        "1.2" => Ok(12),
        "1.3" => Ok(13),
        // A lower bound that is below what there is; the reader of the configuration has warned.
        "1.0" | "1.1" if key == "min_version" => Ok(12),
        "1.0" | "1.1" => Err(TlsError::OldVersion { key, version: text.to_owned() }),
        _ => Err(TlsError::UnknownVersion { key, version: text.to_owned() }),
    }
}

/// aws-lc-rs, cut down to the suites and key exchanges that the settings allow.
pub(super) fn provider(common: &Common) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    let (suites, groups) = both(
        all(common.cipher_suites.iter().map(|name| suite(&provider, name))),
        all(common.curve_preferences.iter().map(|name| group(name))),
    )?;
    if !suites.is_empty() {
        provider.cipher_suites.retain(|suite| is_tls13(suite) || suites.contains(suite));
    }
    if !groups.is_empty() {
        provider.kx_groups.retain(|group| groups.contains(&group.name()));
    }
    Ok(Arc::new(provider))
}

fn suite(provider: &CryptoProvider, name: &str) -> Result<SupportedCipherSuite, TlsError> {
    let older = || provider.cipher_suites.iter().filter(|suite| !is_tls13(suite));
    let found = older().find(|suite| suite_name(suite) == name);
    found.copied().ok_or_else(|| TlsError::CipherSuite {
        name: name.to_owned(),
        available: older().map(suite_name).collect::<Vec<_>>().join(", "),
    })
}

/// The IANA name, which is rustls' own name for it.
fn suite_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite())
}

fn is_tls13(suite: &SupportedCipherSuite) -> bool {
    suite.tls13().is_some()
}

fn group(name: &str) -> Result<NamedGroup, TlsError> {
    match name {
        "P256" => Ok(NamedGroup::secp256r1),
        "P384" => Ok(NamedGroup::secp384r1),
        "X25519" => Ok(NamedGroup::X25519),
        "X25519MLKEM768" => Ok(NamedGroup::X25519MLKEM768),
        _ => Err(TlsError::Curve { name: name.to_owned() }),
    }
}
