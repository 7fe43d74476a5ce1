//! Settings of components, read as the binary reads them.

use config::{Diagnostics, Section, Sources};

/// The settings that a text gives at a place such as `exporters::file`, unless something is wrong with them, and
/// everything that was found about them, as the user would read it.
pub fn read<C: Section>(yaml: &str, place: &str) -> (Option<C>, String) {
    let mut sources = Sources::default();
    let source = sources.add("test.yaml", yaml);
    let mut diagnostics = Diagnostics::new(sources);
    let settings = config::yaml::parse(yaml, source, &mut diagnostics)
        .and_then(|node| config::read::<C>(&node, &mut diagnostics, place));
    (settings, diagnostics.to_string())
}
