//! The forms of input.

use super::*;

/// All pieces: a mark of what each is, and where it is.
fn pieces(reader: impl Read + 'static, room: usize) -> Vec<String> {
    let mut input = Input::new("-", Box::new(BufReader::with_capacity(room, reader)), None);
    let next = || input.next_piece().expect("it can be read");
    let mark = |(piece, place)| match piece {
        Piece::OtlpJson(text) => format!("{place}: {} bytes of OTLP", text.len()),
        Piece::OtlpProto(message) => format!("{place}: {} bytes of protobuf", message.len()),
        Piece::Document(text) => format!("{place}: {}", String::from_utf8_lossy(&text)),
        Piece::Unreadable(_) => format!("{place}: not readable"),
    };
    std::iter::from_fn(next).map(mark).collect()
}

#[track_caller]
fn check(input: &'static [u8], expected: &[&str]) {
    // However little is there at a time.
    for room in [1, 2, 7, 1 << 16] {
        assert_eq!(pieces(input, room), expected, "{room} at a time of {}", input.escape_ascii());
    }
}

#[test]
fn a_line_that_is_no_value_takes_no_other_with_it() {
    const A: &str = "{\"name\":1}";
    let torn =
        ["plain", "23,\"id\":7}]}", "{\"name\":1},{\"id\":7}]}", "{\"a\":[1,", "[", "{\"a\":\"b", "]", "{}}"];
    for torn in torn {
        let text = format!("\n{torn}\n{A}\n\n{A}\n{torn}\n{A}").leak();
        let lines =
            ["2: not readable", "3: {\"name\":1}", "5: {\"name\":1}", "6: not readable", "7: {\"name\":1}"];
        check(text.as_bytes(), &lines.map(|line| format!("line {line}")).each_ref().map(String::as_str));
    }
}

#[test]
fn values_go_over_lines_and_lines_have_several() {
    check(
        b"\n{\n\"name\":\n1}\n[{\"id\":1},\n\n{\"id\":2}\n] {\"id\":3}{\"id\":4}\n{\"id\":5}\n",
        &[
            "line 2: {\n\"name\":\n1}",
            "line 5: {\"id\":1}",
            "line 5: {\"id\":2}",
            "line 8: {\"id\":3}",
            "line 8: {\"id\":4}",
            "line 9: {\"id\":5}",
        ],
    );
    check(
        b"{\n\"name\":\n{\"id\":1}\n",
        &["line 1: not readable", "line 2: not readable", "line 3: {\"id\":1}"],
    );
    check("\u{feff}{\"id\":1}".as_bytes(), &["line 1: {\"id\":1}"]);
    check(b"", &[]);
    check(b" \n\n", &[]);
}

#[test]
fn the_form_is_told_however_little_comes_first() {
    // The first is a tag and a length, or a line feed and a brace.
    let mut message = vec![0x0a, 0x7b, 0x12, 0x79];
    message.resize(2 + 0x7b, b' ');
    let length = [&[0, 0, 0, 0x7d][..], &message].concat();
    check(message.leak(), &["resource 1: 125 bytes of protobuf"]);
    check(length.leak(), &["message 1: 125 bytes of protobuf"]);
    check(b"\n{\"id\":\n1}", &["line 2: {\"id\":\n1}"]);
    check(b"\n\t\r\n plain\n{\"id\":1}", &["line 3: not readable", "line 4: {\"id\":1}"]);
}

/// What a program writes that goes on for ever.
struct Endless(usize);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line: &[u8] = if self.0 == 0 { b"d\":1}\n" } else { b"{\"id\":1}\n" };
        self.0 += 1;
        assert!(self.0 < 100, "nothing came of many lines");
        buffer.get_mut(..line.len()).expect("room").copy_from_slice(line);
        Ok(line.len())
    }
}

#[test]
fn lines_are_handed_over_before_the_input_ends() {
    let mut input = Input::new("-", Box::new(BufReader::new(Endless(0))), None);
    let mut next = || input.next_piece().expect("it can be read").expect("a piece");
    assert!(matches!(next(), (Piece::Unreadable(_), place) if place == "line 1"));
    for line in 2..50 {
        assert!(matches!(next(), (Piece::Document(_), place) if place == format!("line {line}")));
    }
}

#[test]
fn any_input_is_the_same_however_it_comes() {
    const PARTS: [&str; 16] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "1",
        "\"id\":",
        "{\"id\":1}",
        "\n",
        "\n",
        " ",
        "\\",
        "a",
        "\u{2}",
    ];
    let mut random = 0x9e37_79b9_u32;
    for _ in 0..5_000 {
        let mut text = String::new();
        for _ in 0..24 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(PARTS[random as usize >> 8 & 15]);
        }
        let input: &'static [u8] = text.leak().as_bytes();
        let whole = pieces(input, 1 << 16);
        assert_eq!(pieces(input, 1), whole, "{}", input.escape_ascii());
        assert!(whole.len() <= input.len(), "{whole:?}");
    }
}
