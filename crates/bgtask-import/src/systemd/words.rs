//! Words of a setting as systemd splits them, and what it puts for `%` and `$`.

use crate::shell;

/// What the units are called and whose they are: what their specifiers stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitNames<'a> {
    /// The file name of the timer: `backup.timer`, or `backup@photos.timer` for an instance.
    pub timer: &'a str,
    /// Whose manager runs it.
    pub kind: UnitKind,
    /// The home folder of the user who will have the tasks.
    pub home: &'a str,
    /// The name of that user.
    pub user: &'a str,
}

/// Whose manager runs a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// The user's own: `systemctl --user`.
    User,
    /// The machine's.
    System,
}

impl UnitNames<'_> {
    /// The name without `.timer`.
    pub(crate) fn stem(&self) -> &str {
        let name = self.timer.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".timer").unwrap_or(name)
    }

    /// Whether it is the pattern for instances, and none itself.
    pub(crate) fn is_template(&self) -> bool {
        self.stem().ends_with('@')
    }

    /// The text with its specifiers replaced, for the service of this timer.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match (character, if character == '%' { characters.next() } else { None }) {
                ('%', Some(specifier)) => expanded.push_str(&self.specifier(specifier)?),
                (other, _) => expanded.push(other),
            }
        }
        Ok(expanded)
    }

    fn specifier(&self, specifier: char) -> Result<String, String> {
        let stem = self.stem();
        let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
        let is_user = self.kind == UnitKind::User;
        let folder = |of_user: &str, of_system: &str| {
            if is_user { format!("{}/{of_user}", self.home) } else { of_system.to_owned() }
        };
        Ok(match specifier {
            '%' => "%".to_owned(),
            'n' => format!("{stem}.service"),
            'N' => stem.to_owned(),
            'p' => prefix.to_owned(),
            'P' => unescaped(prefix),
            'i' => instance.to_owned(),
            'I' => unescaped(instance),
            'f' => format!("/{}", unescaped(if instance.is_empty() { prefix } else { instance })),
            'h' if is_user => self.home.to_owned(),
            'h' => "/root".to_owned(),
            'u' if is_user => self.user.to_owned(),
            'u' => "root".to_owned(),
            'U' if !is_user => "0".to_owned(),
            'E' => folder(".config", "/etc"),
            'C' => folder(".cache", "/var/cache"),
            'S' => folder(".local/state", "/var/lib"),
            'L' => folder(".local/state/log", "/var/log"),
            'T' => "/tmp".to_owned(),
            'V' => "/var/tmp".to_owned(),
            other => return Err(format!("what %{other} stands for is only known to systemd: write it out first")),
        })
    }
}

/// A name of a unit as it was before it was escaped: `-` is `/`, `\x2d` is `-`.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.strip_prefix(b"x").and_then(|tail| tail.get(..2)).filter(|_| *first == b'\\');
        let code = code.and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(if *first == b'-' { b'/' } else { *first }));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The words of a line: quotation marks keep blanks together, a backslash stands before a character that is meant.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    programs(text).map(|programs| programs.join(&";".to_owned()))
}

/// As [`split`], for several programs with a bare `;` between them.
pub(crate) fn programs(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut programs: Vec<Vec<String>> = vec![Vec::new()];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let program = programs.last_mut().expect("there is always one");
        match &rest[..end] {
            ";" => {
                programs.push(Vec::new());
                rest = &rest[end..];
            }
            "\\;" => {
                program.push(";".to_owned());
                rest = &rest[end..];
            }
            _ => {
                let (word, after) = word(rest)?;
                program.push(word);
                rest = after;
            }
        }
        rest = rest.trim_start();
    }
    Ok(programs)
}

/// The first word of a text that begins with one, and what follows.
fn word(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) => word.push(escape(&mut characters)?),
            (mark, Some(open)) if mark == open => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            (blank, None) if blank.is_whitespace() => return Ok((word, characters.as_str())),
            (other, _) => word.push(other),
        }
    }
    if quote.is_some() { Err("a quotation mark is not closed".to_owned()) } else { Ok((word, "")) }
}

