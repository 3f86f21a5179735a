//! The end of what a host wrote, for the record of a failure.

use std::collections::VecDeque;

/// How much of a host's output is kept.
pub const TAIL_BYTES: usize = 4096;

/// The last [`TAIL_BYTES`] of a stream.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    kept: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    /// The tail of a stream that has said nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The stream said `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        let skipped = bytes.len().saturating_sub(TAIL_BYTES);
        let surplus = (self.kept.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        self.cut |= surplus > 0;
        self.kept.drain(..surplus.min(self.kept.len()));
        self.kept.extend(&bytes[skipped..]);
    }

    /// The end of the stream as text: from the start of a line if it has one, else from the start
    /// of a character. What is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let (front, back) = self.kept.as_slices();
        let mut bytes = [front, back].concat();
        if self.cut {
            bytes.drain(..first_whole(&bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Where the first whole line, or else the first whole character, begins.
fn first_whole(bytes: &[u8]) -> usize {
    let line = bytes.iter().position(|&byte| byte == b'\n');
    match line {
        Some(end) if end + 1 < bytes.len() => end + 1,
        _ => bytes.iter().position(|byte| byte & 0xc0 != 0x80).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[&[u8]]) -> String {
        let mut tail = Tail::new();
        parts.iter().for_each(|part| tail.push(part));
        tail.text()
    }

    #[test]
    fn a_short_stream_is_kept_whole() {
        assert_eq!(text(&[b"one\n", b"two"]), "one\ntwo");
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[b"a\xffb"]), "a\u{fffd}b");
    }

    #[test]
    fn a_long_stream_starts_at_a_line() {
        let long = [b"first ".as_slice(), &[b'x'; TAIL_BYTES]].concat();
        assert_eq!(text(&[&long, b"\nlast\n"]), "last\n");
        assert_eq!(text(&[b"lost\n", b"kept\n", &[b'y'; TAIL_BYTES - 6]]).find("kept"), Some(0));
    }

    #[test]
    fn a_long_line_starts_at_a_character() {
        let euros = "€".repeat(TAIL_BYTES);
        let kept = text(&[euros.as_bytes()]);
        assert!(kept.chars().all(|letter| letter == '€'));
        assert_eq!(kept.len(), TAIL_BYTES / 3 * 3);
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let mut tail = Tail::new();
        for _ in 0..100 {
            tail.push(&[b'z'; 1000]);
            assert!(tail.kept.len() <= TAIL_BYTES);
        }
        assert_eq!(tail.text().len(), TAIL_BYTES);
    }
}
