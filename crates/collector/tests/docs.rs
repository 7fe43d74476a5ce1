//! The documents say what the code does: settings tables, the template's source, the list of components.
//!
//! `UPDATE_EXPECTED=1 cargo test -p collimator --test docs` rewrites what is generated.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use component::{Kind, Spec};

#[path = "../src/components.rs"]
mod components;

const BEGIN: &str = "<!-- settings: generated, see crates/collector/tests/docs.rs -->";
const END: &str = "<!-- end of settings -->";
const SOURCE_BEGIN: &str = "<!-- source: plugins/processors/template/src/lib.rs -->\n```rust\n";
const SOURCE_END: &str = "```\n<!-- end of source -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders down").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A component's folder is named like its type, or like what that was called before.
fn folder(spec: &Spec) -> PathBuf {
    let names = [&[spec.name], spec.deprecated_names].concat();
    let folders = names.iter().map(|name| root().join("plugins").join(spec.kind.section()).join(name));
    folders
        .into_iter()
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| panic!("no folder for {}", spec.name))
}

fn table(spec: &Spec) -> String {
    let rows = spec.reference();
    if rows.is_empty() {
        return "There are none.\n".to_owned();
    }
    let mut table = "| key | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for row in rows {
        let default = if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
        let cells = [format!("`{}`", row.name), row.type_name, default, row.doc];
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        writeln!(table, "| {} |", cells.join(" | ")).expect("a string can be written to");
    }
    table
}

/// Puts `wanted` between the marks, or says that it is not there.
fn check_block(path: &Path, begin: &str, end: &str, wanted: &str) {
    let text = read(path);
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{}: no `{begin}`", path.display()));
    let (found, after) = rest.split_once(end).unwrap_or_else(|| panic!("{}: no `{end}`", path.display()));
    if found == wanted {
        return;
    }
    let update = env::var_os("UPDATE_EXPECTED").is_some();
    assert!(update, "{} is stale: UPDATE_EXPECTED=1 cargo test -p collimator --test docs", path.display());
    fs::write(path, format!("{before}{begin}{wanted}{end}{after}")).expect("it can be written");
}

#[test]
fn settings_are_documented_as_they_are() {
    for kind in Kind::ALL {
        for spec in components::COMPONENTS.of_kind(kind) {
            let readme = folder(spec).join("README.md");
            check_block(&readme, BEGIN, END, &format!("\n\n{}\n", table(spec)));
        }
    }
}

#[test]
fn the_template_in_the_readme_is_the_one_that_compiles() {
    let source = read(&root().join("plugins/processors/template/src/lib.rs"));
    check_block(&root().join("plugins/README.md"), SOURCE_BEGIN, SOURCE_END, &source);
}

#[test]
fn every_component_is_in_the_readme() {
    let readme = read(&root().join("README.md"));
    for kind in Kind::ALL {
        for spec in components::COMPONENTS.of_kind(kind) {
            let folder = folder(spec);
            let link = folder.strip_prefix(root()).expect("below the root").display().to_string();
            let row = readme.lines().find(|line| line.starts_with('|') && line.contains(&format!("({link}")));
            let row = row.unwrap_or_else(|| panic!("{link} is not in README.md"));
            for said in [format!("`{}`", spec.name), kind.to_string(), spec.stability.name().to_owned()] {
                assert!(row.contains(&said), "README.md does not say `{said}` of {link}: {row}");
            }
        }
    }
}

/// Links of a Markdown text that lead into the repository, without their anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    inside.filter_map(|target| target.split('#').next())
}

#[test]
fn links_lead_somewhere() {
    let mut documents: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "plugins/README.md",
        "benches/README.md",
    ]
    .map(|name| root().join(name))
    .to_vec();
    for kind in Kind::ALL {
        documents.extend(components::COMPONENTS.of_kind(kind).map(|spec| folder(spec).join("README.md")));
    }
    for document in documents {
        let text = read(&document);
        for link in links(&text) {
            let target = document.with_file_name("").join(link);
            assert!(target.exists(), "{} links to {link}, which is not there", document.display());
        }
    }
}

/// What ARCHITECTURE.md names as `path/to/file.rs` or `path/to/tests.rs: name_of_a_test`.
#[test]
fn files_and_tests_that_the_architecture_names_are_there() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let code = text.split('`').skip(1).step_by(2);
    let mut named = 0;
    for code in code.filter(|code| code.starts_with("crates/") || code.starts_with("plugins/")) {
        if code.contains(['*', '<', '{']) {
            continue;
        }
        let (path, test) = code.split_once(": ").map_or((code, None), |(path, test)| (path, Some(test)));
        let path = root().join(path);
        assert!(path.exists(), "ARCHITECTURE.md names {code}, which is not there");
        if let Some(test) = test {
            assert!(
                read(&path).contains(&format!("fn {test}(")),
                "ARCHITECTURE.md names {code}: no such test"
            );
        }
        named += 1;
    }
    assert!(named > 40, "only {named} were found");
}
