//! Which region: each component's documented order of precedence.

use std::path::Path;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use component::Environment;

/// ECS writes a file of a few hundred bytes.
const MAX_METADATA_FILE: u64 = 1 << 20;

/// Where to look, in which order, when the configuration names no region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The AWS SDK's: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile, instance metadata.
    Sdk,
    /// The Collector's AWS proxy: `AWS_DEFAULT_REGION`, `AWS_REGION`, ECS's metadata file, instance metadata.
    Proxy,
    /// The X-Ray daemon: `AWS_REGION`, ECS's metadata file, instance metadata; locally `AWS_REGION` and the profile.
    Daemon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Variable(&'static str),
    Profile,
    EcsFile,
    Imds,
}

/// Where a region came from, for logs.
pub type Origin = &'static str;

fn sources(order: Order, local_mode: bool) -> Vec<Source> {
    use Source::{EcsFile, Imds, Profile, Variable};
    let (region, default_region) = (Variable("AWS_REGION"), Variable("AWS_DEFAULT_REGION"));
    match (order, local_mode) {
        (Order::Sdk, false) => vec![region, default_region, Profile, Imds],
        (Order::Sdk, true) => vec![region, default_region, Profile],
        (Order::Proxy, false) => vec![default_region, region, EcsFile, Imds],
        (Order::Proxy, true) => vec![default_region, region],
        (Order::Daemon, false) => vec![region, EcsFile, Imds],
        (Order::Daemon, true) => vec![region, Profile],
    }
}

/// The first region that is found, and where. With `local_mode` no metadata service is asked.
pub(crate) async fn find(
    order: Order,
    local_mode: bool,
    environment: &Environment,
    sdk: &ProviderConfig,
) -> Option<(String, Origin)> {
    for source in sources(order, local_mode) {
        let found = match source {
            Source::Variable(name) => environment.get(name).map(str::to_owned).map(|value| (value, name)),
            Source::Profile => {
                let provider = ProfileFileRegionProvider::builder().configure(sdk).build();
                provider.region().await.map(|region| (region.to_string(), "the profile"))
            }
            Source::EcsFile => from_ecs_file(environment).map(|region| (region, "ECS's metadata file")),
            Source::Imds => {
                let provider = ImdsRegionProvider::builder().configure(sdk).build();
                provider.region().await.map(|region| (region.to_string(), "instance metadata"))
            }
        };
        if let Some(found) = found.filter(|(region, _)| !region.is_empty()) {
            return Some(found);
        }
    }
    None
}

/// The region for a process that has to know it before anything is started.
pub async fn resolve(
    configured: &str,
    order: Order,
    local_mode: bool,
    environment: &Environment,
) -> Option<String> {
    if !configured.is_empty() {
        return Some(configured.to_owned());
    }
    let proxies = net::proxy::Environment::from_variables(|name| environment.get(name));
    let sdk = crate::session::provider(crate::connector::Http::new(proxies));
    find(order, local_mode, environment, &sdk).await.map(|(region, _)| region)
}

/// What may stand in a host's name: the region becomes part of one.
///
/// # Errors
/// Says what is wrong.
pub fn check(region: &str) -> Result<(), String> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !region.is_empty() && region.len() <= 64 && region.chars().all(is_fine) {
        true => Ok(()),
        false => {
            Err(format!("invalid region {region:?}: lower-case letters, digits and dashes are expected"))
        }
    }
}

/// The region of the task that ECS describes in a file, if it was asked to.
fn from_ecs_file(environment: &Environment) -> Option<String> {
    if environment.get("ECS_ENABLE_CONTAINER_METADATA") != Some("true") {
        return None;
    }
    let path = environment.get("ECS_CONTAINER_METADATA_FILE").filter(|path| !path.is_empty())?;
    match read_ecs_file(Path::new(path)) {
        Ok(region) => Some(region),
        Err(error) => {
            tracing::warn!(path, %error, "the region can't be read from ECS's metadata file");
            None
        }
    }
}

fn read_ecs_file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_METADATA_FILE {
        return Err(format!("it has {size} bytes"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let metadata: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let arn = metadata.get("TaskARN").and_then(serde_json::Value::as_str).ok_or("it has no TaskARN")?;
    let region = arn.split(':').nth(3).filter(|region| !region.is_empty());
    region.map(str::to_owned).ok_or_else(|| format!("TaskARN {arn:?} has no region"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[tokio::test]
    async fn variables_go_in_each_component_s_order() {
        let both = environment(&[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "us-east-2")]);
        let sdk = crate::session::provider(crate::connector::Http::new(Default::default()));
        for (order, expected) in
            [(Order::Sdk, "eu-west-1"), (Order::Proxy, "us-east-2"), (Order::Daemon, "eu-west-1")]
        {
            let found = find(order, true, &both, &sdk).await;
            assert_eq!(found.map(|(region, _)| region).as_deref(), Some(expected), "{order:?}");
        }
        let empty = environment(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-2")]);
        let found = find(Order::Sdk, true, &empty, &sdk).await;
        assert_eq!(found, Some(("us-east-2".to_owned(), "AWS_DEFAULT_REGION")));
        assert_eq!(find(Order::Proxy, true, &environment(&[]), &sdk).await, None);
    }

    #[test]
    fn metadata_is_asked_last_and_not_in_local_mode() {
        for order in [Order::Sdk, Order::Proxy, Order::Daemon] {
            assert_eq!(sources(order, false).last(), Some(&Source::Imds), "{order:?}");
            let local = sources(order, true);
            assert!(!local.contains(&Source::Imds) && !local.contains(&Source::EcsFile), "{order:?}");
        }
    }

    #[test]
    fn ecs_tells_the_region_of_its_task() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metadata.json");
        let asked = |enabled: &str| {
            from_ecs_file(&environment(&[
                ("ECS_ENABLE_CONTAINER_METADATA", enabled),
                ("ECS_CONTAINER_METADATA_FILE", path.to_str().unwrap()),
            ]))
        };
        assert_eq!(asked("true"), None, "there is no such file");
        std::fs::write(&path, r#"{"TaskARN":"arn:aws:ecs:eu-north-1:012345678910:task/default/2b88"}"#)
            .unwrap();
        assert_eq!(asked("true").as_deref(), Some("eu-north-1"));
        assert_eq!(asked("false"), None);
        for bad in [r#"{"TaskARN":"arn:aws"}"#, "{}", "no JSON", r#"{"TaskARN":5}"#] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(asked("true"), None, "{bad}");
        }
    }

    #[test]
    fn regions_are_checked() {
        for good in ["eu-west-1", "us-gov-west-1", "local"] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in ["", "EU-WEST-1", "evil.com/", "a b", &"x".repeat(65)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
