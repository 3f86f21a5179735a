//! Text of unknown origin, made safe and measurable for a terminal.

pub(crate) use bgtask_text::{columns, counted, printable, printable_lines, push_printable, short};

/// What a program wrote: as [`printable`], without the colours it may have used, and with its tabs as blanks.
pub(crate) fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    printable(&text.trim_end_matches('\r').replace('\t', "    ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_wrote_is_shown_without_its_colours() {
        assert_eq!(plain("\u{1b}[1;31merror\u{1b}[0m:\tno disk\r"), "error:    no disk");
        assert_eq!(plain("\u{9b}2J \u{7}a\u{202e}"), "\\u{9b}2J a\\u{202e}");
    }
}