/// What follows a backslash.
fn escape(characters: &mut std::str::Chars<'_>) -> Result<char, String> {
    Ok(match characters.next() {
        Some('x') => code(characters, 2)?,
        Some('u') => code(characters, 4)?,
        Some('U') => code(characters, 8)?,
        Some('a') => '\x07',
        Some('b') => '\x08',
        Some('f') => '\x0c',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('v') => '\x0b',
        Some('s') => ' ',
        Some(mark @ ('\\' | '"' | '\'' | ';')) => mark,
        _ => return Err("a backslash stands before something that systemd does not know".to_owned()),
    })
}

/// The character with that many hexadecimal digits.
fn code(characters: &mut std::str::Chars<'_>, digits: usize) -> Result<char, String> {
    let digits: String = characters.by_ref().take(digits).collect();
    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
    code.filter(|c| *c != '\0').ok_or_else(|| format!("\\x{digits} is no character"))
}

/// A word for the shell that puts the same for `$` as systemd does: `${NAME}` anywhere, `$NAME` where it is all there is.
pub(crate) fn for_shell(word: &str) -> String {
    if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
        return format!("${name}");
    }
    let mut text = String::new();
    let mut plain = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        let variable = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        match variable.filter(|(name, _)| is_name(name)) {
            Some((name, tail)) => {
                if !plain.is_empty() {
                    text.push_str(&shell::quoted(&std::mem::take(&mut plain)));
                }
                text.push_str(&format!("\"${{{name}}}\""));
                rest = tail;
            }
            None => {
                plain.push('$');
                rest = after.strip_prefix('$').unwrap_or(after);
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || text.is_empty() {
        text.push_str(&shell::quoted(&plain));
    }
    text
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: UnitNames<'_> =
        UnitNames { timer: "backup@home-my\\x2dphotos.timer", kind: UnitKind::User, home: "/home/me", user: "me" };

    #[test]
    fn specifiers_stand_for_names_and_folders() {
        for (text, expected) in [
            ("%h/%N 100%%", "/home/me/backup@home-my\\x2dphotos 100%"),
            ("%p %i %I %f", "backup home-my\\x2dphotos home/my-photos /home/my-photos"),
            ("%n %u %E %S", "backup@home-my\\x2dphotos.service me /home/me/.config /home/me/.local/state"),
            ("trailing %", "trailing %"),
        ] {
            assert_eq!(NAMES.expand(text).as_deref(), Ok(expected), "{text}");
        }
        let system = UnitNames { timer: "a.timer", kind: UnitKind::System, ..NAMES };
        assert_eq!(system.expand("%h %u %S").as_deref(), Ok("/root root /var/lib"));
        assert!(NAMES.expand("%m").is_err_and(|why| why.contains("%m")));
        assert!(UnitNames { timer: "a@.timer", ..NAMES }.is_template());
    }

    #[test]
    fn words_are_split_as_systemd_does() {
        let words = |text| split(text).unwrap();
        assert_eq!(words(r#"a "b c" 'd "e"' f\x20g\th"#), ["a", "b c", "d \"e\"", "f g\th"]);
        assert_eq!(words(r#"--x="a b" "" "#), ["--x=a b", ""]);
        let [first, second] = &programs(r#"find -exec x \; ";" ; y;z"#).unwrap()[..] else { panic!("two programs") };
        assert_eq!(
            (&first[..], &second[..]),
            (&["find", "-exec", "x", ";", ";"].map(String::from)[..], &["y;z".into()][..])
        );
        for wrong in ["\"open", "\\q", "\\x0", "\\", "\\x00", "\\ud800"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn variables_are_left_to_the_shell_where_systemd_knows_them() {
        for (word, expected) in [
            ("$KEEP", "$KEEP"),
            ("--keep=${KEEP}", "--keep=\"${KEEP}\""),
            ("a$KEEP", "'a$KEEP'"),
            ("$$HOME", "'$HOME'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("${1}", "'${1}'"),
        ] {
            assert_eq!(for_shell(word), expected, "{word}");
        }
    }
}
