//! The daemon's flags, in the syntax of Go's `flag` package: one or two dashes, `-name value` or `-name=value`, booleans
//! without a value of their own.

/// What the command line sets; none of it beats the file unless given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) resource_arn: Option<String>,
    pub(crate) local_mode: Option<bool>,
    pub(crate) buffer_memory: Option<u64>,
    pub(crate) region: Option<String>,
    pub(crate) bind: Option<String>,
    pub(crate) bind_tcp: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) config: Option<String>,
    pub(crate) log_file: Option<String>,
    pub(crate) log_level: Option<String>,
    pub(crate) proxy_address: Option<String>,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Run(Box<Flags>),
    Help,
    Version,
}

/// The daemon's words where they still hold.
pub(crate) const USAGE: &str = "\
Usage: collimator xray-daemon [OPTIONS], or the same program under the name xray

  -a, --resource-arn     Amazon Resource Name (ARN) of the AWS resource running the daemon
  -o, --local-mode       Don't ask the EC2 instance for its metadata
  -m, --buffer-memory    Memory in MB for segments that wait to be sent (minimum 3)
  -n, --region           Send segments to the X-Ray service in this Region
  -b, --bind             Listen for segments on this UDP address
  -t, --bind-tcp         Listen for the sampling calls of SDKs on this TCP address
  -r, --role-arn         Assume this IAM role, for another account
  -c, --config           Load the daemon's configuration file from this path
  -f, --log-file         Write logs to this file
  -l, --log-level        dev, debug, info, warn, error or prod (the same as info)
  -p, --proxy-address    Send to AWS through this HTTP proxy
  -v, --version          Show the version
  -h, --help             Show this
";

/// Reads the arguments.
///
/// # Errors
/// What is not understood, in the words of Go's `flag` package.
pub(crate) fn parse(arguments: &[String]) -> Result<Parsed, String> {
    let mut flags = Flags::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        // As in Go, the first argument that is no flag ends them; the daemon has no use for what follows.
        let Some(name) = argument.strip_prefix('-').filter(|name| !name.is_empty()) else { break };
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.is_empty() {
            break;
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        match name {
            "h" | "help" => return Ok(Parsed::Help),
            "v" | "version" if is_true(name, value.as_deref())? => return Ok(Parsed::Version),
            "v" | "version" => {}
            "o" | "local-mode" => flags.local_mode = Some(is_true(name, value.as_deref())?),
            _ => {
                let Some(place) = place(&mut flags, name) else {
                    return Err(format!("flag provided but not defined: -{name}"));
                };
                let value = value.or_else(|| rest.next().cloned());
                let value = value.ok_or_else(|| format!("flag needs an argument: -{name}"))?;
                place.set(name, value)?;
            }
        }
    }
    Ok(Parsed::Run(Box::new(flags)))
}

/// Where a flag's value goes.
enum Place<'a> {
    Text(&'a mut Option<String>),
    Number(&'a mut Option<u64>),
}

impl Place<'_> {
    fn set(self, name: &str, value: String) -> Result<(), String> {
        match self {
            Self::Text(place) => *place = Some(value),
            Self::Number(place) => {
                let number = value.parse();
                *place = Some(number.map_err(|_| {
                    format!("invalid value {value:?} for flag -{name}: must be a whole number of MB")
                })?);
            }
        }
        Ok(())
    }
}

fn place<'a>(flags: &'a mut Flags, name: &str) -> Option<Place<'a>> {
    Some(Place::Text(match name {
        "a" | "resource-arn" => &mut flags.resource_arn,
        "m" | "buffer-memory" => return Some(Place::Number(&mut flags.buffer_memory)),
        "n" | "region" => &mut flags.region,
        "b" | "bind" => &mut flags.bind,
        "t" | "bind-tcp" => &mut flags.bind_tcp,
        "r" | "role-arn" => &mut flags.role_arn,
        "c" | "config" => &mut flags.config,
        "f" | "log-file" => &mut flags.log_file,
        "l" | "log-level" => &mut flags.log_level,
        "p" | "proxy-address" => &mut flags.proxy_address,
        _ => return None,
    }))
}

/// Go's spellings of a boolean.
fn is_true(name: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(format!("invalid boolean value {other:?} for -{name}: parse error")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn flags(line: &str) -> Flags {
        match parsed(line) {
            Ok(Parsed::Run(flags)) => *flags,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_way_to_write_a_flag_is_the_same() {
        let region = |text: &str| Flags { region: Some(text.to_owned()), ..Flags::default() };
        for line in
            ["-n eu-west-1", "-n=eu-west-1", "--n eu-west-1", "--region eu-west-1", "-region=eu-west-1"]
        {
            assert_eq!(flags(line), region("eu-west-1"), "{line}");
        }
        // A boolean takes no value behind a blank, so this ends the flags.
        assert_eq!(flags("-o false -n x"), Flags { local_mode: Some(true), ..Flags::default() });
        assert_eq!(flags("-o=false -n x"), Flags { local_mode: Some(false), ..region("x") });
        assert_eq!(flags("-n x -- -o"), region("x"));
        let all =
            flags("-a arn -m 16 -b 0.0.0.0:2000 -t 0.0.0.0:2000 -r role -c f -f log -l dev -p http://p:1");
        assert_eq!(
            (all.buffer_memory, all.bind.as_deref(), all.log_level.as_deref()),
            (Some(16), Some("0.0.0.0:2000"), Some("dev"))
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, message) in [
            ("-z", "flag provided but not defined: -z"),
            ("-n", "flag needs an argument: -n"),
            ("-m x", "invalid value \"x\" for flag -m: must be a whole number of MB"),
            ("-o=maybe", "invalid boolean value \"maybe\" for -o: parse error"),
        ] {
            assert_eq!(parsed(line), Err(message.to_owned()), "{line}");
        }
        assert_eq!(parsed("-n x -h"), Ok(Parsed::Help));
        assert_eq!(parsed("--version"), Ok(Parsed::Version));
    }
}
