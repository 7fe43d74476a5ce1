//! Where in the HTTP/2 frames of a connection its client is.
//!
//! h2 keeps an incomplete frame, and headers whose end has not come, for as long as the client likes. This follows
//! the bytes from outside, so that both can be given a time limit and counted. (RFC 9113, sections 3.4, 4.1, 6.2.)

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Follows what one client sends.
#[derive(Debug)]
pub(crate) struct Frames {
    place: Place,
    /// Headers have begun and not ended.
    is_in_headers: bool,
    /// Frames that ended, and their headers with them.
    whole: u64,
}

#[derive(Debug)]
enum Place {
    /// So many bytes of the connection preface came.
    Preface(usize),
    /// So many bytes of a frame's head came.
    Head([u8; HEAD], usize),
    /// Of a payload of the first length the second came.
    Payload(usize, usize),
    /// Not HTTP/2: there is nothing to follow.
    Foreign,
}

impl Frames {
    pub(crate) const fn new() -> Self {
        Self { place: Place::Preface(0), is_in_headers: false, whole: 0 }
    }

    /// Follows `bytes`, which the client sent next.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = match &mut self.place {
                Place::Foreign => return,
                Place::Preface(seen) => {
                    let wanted = PREFACE.get(*seen..).unwrap_or_default();
                    let count = wanted.len().min(bytes.len());
                    if wanted.get(..count) != bytes.get(..count) {
                        self.place = Place::Foreign;
                        return;
                    }
                    *seen += count;
                    if *seen == PREFACE.len() {
                        self.place = Place::Head([0; HEAD], 0);
                    }
                    count
                }
                Place::Head(head, seen) => {
                    let count = (HEAD - *seen).min(bytes.len());
                    if let (Some(to), Some(from)) = (head.get_mut(*seen..*seen + count), bytes.get(..count)) {
                        to.copy_from_slice(from);
                    }
                    *seen += count;
                    if *seen == HEAD {
                        let head = *head;
                        self.begin(head);
                    }
                    count
                }
                Place::Payload(length, seen) => {
                    let count = (*length - *seen).min(bytes.len());
                    *seen += count;
                    if *seen == *length {
                        self.end();
                    }
                    count
                }
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// A frame's head is there.
    fn begin(&mut self, [a, b, c, kind, flags, ..]: [u8; HEAD]) {
        if matches!(kind, HEADERS | CONTINUATION) {
            self.is_in_headers = flags & END_HEADERS == 0;
        }
        match u32::from_be_bytes([0, a, b, c]) as usize {
            0 => self.end(),
            length => self.place = Place::Payload(length, 0),
        }
    }

    fn end(&mut self) {
        self.place = Place::Head([0; HEAD], 0);
        self.whole += 1;
    }

    /// Bytes of the frame that is not whole yet.
    pub(crate) const fn pending(&self) -> usize {
        match self.place {
            Place::Head(_, seen) => seen,
            Place::Payload(_, seen) => HEAD + seen,
            Place::Preface(_) | Place::Foreign => 0,
        }
    }

    /// Whether something was begun that has to be ended.
    pub(crate) const fn is_partial(&self) -> bool {
        self.is_in_headers || self.pending() > 0
    }

    /// Frames that came whole: a number that moves as long as the client gets on.
    pub(crate) const fn whole(&self) -> u64 {
        // Endless headers are no progress.
        if self.is_in_headers { 0 } else { self.whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1][..], &vec![7; length]].concat()
    }

    /// After each byte: is something partial, and how many frames are whole.
    fn places(bytes: &[u8]) -> Vec<(bool, u64)> {
        let mut frames = Frames::new();
        let step = |byte: &u8| {
            frames.follow(std::slice::from_ref(byte));
            (frames.is_partial(), frames.whole())
        };
        bytes.iter().map(step).collect()
    }

    #[test]
    fn a_frame_is_partial_from_its_first_byte_to_its_last() {
        let data = frame(0, 0, 3);
        let places = places(&[PREFACE, &data, &frame(4, 0, 0)].concat());
        assert!(places[..24].iter().all(|place| *place == (false, 0)));
        assert!(places[24..35].iter().all(|place| *place == (true, 0)));
        assert_eq!(places[35], (false, 1));
        assert_eq!(places.last(), Some(&(false, 2)));
    }

    #[test]
    fn headers_last_until_their_end() {
        let bytes = [PREFACE, &frame(1, 0, 4), &frame(9, 0, 4), &frame(9, 4, 0)].concat();
        let places = places(&bytes);
        assert!(places[24..bytes.len() - 1].iter().all(|place| *place == (true, 0)));
        assert_eq!(places.last(), Some(&(false, 3)));
    }

    #[test]
    fn any_cut_of_the_bytes_is_followed_alike() {
        let bytes = [PREFACE, &frame(1, 4, 70), &frame(0, 1, 20_000), &frame(0, 1, 0)].concat();
        for size in [1, 2, 7, 33, 8192, bytes.len()] {
            let mut frames = Frames::new();
            bytes.chunks(size).for_each(|chunk| frames.follow(chunk));
            assert_eq!((frames.whole(), frames.pending()), (3, 0), "chunks of {size}");
        }
    }

    #[test]
    fn other_protocols_are_let_be() {
        for start in [&b"POST / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSX"] {
            let mut frames = Frames::new();
            frames.follow(start);
            assert!(!frames.is_partial());
        }
    }
}
