//! The command line.

use std::path::PathBuf;

use clap::builder::ArgAction;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXIT_CODES: &str = "\
Exit codes:
  0  what was asked for was done; a run ended with everything delivered
  1  the configuration is not valid, the start failed, or a run ended with something undelivered
  2  the command line is not understood

A configuration is a FILE, `env:NAME`, `yaml:TEXT`, or an http: or https: URL.";

/// A telemetry pipeline for traces, metrics and logs, configured like the OpenTelemetry Collector.
#[derive(Debug, Parser)]
#[command(name = "collimator", version, disable_version_flag = true, disable_help_subcommand = true)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Print the version.
    #[arg(short = 'v', visible_short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug)]
pub(crate) struct Sources {
    /// A configuration; later ones are merged over earlier ones. Without any, a local pipeline receives OTLP on
    /// localhost and prints a line for what arrives.
    #[arg(long = "config", value_name = "FILE", global = true)]
    pub(crate) config: Vec<String>,
    /// Sets one value over every configuration, such as `--set processors.batch.timeout=2s`.
    #[arg(long = "set", value_name = "PATH=VALUE", global = true)]
    pub(crate) set: Vec<String>,
    /// Feature gates of the Collector to turn on, or with `-` off; see `featuregate`.
    #[arg(long = "feature-gates", value_name = "GATES", global = true, value_delimiter = ',')]
    #[arg(allow_hyphen_values = true)]
    pub(crate) feature_gates: Vec<String>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks configurations without starting anything; silent if all is well.
    Validate {
        /// Configurations, each by itself. Without any, what --config names together.
        files: Vec<String>,
        /// How findings are written.
        #[arg(long, value_enum, default_value_t)]
        format: Report,
        /// Warnings make it fail, too.
        #[arg(long)]
        strict: bool,
    },
    /// Lists the components, or explains the settings of one.
    Components {
        /// The type of a component, such as `otlp` or `processors/batch`.
        name: Option<String>,
        /// How they are written.
        #[arg(long, value_enum, default_value_t)]
        format: Report,
    },
    /// Prints the configuration as it is understood: merged, expanded, secrets masked.
    #[command(visible_alias = "print-initial-config")]
    PrintConfig {
        /// Configurations, merged as with --config.
        files: Vec<String>,
        /// Show every key, those that were not given with their defaults.
        #[arg(long)]
        defaults: bool,
        /// Whether secrets are masked.
        #[arg(long, value_enum, default_value_t)]
        mode: Mode,
        /// The form.
        #[arg(long, value_enum, default_value_t)]
        format: Form,
        /// Whether a configuration that is not valid is refused.
        #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
        validate: bool,
    },
    /// Draws the pipelines.
    Graph {
        /// Configurations, merged as with --config.
        files: Vec<String>,
        /// The form.
        #[arg(long, value_enum, default_value_t)]
        format: Picture,
    },
    /// Prints a JSON schema of configurations, for editors.
    Schema,
    /// Sends documents again that X-Ray refused and `dead_letter` kept, after the cause was mended. What is taken is
    /// removed, the rest stays. It may be used while the collector runs.
    Replay {
        /// The directory that `dead_letter` names.
        directory: PathBuf,
        /// The exporter of the configuration to send with, if it has several of that type.
        #[arg(long, value_name = "ID")]
        exporter: Option<String>,
        /// AWS region, instead of the configuration's.
        #[arg(long)]
        region: Option<String>,
        /// URL of the API, instead of the configuration's.
        #[arg(long, value_name = "URL")]
        endpoint: Option<String>,
        /// Only say what is there.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the feature gates of the Collector, and what they mean here.
    Featuregate {
        /// One of them.
        id: Option<String>,
    },
    /// Turns OTLP traces into X-Ray documents, and X-Ray documents into OTLP.
    Convert(Conversion),
    /// Takes the X-Ray daemon's place, with its own flags; see `xray-daemon -h`.
    #[command(disable_help_flag = true)]
    XrayDaemon {
        /// The daemon's flags.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Prints a script that completes commands in a shell.
    #[command(visible_alias = "completion")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// What `convert` does.
#[derive(Args, Clone, Debug)]
pub(crate) struct Conversion {
    /// Files to read; `-` is standard input, and so is none. OTLP as lines of JSON, as JSON, or as protobuf, with lengths
    /// before its messages or without; X-Ray documents as JSON, one or many, also as `aws xray batch-get-traces` writes
    /// them.
    pub(crate) files: Vec<String>,
    /// What to write. Unless it is said, OTLP becomes X-Ray documents and these become lines of OTLP/JSON.
    #[arg(long, value_enum)]
    pub(crate) to: Option<Target>,
    /// Where to; standard output if it is not said.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Says for each input what could not be carried over, on standard error or in a file (--report=FILE).
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) report: Option<String>,
    /// The form of the report. JSON by itself for a FILE that ends so.
    #[arg(long, value_enum)]
    pub(crate) report_format: Option<Report>,
    /// Keeps in the metadata what the X-Ray exporter leaves out: events, names of scopes, attributes about the network.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Makes every attribute an annotation that can be one.
    #[arg(long)]
    pub(crate) index_all_attributes: bool,
    /// Makes this attribute an annotation; may be given again.
    #[arg(long = "indexed-attribute", value_name = "NAME")]
    pub(crate) indexed_attributes: Vec<String>,
}

/// What `convert` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// X-Ray documents, one a line.
    Xray,
    /// OTLP in JSON, one request a line.
    OtlpJson,
    /// OTLP in protobuf, all of it one request.
    OtlpProto,
}

/// The form of findings and lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The form of a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// What becomes of secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// They are masked.
    #[default]
    Redacted,
    /// They are shown.
    Unredacted,
}

/// The form of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Picture {
    /// Characters.
    #[default]
    Text,
    /// Mermaid, which code hosts show as a picture.
    Mermaid,
    /// Graphviz.
    Dot,
}
