//! Where values stand, in every style that YAML has.

use collimator_config::{Diagnostics, Node, Sources, Span, Value, yaml};

fn parse(text: &str) -> (Option<Node>, Diagnostics) {
    let mut sources = Sources::default();
    let source = sources.add("test.yaml", text);
    let mut diagnostics = Diagnostics::new(sources);
    let node = yaml::parse(text, source, &mut diagnostics);
    (node, diagnostics)
}

/// Collects `a:` for a key and `a` for its value, each with line and columns.
fn places(node: &Node, path: &str, found: &mut Vec<String>) {
    let show = |Span { start, end, .. }: Span| {
        let end = if end.line == start.line { String::new() } else { format!("{}:", end.line) }
            + &end.column.to_string();
        format!("{}:{}-{end}", start.line, start.column)
    };
    if !path.is_empty() {
        found.push(format!("{path} {}", show(node.span)));
    }
    match &node.value {
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{path}[{index}]"), found);
            }
        }
        Value::Map(entries) => {
            for (key, node) in entries {
                let path = format!("{path}.{}", key.text);
                found.push(format!("{path}: {}", show(key.span)));
                places(node, &path, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_value_knows_its_place() {
    let check = |text: &str, expected: &[&str]| {
        let (node, diagnostics) = parse(text);
        let mut found = Vec::new();
        places(&node.unwrap_or_else(|| panic!("{diagnostics}")), "", &mut found);
        assert_eq!(found, expected, "{text}");
    };
    check("a: 1\nlong: two words # c", &[".a: 1:1-2", ".a 1:4-5", ".long: 2:1-5", ".long 2:7-16"]);
    check("\u{feff}a: 1", &[".a: 1:1-2", ".a 1:4-5"]);
    check("ä: ö\r\nb: c\r\n", &[".ä: 1:1-2", ".ä 1:4-5", ".b: 2:1-2", ".b 2:4-5"]);
    check("a: \"q\\\"\" # c", &[".a: 1:1-2", ".a 1:4-9"]);
    check("'a': 'q' # c", &[".a: 1:1-4", ".a 1:6-9"]);
    check("a: 'two\n  lines'", &[".a: 1:1-2", ".a 1:4-2:9"]);
    check("a: two\n  lines", &[".a: 1:1-2", ".a 1:4-2:8"]);
    check("a: |\n  one\n  two\nb: 1", &[".a: 1:1-2", ".a 2:3-4:1", ".b: 4:1-2", ".b 4:4-5"]);
    check(
        "a: {b: , c}",
        &[".a: 1:1-2", ".a 1:4-12", ".a.b: 1:5-6", ".a.b 1:5-6", ".a.c: 1:10-11", ".a.c 1:10-11"],
    );
    check("a: [x, [y]]", &[".a: 1:1-2", ".a 1:4-12", ".a[0] 1:5-6", ".a[1] 1:8-11", ".a[1][0] 1:9-10"]);
    check(
        "a:\n  - x\n  -\n  - b: 1",
        &[
            ".a: 1:1-2",
            ".a 2:3-5:1",
            ".a[0] 2:5-6",
            ".a[1] 3:4-4",
            ".a[2] 4:5-5:1",
            ".a[2].b: 4:5-6",
            ".a[2].b 4:8-9",
        ],
    );
    check("a:\nb: 1", &[".a: 1:1-2", ".a 1:1-2", ".b: 2:1-2", ".b 2:4-5"]);
    check("a: &x 1\nb: *x", &[".a: 1:1-2", ".a 1:4-8", ".b: 2:1-2", ".b 1:4-8"]);
}

/// Texts from pieces that mean something to YAML, in no order: the parser may refuse them, and nothing else.
#[test]
fn random_texts() {
    let pieces = [
        "a",
        "b: ",
        "- ",
        "\n",
        "  ",
        "\n  ",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "?",
        "? ",
        "&a ",
        "*a",
        "!",
        "!!str ",
        "|",
        ">",
        "'",
        "\"",
        "#",
        " #",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "%TAG ! x\n",
        "\t",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\\x",
        "\\u12",
        "<<: ",
        "@",
        "`",
        "|+2\n",
        ">-\n",
        "ä",
        "\r",
        "\r\n",
        "\0",
        "-",
        "\\",
        "!<x>",
        "!e!x ",
        "*",
        "&",
        "-\n",
        ":\n",
        "|9",
        "\\UFFFFFFFF",
        "\\ud800",
    ];
    // xorshift: the same texts in every run.
    let mut state = 77_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    let mut fine = 0;
    for _ in 0..5_000 {
        let text: String = (0..next(24)).map(|_| pieces[next(pieces.len())]).collect();
        let (node, diagnostics) = parse(&text);
        assert_eq!(node.is_none(), diagnostics.has_errors(), "{text:?}");
        assert!(!diagnostics.to_string().contains(['\0', '\t']), "{text:?}");
        fine += usize::from(node.is_some());
    }
    assert!(fine > 500, "{fine}: hardly any text was read at all");
}
