//! From a key to the name of its file and back.
//!
//! A key may be any text, a file name may not: letters, digits, `_`, `-` and a `.` that is not the first stay as they are, every
//! other byte becomes `%` and two hexadecimal digits. So no key leads out of the folder or to a hidden file,
//! and different keys have different files. A key too long for a file name is cut and told apart by a hash;
//! its file then is the only place where the whole key stands.

use std::fmt::Write;

use super::SettingsError;

/// Characters of a key.
pub const MAX_KEY_CHARS: usize = 255;

/// Within the 255 bytes most file systems allow.
const MAX_NAME_BYTES: usize = 240;
/// How much of a long key stays readable.
const CUT_NAME_BYTES: usize = 120;
/// Begins the name of a long key, and no other.
const CUT: char = '~';

/// The file of a key.
pub(super) fn file_name(key: &str) -> Result<String, SettingsError> {
    if key.is_empty() {
        return Err(SettingsError::EmptyKey);
    }
    let chars = key.chars().count();
    if chars > MAX_KEY_CHARS {
        return Err(SettingsError::KeyTooLong { chars });
    }
    let mut name = escape(key);
    if name.len() > MAX_NAME_BYTES {
        name.truncate(CUT_NAME_BYTES);
        name = format!("{CUT}{name}{CUT}{:032x}", hash(key));
    }
    Ok(name)
}

/// What the name of a file says about its key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// This is the key.
    Key(String),
    /// The key is too long for a name and stands in the file.
    Inside,
    /// Not the file of any key.
    Nothing,
}

pub(super) fn key_of(name: &str) -> Named {
    if name.starts_with(CUT) {
        return Named::Inside;
    }
    match unescape(name) {
        Some(key) if file_name(&key).is_ok_and(|expected| expected == name) => Named::Key(key),
        _ => Named::Nothing,
    }
}

fn escape(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for (index, byte) in key.bytes().enumerate() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            _ => write!(name, "%{byte:02X}").expect("a string takes all text"),
        }
    }
    name
}

fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push((digit()? << 4 | digit()?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// FNV-1a with 128 bits: enough to keep the keys of one app apart, and the same for ever.
fn hash(key: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    key.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_keys_get_harmless_names_that_lead_back() {
        let keys = [
            "../x",
            "..",
            ".",
            ".lock",
            ".new",
            "a/b",
            "/etc/passwd",
            "\0",
            "a\nb",
            "%41",
            "A",
            "~x",
            "ключ",
            "名前",
            " ",
        ];
        for key in keys {
            let name = file_name(key).unwrap();
            assert!(name.len() <= MAX_NAME_BYTES && name.is_ascii(), "{name}");
            assert!(!name.contains('/') && !name.starts_with('.') && !name.starts_with(CUT), "{name}");
            assert_eq!(key_of(&name), Named::Key(key.to_owned()));
        }
    }

    #[test]
    fn long_keys_are_cut_and_told_apart() {
        let long = |last: &str| format!("{}{last}", "名".repeat(MAX_KEY_CHARS - 1));
        let (first, second) = (file_name(&long("a")).unwrap(), file_name(&long("b")).unwrap());
        assert_ne!(first, second);
        assert!(first.len() <= MAX_NAME_BYTES);
        assert_eq!(key_of(&first), Named::Inside);
        assert!(matches!(file_name(&long("ab")), Err(SettingsError::KeyTooLong { chars: 256 })));
        assert!(matches!(file_name(""), Err(SettingsError::EmptyKey)));
    }

    #[test]
    fn names_nobody_wrote_have_no_key() {
        for name in ["", ".lock", ".new", "%4", "%zz", "%41", "%ff", "a b", "é", "%2b"] {
            assert_eq!(key_of(name), Named::Nothing, "{name}");
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(hash(""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
