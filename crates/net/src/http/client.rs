//! stub
/// ua
pub fn default_user_agent() -> String {
    format!("Collimator/{} ({}/{})", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}
