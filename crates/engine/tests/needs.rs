//! What components need of each other is found when a configuration is read.

use std::path::Path;

use collimator_engine::Draft;
use component::{BuildCx, BuildError, Component, Kind, Spec, Specs, Stage};
use config::{ComponentId, Env, Fields, Location, Section, load};

/// A component that keeps its data in a storage extension, if it is told to.
struct Keeper;

#[derive(Clone, Default)]
struct Settings {
    storage: Option<ComponentId>,
}

impl Section for Settings {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("storage", "The extension.", |c| &mut c.storage);
    }
}

impl Component for Keeper {
    type Config = Settings;

    fn build(config: &Settings, _: &BuildCx) -> Result<Stage, BuildError> {
        Err(BuildError::at("storage", format!("{:?} is never built", config.storage)))
    }
}

static SPECS: &[&Spec] = &[
    &Spec::new::<Keeper>(Kind::Receiver, "in", "In"),
    &Spec::new::<Keeper>(Kind::Exporter, "out", "Out"),
    &Spec::new::<Keeper>(Kind::Extension, "disk", "Disk"),
];

struct NoEnv;

impl Env for NoEnv {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn read_file(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// The errors about a configuration whose exporter and extensions are these.
fn errors(exporter: &str, extensions: &str, started: &str) -> Vec<String> {
    let text = format!(
        "receivers: {{in: }}\nexporters: {{out: {exporter}}}\nextensions: {{{extensions}}}\n\
         service: {{extensions: [{started}], pipelines: {{traces: {{receivers: [in], exporters: [out]}}}}}}"
    );
    let tree = load(&[Location::Yaml(text)], &NoEnv).expect("it is YAML");
    let mut diagnostics = tree.diagnostics();
    assert!(Draft::read(&tree, Specs(SPECS), &mut diagnostics).is_some());
    let errors = diagnostics.sorted().into_iter().filter(|found| found.severity == config::Severity::Error);
    errors.map(|found| format!("{}:{} {}", found.span.start.line, found.path, found.message)).collect()
}

#[test]
fn an_extension_that_is_needed_must_be_there_and_started() {
    let none: [&str; 0] = [];
    assert_eq!(errors("{}", "", ""), none);
    assert_eq!(errors("{storage: }", "", ""), none);
    assert_eq!(errors("{storage: disk/a}", "disk/a: ", "disk/a"), none);
    let missing = ["2:exporters::out::storage no extension `disk/a` is configured"];
    assert_eq!(errors("{storage: disk/a}", "disk: ", "disk"), missing);
    let not_started = ["2:exporters::out::storage the extension `disk/a` is not started"];
    assert_eq!(errors("{storage: disk/a}", "disk/a: ", ""), not_started);
    // Not used is no excuse for the extension: its own settings are checked as well.
    let of_extension = ["3:extensions::disk::storage no extension `disk/b` is configured"];
    assert_eq!(errors("{}", "disk: {storage: disk/b}", "disk"), of_extension);
}

/// What can't be built is reported with what can't be read.
#[test]
fn failures_to_build_come_with_the_rest() {
    let text = "{receivers: {in: }, exporters: {out: , out/2: {stroage: x}}, \
                service: {pipelines: {traces: {receivers: [in], exporters: [out]}}}}";
    let tree = load(&[Location::Yaml(text.to_owned())], &NoEnv).expect("it is YAML");
    let mut diagnostics = tree.diagnostics();
    let draft = Draft::read(&tree, Specs(SPECS), &mut diagnostics).expect("a structure");
    let cx = BuildCx {
        id: "".into(),
        signal: None,
        signals: data::Signals::default(),
        environment: component::Environment::default(),
        user_agent: "".into(),
    };
    draft.try_build(&cx, &mut diagnostics);
    let said = diagnostics.to_string();
    for text in
        ["unknown key `stroage`", "at: receivers::in::storage", "at: exporters::out::storage", "never built"]
    {
        assert!(said.contains(text), "{text}:\n{said}");
    }
    assert!(!said.contains("at: exporters::out/2::storage"), "{said}");
}
