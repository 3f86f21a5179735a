//! Text for a POSIX shell.

/// The word, in quotation marks where the shell would change it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The script with this on its standard input.
pub(crate) fn with_input(script: &str, input: &str) -> String {
    let mut mark = "END_OF_INPUT".to_owned();
    while input.lines().any(|line| line == mark) {
        mark.push('_');
    }
    format!("{{ {script}\n}} <<'{mark}'\n{input}\n{mark}")
}
