//! Versions, cipher suites and key exchanges, from the names that configurations use.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};

use super::{Common, TlsError, all, both};

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];

/// The range of versions, as rustls wants it. What is below 1.2 is 1.2; the reader of the configuration has warned.
pub(super) fn versions(common: &Common) -> Result<&'static [&'static SupportedProtocolVersion], TlsError> {
    let (least, most) = both(
        version("min_version", &common.min_version, 12),
        version("max_version", &common.max_version, 13),
    )?;
    match (least.max(12), most.max(12)) {
        _ if most < least => Err(TlsError::VersionOrder),
        (12, 12) => Ok(ONLY_TLS12),
        (13, _) => Ok(ONLY_TLS13),
        _ => Ok(BOTH),
    }
}

fn version(key: &'static str, text: &str, default: u8) -> Result<u8, TlsError> {
    match text {
        "" => Ok(default),
        "1.0" => Ok(10),
        "1.1" => Ok(11),
        "1.2" => Ok(12),
        "1.3" => Ok(13),
        _ => Err(TlsError::UnknownVersion { key, version: text.to_owned() }),
    }
}

/// What Go's TLS has and rustls has not: no forward secrecy, or no authenticated encryption.
const ONLY_IN_GO: [&str; 16] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// Whether the Collector knows a cipher suite that is not there: it is left out of the list, with a warning.
pub(super) fn is_only_in_go(suite: &str) -> bool {
    ONLY_IN_GO.contains(&suite)
}

/// The same for a key exchange.
pub(super) const CURVE_ONLY_IN_GO: &str = "P521";

/// aws-lc-rs, cut down to the suites and key exchanges that the settings allow.
pub(super) fn provider(common: &Common) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    let suites = common.cipher_suites.iter().filter(|name| !is_only_in_go(name));
    let groups = common.curve_preferences.iter().filter(|name| *name != CURVE_ONLY_IN_GO);
    let (suites, groups) =
        both(all(suites.map(|name| suite(&provider, name))), all(groups.map(|name| group(name))))?;
    if !common.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| is_tls13(suite) || suites.contains(suite));
        if versions(common)? == ONLY_TLS12 && suites.iter().all(is_tls13) {
            return Err(TlsError::NoCipherSuite);
        }
    }
    if !groups.is_empty() {
        provider.kx_groups.retain(|group| groups.contains(&group.name()));
    }
    Ok(Arc::new(provider))
}

fn suite(provider: &CryptoProvider, name: &str) -> Result<SupportedCipherSuite, TlsError> {
    let found = provider.cipher_suites.iter().find(|suite| suite_name(suite) == name);
    found.copied().ok_or_else(|| {
        let older = provider.cipher_suites.iter().filter(|suite| !is_tls13(suite));
        let available = older.map(suite_name).collect::<Vec<_>>().join(", ");
        TlsError::CipherSuite { name: name.to_owned(), available }
    })
}

/// The IANA name, which is also Go's. rustls marks those of TLS 1.3.
fn suite_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
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
