//! One line of a log.

use std::borrow::Cow;

/// The most bytes of the name of an instance.
pub const MAX_INSTANCE_BYTES: usize = 64;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written, in microseconds since 1970.
    pub at: u64,
    /// By which instance.
    pub instance: String,
    /// What it is.
    pub kind: Kind,
    /// What it says, without its end, as it was written.
    pub bytes: Vec<u8>,
}

/// What a line of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line of the command, or the end of one.
    Output,
    /// A part of a line of the command that goes on in the instance's next line.
    Part,
    /// A word on the beginning of the instance.
    Begin,
    /// A word on its end.
    End,
    /// A word of the log itself, on what is missing.
    Lost,
}

impl Line {
    /// What it says; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// Whether it is what the command wrote.
    #[must_use]
    pub fn is_output(&self) -> bool {
        matches!(self.kind, Kind::Output | Kind::Part)
    }

    /// `None` for what no writer writes. `line` is without its end.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (time, rest) = split_at_byte(line, |byte| byte == b' ')?;
        let at = str::from_utf8(time).ok()?.parse().ok()?;
        let rest = &rest[1..];
        let (instance, rest) = split_at_byte(rest, |byte| !is_instance_byte(byte))?;
        let (&kind, text) = rest.split_first()?;
        let instance = str::from_utf8(instance).ok()?.to_owned();
        let kind = Kind::of(kind)?;
        is_instance(&instance).then(|| Self { at, instance, kind, bytes: text.to_vec() })
    }
}

impl Kind {
    const ALL: [Self; 5] = [Self::Output, Self::Part, Self::Begin, Self::End, Self::Lost];

    fn byte(self) -> u8 {
        match self {
            Self::Output => b' ',
            Self::Part => b'+',
            Self::Begin => b'[',
            Self::End => b']',
            Self::Lost => b'!',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// As it is in a file, with its end. `text` has no end of line in it.
pub(crate) fn encode(at: u64, instance: &str, kind: Kind, text: &[u8]) -> Vec<u8> {
    let head = format!("{at} {instance}");
    [head.as_bytes(), &[kind.byte()], text, b"\n"].concat()
}

/// Whether this can stand for an instance in a log.
pub(crate) fn is_instance(name: &str) -> bool {
    (1..=MAX_INSTANCE_BYTES).contains(&name.len()) && name.bytes().all(is_instance_byte)
}

fn is_instance_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn split_at_byte(bytes: &[u8], ends: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| ends(byte))?;
    Some(bytes.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for kind in Kind::ALL {
            for text in [b"".as_slice(), b"text", b" a  b ", b"[x]", b"\xff\r\0"] {
                let line = encode(17, "8d7f-1", kind, text);
                let (&end, line) = line.split_last().unwrap();
                assert_eq!(end, b'\n');
                let expected = Line { at: 17, instance: "8d7f-1".into(), kind, bytes: text.to_vec() };
                assert_eq!(Line::parse(line), Some(expected));
            }
        }
    }

    #[test]
    fn the_format_is_the_documented_one() {
        assert_eq!(encode(1_700_000_000_000_000, "8d7f", Kind::Output, b"hello"), b"1700000000000000 8d7f hello\n");
        assert_eq!(encode(1, "8d7f", Kind::Begin, b"every:6h"), b"1 8d7f[every:6h\n");
    }

    #[test]
    fn what_was_torn_is_no_line() {
        let long = format!("1 {} x", "a".repeat(MAX_INSTANCE_BYTES + 1));
        for torn in ["", "1", "1 ", "1 8d7f", " 8d7f x", "x 8d7f x", "1  x", "1 8d7f?x", "-1 8d7f x", &long] {
            assert_eq!(Line::parse(torn.as_bytes()), None, "{torn:?}");
        }
    }
}
