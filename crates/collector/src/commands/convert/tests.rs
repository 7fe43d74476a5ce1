use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use otlp::wire::{write_len_field, write_nested, write_varint_field};

use super::*;

/// An output that counts lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<usize>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0.lock().expect("not poisoned") += bytes.iter().filter(|byte| **byte == b'\n').count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The command without any options.
fn conversion() -> Conversion {
    Conversion {
        files: Vec::new(),
        to: None,
        output: None,
        report: None,
        report_format: None,
        keep: false,
        index_all_attributes: false,
        indexed_attributes: Vec::new(),
    }
}

/// 4,000 spans that a request of a few hundred kilobytes holds, each of which becomes 50 kB with its resource.
#[test]
fn what_is_made_of_a_request_is_never_in_memory_at_once() {
    const SPANS: usize = 4_000;
    let mut request = Vec::new();
    write_nested(&mut request, 1, |out| {
        write_nested(out, 1, |out| {
            write_nested(out, 1, |out| {
                write_len_field(out, 1, b"large");
                write_nested(out, 2, |out| write_len_field(out, 1, &[b'x'; 50_000]));
            });
        });
        write_nested(out, 2, |out| {
            for number in 0..SPANS {
                write_nested(out, 2, |out| {
                    write_len_field(out, 1, &[7; 16]);
                    write_len_field(out, 2, &(number as u64).to_be_bytes());
                    write_varint_field(out, 6, 2);
                    // Of one nothing can be made.
                    if number == SPANS - 1 {
                        write_nested(out, 9, |out| {
                            write_len_field(out, 1, b"enduser.id");
                            write_nested(out, 2, |out| write_len_field(out, 1, &[b'x'; 70_000]));
                        });
                    }
                });
            }
        });
    });
    let lines = Lines::default();
    let mut converter = Converter::new(&conversion(), Box::new(lines.clone()));
    converter.request(&request, "here").expect("written");
    assert_eq!(*lines.0.lock().expect("not poisoned"), SPANS - 1);
    assert_eq!((converter.account.spans, converter.account.documents_written), (SPANS, SPANS - 1));
    let room = converter.documents.bytes.capacity();
    assert!(room <= 4 * AT_ONCE.bytes, "{room} bytes");
    let report = converter.account.to_text();
    assert!(report.contains("(here, span 4000)"), "{report}");
}
