//! Each language's examples, and what fails in the reference.

use super::*;

/// Exceptions after the first as `type|message`, frames as `path|line|label`.
#[track_caller]
fn check(language: &str, trace: &str, expected: &[&[&str]]) {
    check_with(&Options::default(), language, trace, expected);
}

#[track_caller]
fn check_with(options: &Options, language: &str, trace: &str, expected: &[&[&str]]) {
    let first = Exception::new("T", Cow::Borrowed("M"));
    let found = parse(Language::of(language.as_bytes()), trace, first, options);
    let shown: Vec<Vec<String>> = found
        .iter()
        .map(|exception| {
            let title = format!("{}|{}", exception.kind, exception.message);
            let frames = exception.frames.iter();
            let frames = frames.map(|frame| format!("{}|{}|{}", frame.path, frame.line, frame.label));
            std::iter::once(title).chain(frames).collect()
        })
        .collect();
    assert_eq!(shown, expected, "{trace}");
}

#[test]
fn java_frames_and_causes() {
    check(
        "java",
        "E: m\n\tat base/p.C.f(C.java:7)\nCaused by: X: a\nb\n\tat q.D.g(D.java:9)",
        &[&["T|M", "C.java|7|p.C.f"], &["X|ab", "D.java|9|q.D.g"]],
    );
    check(
        "php",
        "h\r\n\tat app//com.A.f(Native Method)\r\n\tat a.b(T.java:xx)\r\n\t... 3 more\r\n\tat a.b(C.java:1) \n",
        &[&["T|M", "Native Method|0|/com.A.f", "T.java|0|a.b"]],
    );
    check("java", "h\nCaused by: X: a\n\n\tat a.b(C.java:1)", &[&["T|M"], &["X|a", "C.java|1|a.b"]]);
    // No colon, nothing behind it, half a character behind it, a cause within a cause's message.
    check("java", "h\nCaused by: X", &[&["T|M"], &["X|"]]);
    check("java", "h\nCaused by: X:", &[&["T|M"], &["X|"]]);
    check("java", "h\nCaused by: X:é", &[&["T|M"], &["X|"]]);
    check(
        "java",
        "h\nCaused by: X: a\nCaused by: Y: b\n\tat f()",
        &[&["T|M"], &["X|aCaused by: Y: b", "|0|f"]],
    );
    check("java", "\tat a.b(C.java:1)", &[&["T|M"]]);
}

#[test]
fn python_frames_and_causes() {
    let during = "During handling of the above exception, another exception occurred:";
    let trace = format!(
        "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nKeyError: 'k'\n\n{during}\n\n\
         Traceback (most recent call last):\n  File \"c.py\", line 1, in <module>\n    f()\nValueError: x"
    );
    check("python", &trace, &[&["T|M", "c.py|1|<module>"], &["KeyError|'k'", "a.py|3|f"]]);
    // A comma in the name, a line that is no number, a label that is none.
    check("python", "  File \"a,b.py\", line 3, in f\nE", &[&["T|M"]]);
    check("python", "  File \"a.py\", line x, at f\nE", &[&["T|M", "a.py|0|"]]);
    // These make the reference fail.
    check(
        "python",
        &format!("  File \"a.py\", line 3, in f\n  g()\nE:\n\n{during}\nx"),
        &[&["T|M"], &["E|", "a.py|3|f"]],
    );
    check("python", &format!("  File \"a.py\", line 3, in f\n{during}\nx"), &[&["T|M"]]);
    check("python", "  File ,b,c\nx", &[&["T|M"]]);
    check("python", &format!("{during}\nx"), &[&["T|M"]]);
    check("python", "", &[&["T|M"]]);
}

