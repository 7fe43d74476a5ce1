//! `tls:` blocks as they are read from a configuration.

use std::time::Duration;

use config::{Checks, Fields, Secret, Section};

use super::parameters::{CURVE_ONLY_IN_GO, is_only_in_go};
use super::{ClientSettings, Common, ServerSettings, TlsError};

impl Section for Common {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("ca_file", "PEM file of the authorities to trust.", |c| &mut c.ca_file);
        fields.field("ca_pem", "The authorities to trust, as PEM.", |c| &mut c.ca_pem);
        fields.field("cert_file", "PEM file of the own certificate and its chain.", |c| &mut c.cert_file);
        fields.field("cert_pem", "The own certificate and its chain, as PEM.", |c| &mut c.cert_pem);
        fields.field("key_file", "PEM file of the private key.", |c| &mut c.key_file);
        fields.field("key_pem", "The private key, as PEM.", |c| &mut c.key_pem);
        fields.field("include_system_ca_certs_pool", "Trust the system's authorities, too.", |c| {
            &mut c.include_system_ca_certs_pool
        });
        fields.field("min_version", "Lowest TLS version: 1.2 (the default) or 1.3.", |c| &mut c.min_version);
        fields.field("max_version", "Highest TLS version: 1.2 or 1.3 (the default).", |c| &mut c.max_version);
        fields.field("cipher_suites", "TLS 1.2 cipher suites to allow, by name; all when empty.", |c| {
            &mut c.cipher_suites
        });
        fields
            .field("include_insecure_cipher_suites", "Allow weak cipher suites.", |c| {
                &mut c.include_insecure_cipher_suites
            })
            .not_honoured("no weak cipher suites are built in");
        fields.field(
            "curve_preferences",
            "Key exchanges to allow: P256, P384, X25519, X25519MLKEM768; all when empty.",
            |c| &mut c.curve_preferences,
        );
        fields
            .field("reload_interval", "Read certificate and key again this often; 0 is never.", |c| {
                &mut c.reload_interval
            })
            .negative_is(Duration::from_nanos(1), "at every handshake");
        fields.forgotten::<Tpm>("tpm", "Keep the private key in a TPM.");
    }

    fn check(&self, checks: &mut Checks) {
        report(self, checks);
        for (key, version) in [("min_version", &self.min_version), ("max_version", &self.max_version)] {
            if matches!(version.as_str(), "1.0" | "1.1") {
                checks.warn(key, format!("TLS {version} is not available: 1.2 is the lowest version here"));
            }
        }
        for (index, name) in self.cipher_suites.iter().enumerate().filter(|(_, name)| is_only_in_go(name)) {
            let message = format!("the cipher suite {name} is not available: it is left out");
            checks.warn(&format!("cipher_suites.{index}"), message);
        }
        for (index, name) in self.curve_preferences.iter().enumerate() {
            if name == CURVE_ONLY_IN_GO {
                let only = self.curve_preferences.len() == 1;
                let instead = if only { "every other is allowed" } else { "it is left out" };
                let message = format!("the curve {name} is not available: {instead}");
                checks.warn(&format!("curve_preferences.{index}"), message);
            }
        }
    }
}

/// `tpm:`, read for its types.
#[derive(Clone, Default)]
struct Tpm {
    enabled: bool,
}

impl Section for Tpm {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("enabled", "Whether the key is in there.", |c| &mut c.enabled)
            .unsupported("keys in a TPM cannot be used yet");
        fields.forgotten::<String>("path", "The device.");
        fields.forgotten::<Secret>("owner_auth", "Password of its owner.");
        fields.forgotten::<Secret>("auth", "Password of the key.");
    }
}

impl Section for ServerSettings {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.common);
        fields.field(
            "client_ca_file",
            "PEM file of the authorities whose certificates every client must have.",
            |c| &mut c.client_ca_file,
        );
        fields.field("client_ca_file_reload", "Read client_ca_file again when it changes.", |c| {
            &mut c.client_ca_file_reload
        });
    }

    fn check(&self, checks: &mut Checks) {
        if matches!(self.common.has_pair(), Ok(false)) {
            checks.at("", TlsError::HalfPair.to_string());
        }
    }
}

impl Section for ClientSettings {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.common);
        fields.field(
            "insecure",
            "gRPC: no TLS, unless an authority is configured. HTTP goes by the URL's scheme.",
            |c| &mut c.insecure,
        );
        fields.field("insecure_skip_verify", "Accept any certificate of the server.", |c| {
            &mut c.insecure_skip_verify
        });
        fields.field("server_name_override", "The server's name to ask for and verify.", |c| {
            &mut c.server_name_override
        });
    }
}

/// Puts each problem where its key is.
fn report(common: &Common, checks: &mut Checks) {
    let item = |list: &[String], key: &str, name: &String| {
        let index = list.iter().position(|item| item == name);
        index.map_or_else(|| key.to_owned(), |index| format!("{key}.{index}"))
    };
    for problem in common.problems() {
        let key = match &problem {
            TlsError::TwoCas => "ca_pem".to_owned(),
            TlsError::TwoForms(what) if *what == "key" => "key_pem".to_owned(),
            TlsError::TwoForms(_) => "cert_pem".to_owned(),
            TlsError::UnknownVersion { key, .. } => (*key).to_owned(),
            TlsError::VersionOrder => "min_version".to_owned(),
            TlsError::CipherSuite { name, .. } => item(&common.cipher_suites, "cipher_suites", name),
            TlsError::NoCipherSuite => "cipher_suites".to_owned(),
            TlsError::Curve { name } => item(&common.curve_preferences, "curve_preferences", name),
            _ => String::new(),
        };
        match problem {
            TlsError::CipherSuite { .. } | TlsError::NoCipherSuite | TlsError::Curve { .. } => {
                checks.when_built(&key, problem.to_string());
            }
            _ => checks.at(&key, problem.to_string()),
        }
    }
}
