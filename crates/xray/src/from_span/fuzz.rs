//! The body of the fuzz target `spans`, which ordinary tests run over its seeds and mutations of them.

use super::stack::{self, Exception, Language};
use super::{Documents, Options, Translator};

/// Translates bytes as a request, whatever they are, and as stack traces of every language. What comes out has to be
/// JSON, no document larger than may be, and the input's every span accounted for.
///
/// # Panics
///
/// When that is not so.
pub fn fuzz_spans(data: &[u8]) {
    let everything = Options {
        indexed_attributes: vec!["http.request.method".into(), "db.statement".into()],
        log_groups: vec!["g".into()],
        allow_dot: false,
        skip_timestamp_validation: data.len().is_multiple_of(2),
        stable_names: true,
        consumers_named_by_service: true,
        keep_network_attributes: true,
        body_size_as_content_length: true,
        keep_events: true,
        complete_stack_traces: true,
        preserve_xray_fields: true,
        max_document_bytes: 600,
        ..Options::default()
    };
    let index_all = Options { index_all_attributes: true, ..Options::default() };
    let preserved = Options { preserve_xray_fields: true, ..Options::default() };
    for options in [Options::default(), index_all, everything, preserved] {
        check(data, options);
    }
    let text = String::from_utf8_lossy(data);
    for language in ["java", "python", "javascript", "dotnet", "go"] {
        for complete_stack_traces in [false, true] {
            let options = Options { complete_stack_traces, ..Options::default() };
            let found =
                stack::parse(Language::of(language.as_bytes()), &text, Exception::default(), &options);
            let frames: usize = found.iter().map(|exception| exception.frames.len()).sum();
            assert!(!found.is_empty() && frames <= text.len(), "{language}");
        }
    }
}

fn check(data: &[u8], options: Options) {
    let max = options.max_document_bytes;
    let mut documents = Documents::default();
    Translator::new(options, 1).translate(data, 1_700_000_000, &mut documents);
    let mut end = 0;
    for entry in &documents.entries {
        assert_eq!(entry.range.start, end, "documents follow each other");
        end = entry.range.end;
        let text = documents.text(entry);
        assert!(text.len() <= max, "{} bytes", text.len());
        assert!(entry.item < documents.items, "an item that there is not");
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(text);
        assert!(parsed.is_ok(), "{parsed:?}: {}", text.escape_ascii());
    }
    assert_eq!(documents.bytes.len(), end, "nothing lies about");
    assert!(documents.items <= documents.entries.len() + documents.refused.len(), "a span without a trace");
}