#[test]
fn python_direct_causes_are_an_option() {
    let direct = "The above exception was the direct cause of the following exception:";
    let trace = format!(
        "  File \"a.py\", line 3, in f\n    g()\nKeyError: 'k'\n\n{direct}\n\n  File \"c.py\", line 1, in h\n    f()\nE: x"
    );
    check("python", &trace, &[&["T|M", "c.py|1|h", "a.py|3|f"]]);
    let options = Options { complete_stack_traces: true, ..Options::default() };
    check_with(&options, "python", &trace, &[&["T|M", "c.py|1|h"], &["KeyError|'k'", "a.py|3|f"]]);
}

#[test]
fn javascript_frames() {
    let trace = "E\n    at speedy (/home/app/x.js:6:11)\n    at new Foo (native)\n    at file:///z.js:1:2\n    \
                 at node:internal/x:77:11\n    at C:\\q.js:3:4\n    at async Promise.all (index 0)\n    at (x\n  at y:1:2\n    \
                 at one.js:5\n    at ";
    let expected: &[&str] = &[
        "T|M",
        "/home/app/x.js|6|speedy",
        "native|0|new Foo",
        "file:///z.js|1|",
        "node:internal/x|77|",
        "C:\\q.js|3|",
        "index 0|0|async Promise.all",
        "one.js:5|0|",
    ];
    for language in ["javascript", "nodejs", "webjs"] {
        check(language, trace, &[expected]);
    }
    check("NodeJS", trace, &[&["T|M"]]);
}

#[test]
fn dotnet_frames() {
    let trace = "E\n   at N.M(String s) in C:\\src\\a.cs:line 16\r\n   at N.O[T](T x)\n at A in /b.cs:line\n at A in C:\\x.cs\n\
                 ---> x\n at none\n at A in plain";
    let parity: &[&str] =
        &["T|M", "C:\\src\\a.cs|16|N.M(String s)", "|0|N.O[T](T x)", "/b.cs|0|A", "C|0|A", "plain|0|A"];
    check("dotnet", trace, &[parity]);
    let options = Options { complete_stack_traces: true, ..Options::default() };
    let strict: &[&str] = &[
        "T|M",
        "C:\\src\\a.cs|16|N.M(String s)",
        "|0|N.O[T](T x)",
        "/b.cs:line|0|A",
        "C:\\x.cs|0|A",
        "plain|0|A",
    ];
    check_with(&options, "dotnet", trace, &[strict]);
}

#[test]
fn go_frames() {
    check(
        "go",
        "goroutine 1 [running]:\nmain.f(0x1)\n\t/app/main.go:17 +0x1d\ncreated by x\n\tnowhere\n",
        &[&["T|M", "/app/main.go|17|main.f(0x1)", "|0|created by x"]],
    );
    check(
        "go",
        "panic: x\n\ngoroutine 1 [running]:\nmain.f()\n\t/a.go:1\n",
        &[&["T|M", "|0|", "/a.go|1|main.f()"]],
    );
    check(
        "go",
        "panic\ngoroutine 1 [running]:\nmain.f()\n\tC:/a.go:1\nlast",
        &[&["T|M", "/a.go|1|main.f()"]],
    );
    check("go", "h\ngoroutine 1 [running]:", &[&["T|M"]]);
}

#[test]
fn languages_are_spelt_exactly() {
    for name in ["Java", "ruby", "rust", "cpp", ""] {
        assert_eq!(Language::of(name.as_bytes()), None);
    }
}

#[test]
fn there_is_a_limit_to_frames_and_causes() {
    let trace = format!("h\n{}", "\tat a(b)\n".repeat(MAX_FRAMES + 5));
    let found = parse(Some(Language::Java), &trace, Exception::default(), &Options::default());
    assert_eq!((found[0].frames.len(), found[0].truncated), (MAX_FRAMES, 5));
    let trace = format!("h\n{}", "Caused by: X: y\n\tat a(b)\n".repeat(MAX_EXCEPTIONS + 5));
    let found = parse(Some(Language::Java), &trace, Exception::default(), &Options::default());
    assert_eq!((found.len(), found[MAX_EXCEPTIONS].frames.len()), (MAX_EXCEPTIONS + 1, 6));
}
