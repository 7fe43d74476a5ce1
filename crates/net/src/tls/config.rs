//! `tls:` blocks as they are read from a configuration.

use config::{Checks, Fields, Section};

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
        fields.field("reload_interval", "Read certificate and key again this often; 0 is never.", |c| {
            &mut c.reload_interval
        });
        fields.unsupported("tpm", "Keep the private key in a TPM.", "keys in a TPM cannot be used yet");
    }

    fn check(&self, checks: &mut Checks) {
        report(self.problems(), checks);
        if matches!(self.min_version.as_str(), "1.0" | "1.1") {
            let message =
                format!("TLS {} is not available: 1.2 is the lowest version here", self.min_version);
            checks.warn("min_version", message);
        }
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
fn report(problems: Vec<TlsError>, checks: &mut Checks) {
    for problem in problems {
        let key = match &problem {
            TlsError::TwoCas => "ca_pem",
            TlsError::TwoForms(what) if *what == "key" => "key_pem",
            TlsError::TwoForms(_) => "cert_pem",
            TlsError::UnknownVersion { key, .. } | TlsError::OldVersion { key, .. } => key,
            TlsError::VersionOrder => "min_version",
            TlsError::CipherSuite { .. } => "cipher_suites",
            TlsError::Curve { .. } => "curve_preferences",
            _ => "",
        };
        checks.at(key, problem.to_string());
    }
}
