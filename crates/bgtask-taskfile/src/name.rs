//! From the name of a task to the name of its file, and back.

/// Longest name of a file, in bytes: what file systems take.
pub const MAX_FILE_NAME_BYTES: usize = 255;

const ENDING: &str = ".toml";

/// Stands before the fingerprint of a name that was cut; in a name that was not it is escaped.
const CUT: char = '~';

/// The name of the file to keep a task of this name in.
///
/// Letters of every script, digits, blanks and most marks stay as they are. What a file name cannot or should not have
/// (`/`, `%`, `~`, control characters, a first `.` or `-`) becomes `%` and two hexadecimal digits for each byte. A name
/// that gets too long is cut and has a fingerprint, so that two tasks never share a file.
///
/// ```
/// use bgtask_taskfile::{file_name, name_of_file};
/// assert_eq!(file_name("my notes"), "my notes.toml");
/// assert_eq!(file_name("../etc"), "%2E.%2Fetc.toml");
/// assert_eq!(name_of_file("%2E.%2Fetc.toml").as_deref(), Some("../etc"));
/// ```
pub fn file_name(name: &str) -> String {
    let mut file = escaped(name);
    if file.len() + ENDING.len() > MAX_FILE_NAME_BYTES {
        let fingerprint = format!("{CUT}{:016x}", fingerprint(name));
        let mut end = MAX_FILE_NAME_BYTES - ENDING.len() - fingerprint.len();
        while !file.is_char_boundary(end) {
            end -= 1;
        }
        file.truncate(end);
        file.push_str(&fingerprint);
    }
    file + ENDING
}

/// The name of the task in a file of this name that has no `name` of its own; `None` if it is no task file.
///
/// Only `NAME.toml` is one, and none that begins with a dot: editors keep copies under such names. For a name that was
/// cut it is not the task's, which is why [`write`](crate::write()) always writes `name`.
pub fn name_of_file(file_name: &str) -> Option<String> {
    let stem = file_name.strip_suffix(ENDING)?;
    (!stem.is_empty() && !stem.starts_with('.') && !stem.contains('/')).then(|| unescaped(stem))
}

fn escaped(name: &str) -> String {
    let mut file = String::with_capacity(name.len() + ENDING.len());
    for (at, character) in name.char_indices() {
        let is_escaped =
            matches!(character, '/' | '%' | CUT) || character.is_control() || at == 0 && matches!(character, '.' | '-');
        if is_escaped {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| file.push_str(&format!("%{byte:02X}")));
        } else {
            file.push(character);
        }
    }
    file
}

fn unescaped(stem: &str) -> String {
    let bytes = stem.as_bytes();
    let mut name = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => {
                name.push(byte);
                at += 3;
            }
            None => {
                name.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(name).unwrap_or_else(|_| stem.to_owned())
}

/// A number for a name that is the same in every version: it is in names of files. FNV-1a.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_people_give_stay_readable() {
        for (name, file) in [
            ("backup", "backup.toml"),
            ("Sicherung der Fotos", "Sicherung der Fotos.toml"),
            ("写真のバックアップ", "写真のバックアップ.toml"),
            ("it's \"here\"", "it's \"here\".toml"),
            (".hidden", "%2Ehidden.toml"),
            ("-rf", "%2Drf.toml"),
            ("100%", "100%25.toml"),
            ("a/b", "a%2Fb.toml"),
        ] {
            assert_eq!(file_name(name), file);
            assert_eq!(name_of_file(file).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_no_task_file_has_no_name() {
        for file in [".toml", "backup", "backup.toml~", ".#backup.toml", ".backup.toml.swp", "a/b.toml", ""] {
            assert_eq!(name_of_file(file), None, "{file}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_stays_apart_from_its_neighbour() {
        let names = ["ä".repeat(127), "ä".repeat(126) + "b", "/".repeat(255), "/".repeat(254)];
        let files: std::collections::BTreeSet<_> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files.len(), names.len());
        assert!(files.iter().all(|file| file.len() <= MAX_FILE_NAME_BYTES), "{files:?}");
    }

    proptest! {
        #[test]
        fn every_name_has_a_file_that_is_safe_and_leads_back(name in "\\PC{1,60}|[./%~a-]{1,20}|.{1,300}") {
            let file = file_name(&name);
            prop_assert!(file.len() <= MAX_FILE_NAME_BYTES && !file.contains(['/', '\0', '\n']) && !file.starts_with('.'));
            let back = name_of_file(&file).unwrap();
            prop_assert!(back == name || file.contains(CUT));
        }

        #[test]
        fn any_file_name_is_taken(file in ".*") {
            name_of_file(&file);
            name_of_file(&format!("%{file}.toml"));
        }
    }
}
