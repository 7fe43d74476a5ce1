//! Text as it stands inside a JSON string, for texts that are JSON themselves and full of quotes.
//!
//! Many bytes at a time, by a function for what this processor has: quotes come so often in JSON that looking for the next
//! one costs more than looking at all. `portable` is for every processor, `ssse3` for those of x86-64 since 2006, `avx512`
//! for the newest. All of them stop at control characters, which no SDK writes; those are left to `escape_byte`.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(target_arch = "x86_64")]
mod ssse3;

/// Bytes that are looked at together without AVX-512.
const WORD: usize = 8;
/// Room that a word needs: twice its length, whatever of it counts.
const ROOM: usize = 2 * WORD;
/// Words for which room is made at a time, so that it is still in the nearest cache when it is filled.
const WORDS: usize = 64;

/// Appends what it can of a text: how many bytes of text that are. All but fewer than [`WORD`] at
/// the end are, unless one of the next [`WORD`] is a control character.
type Append = fn(&[u8], &mut Vec<u8>) -> usize;

/// Appends UTF-8 text as it stands inside a JSON string.
///
/// Measured for a document of 806 bytes with 93 quotes: 51 ns of CPU with AVX-512, 113 with SSSE3, 370 portable.
pub fn escape(text: &[u8], out: &mut Vec<u8>) {
    quickest().escape(text, out);
}

/// One of the ways to escape, all of which come to the same.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Way {
    pub name: &'static str,
    append: Append,
}

impl Way {
    /// [`escape`] in this way.
    pub fn escape(&self, mut text: &[u8], out: &mut Vec<u8>) {
        while !text.is_empty() {
            let done = (self.append)(text, out);
            let left = text.get(done..).unwrap_or_default();
            let (word, rest) = left.split_at(left.len().min(WORD));
            word.iter().for_each(|byte| escape_byte(*byte, out));
            text = rest;
        }
    }
}

const PORTABLE: Way = Way { name: "portable", append: portable::append };

fn quickest() -> Way {
    #[cfg(target_arch = "x86_64")]
    if let Some(way) = avx512::way().or_else(ssse3::way) {
        return way;
    }
    PORTABLE
}

/// Every way that this processor has, the slowest first: what [`escape`] is compared with.
#[doc(hidden)]
#[must_use]
pub fn ways() -> Vec<Way> {
    let ways = [
        Some(PORTABLE),
        #[cfg(target_arch = "x86_64")]
        ssse3::way(),
        #[cfg(target_arch = "x86_64")]
        avx512::way(),
    ];
    ways.into_iter().flatten().collect()
}

/// The body of the fuzz target `json_escape`: any text reads back as it was, whichever function wrote it.
///
/// # Panics
///
/// When it does not.
#[doc(hidden)]
pub fn fuzz_escape(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for way in ways() {
        let mut out = vec![b'"'];
        way.escape(text.as_bytes(), &mut out);
        out.push(b'"');
        assert_eq!(
            serde_json::from_slice(&out).ok().as_ref(),
            Some(&text),
            "{}: {}",
            way.name,
            out.escape_ascii()
        );
    }
}

/// [`Append`] by a function that fills room with words until there are no more or one has a control character: how many words,
/// how many bytes.
fn append_words(
    fill: impl Fn(&[[u8; WORD]], &mut [u8]) -> (usize, usize),
    text: &[u8],
    out: &mut Vec<u8>,
) -> usize {
    let mut words = text.as_chunks().0;
    let mut taken = 0;
    loop {
        let piece = words.get(..words.len().min(WORDS)).unwrap_or_default();
        let start = out.len();
        out.resize(start + ROOM * piece.len(), 0);
        let (done, written) = out.get_mut(start..).map_or((0, 0), |room| fill(piece, room));
        out.truncate(start + written);
        taken += done;
        words = words.get(done..).unwrap_or_default();
        if done < WORDS {
            return taken * WORD;
        }
    }
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' | 0..0x20 => super::escape_byte(out, byte),
        _ => out.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str) {
        let expected = serde_json::to_string(text).expect("a text");
        for way in ways() {
            let mut out = b"before".to_vec();
            way.escape(text.as_bytes(), &mut out);
            let out = String::from_utf8(out).expect("a text");
            assert_eq!(format!("\"{}\"", &out[6..]), expected, "{}", way.name);
        }
    }

    #[test]
    fn every_byte_at_every_place_of_every_length() {
        for byte in 0..0x80_u8 {
            for len in (1..26).chain([31, 32, 33, 40, 63, 64, 65]) {
                for at in 0..len {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    check(std::str::from_utf8(&text).expect("ASCII"));
                }
            }
        }
    }

    #[test]
    fn every_pattern_of_quotes_in_a_word() {
        for mask in 0..=255_u8 {
            for other in ['a', 'ä', '\u{7f}', '\u{20ac}'] {
                let text: String = (0..8).map(|at| if mask >> at & 1 == 1 { '"' } else { other }).collect();
                check(&text);
                check(&text.replace('"', "\\"));
                check(&format!("{:27}{text}", other));
            }
        }
    }

    #[test]
    fn blocks_and_control_characters() {
        for len in [WORDS * WORD - 1, WORDS * WORD, WORDS * WORD + 9, 3 * WORDS * WORD] {
            check(&"\"".repeat(len));
            check(&"\n".repeat(len));
            check(&"{\n  \"a\": \"b\\n\"\r\n}\u{1}".repeat(len / 18));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "([a-z\"\\\\\\n]|.){0,3000}", bytes: Vec<u8>) {
            check(&text);
            fuzz_escape(&bytes);
        }
    }
}
