//! Patterns with `*`.

use std::fmt;

/// The longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// A pattern in which each `*` stands for anything, also for nothing and for slashes; all else stands for itself.
///
/// ```
/// # use bgtask_sources::Glob;
/// let glob = Glob::read("/sys/devices/*/net/eth*").unwrap();
/// assert!(glob.matches("/sys/devices/pci0000:00/0000:00:1f.6/net/eth0"));
/// assert!(!glob.matches("/sys/devices/virtual/net/lo"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Glob(String);

impl Glob {
    /// Takes a pattern.
    ///
    /// # Errors
    ///
    /// Where it is longer than [`MAX_PATTERN_BYTES`], with a sentence that says so.
    pub fn read(pattern: &str) -> Result<Self, String> {
        match pattern.len() <= MAX_PATTERN_BYTES {
            true => Ok(Self(pattern.to_owned())),
            false => Err(format!("a pattern of {} bytes is too long: {MAX_PATTERN_BYTES} are allowed", pattern.len())),
        }
    }

    /// Whether `text` as a whole is like it.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The earliest place for each part leaves the most room for the next.
        for part in parts {
            match rest.find(part) {
                Some(place) => rest = &rest[place + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// The text it stands for, where it holds no `*`.
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_anything_and_all_else_itself() {
        let table = [
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("sd*", "sda1", true),
            ("sd*", "nvme0", false),
            ("*1", "sda1", true),
            ("*1", "sda2", false),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
            ("*a*a*", "a", false),
            ("[a-z]?", "x1", false),
            ("[a-z]?", "[a-z]?", true),
            ("*ß", "Straße ß", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(Glob::read(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn only_a_pattern_without_a_star_is_literal() {
        assert_eq!(Glob::read("sda").unwrap().literal(), Some("sda"));
        assert_eq!(Glob::read("sd*").unwrap().literal(), None);
    }

    #[test]
    fn patterns_are_bounded() {
        assert!(Glob::read(&"*".repeat(MAX_PATTERN_BYTES)).unwrap().matches("anything"));
        let error = Glob::read(&"*".repeat(MAX_PATTERN_BYTES + 1)).unwrap_err();
        assert_eq!(error, "a pattern of 1025 bytes is too long: 1024 are allowed");
    }
}
