//! Text of unknown origin, made safe and measurable for a terminal.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

/// `text` on one line and without a character that could move the cursor, hide or reorder what stands there.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        push_printable(&mut shown, character);
    }
    Cow::Owned(shown)
}

/// As [`printable`], of a message that may have several lines.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// What a program wrote: as [`printable`], without the colours it may have used, and with its tabs as blanks.
pub fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    printable(&text.trim_end_matches('\r').replace('\t', "    ")).into_owned()
}

/// Adds one character as [`printable`] shows it.
pub fn push_printable(shown: &mut String, character: char) {
    if is_harmful(character) {
        shown.extend(character.escape_default());
    } else {
        shown.push(character);
    }
}

/// `text` as [`printable`], and cut to that many terminal columns.
pub fn short(text: &str, columns: usize) -> Cow<'_, str> {
    let shown = printable(text);
    if shown.width() <= columns {
        return shown;
    }
    let mut kept = String::new();
    for character in shown.chars() {
        kept.push(character);
        if kept.width() >= columns {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    Cow::Owned(kept)
}

/// How many terminal columns a text takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// `1 task`, `2 tasks`.
pub fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// Control characters, and those invisible ones that reorder or hide what stands beside them. The joiners that emoji
/// and several scripts are written with are left alone.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(printable("plain \"text\" \\ ä 背景"), "plain \"text\" \\ ä 背景");
        assert_eq!(printable("a\u{1b}[2Jb\r\n\t"), "a\\u{1b}[2Jb\\r\\n\\t");
        assert_eq!(printable("\u{9b}31m \u{7f}"), "\\u{9b}31m \\u{7f}");
        assert_eq!(printable("abc\u{202e}txt.exe\u{2066}"), "abc\\u{202e}txt.exe\\u{2066}");
        assert_eq!(printable_lines("a\u{7}\nb"), "a\\u{7}\nb");
    }

    #[test]
    fn what_a_program_wrote_is_shown_without_its_colours() {
        assert_eq!(plain("\u{1b}[1;31merror\u{1b}[0m:\tno disk\r"), "error:    no disk");
        assert_eq!(plain("\u{9b}2J \u{7}a\u{202e}"), "\\u{9b}2J a\\u{202e}");
    }

    #[test]
    fn a_cut_text_fits_whatever_its_characters_take() {
        assert_eq!(short("abcdef", 6), "abcdef");
        assert_eq!(short("abcdefg", 6), "abcde…");
        assert_eq!(short("背景任务处理", 6), "背景…");
        for width in 1..12 {
            assert!(columns(&short("a背b景\u{1b}cde", width)) <= width.max(1), "{width}");
        }
    }

    #[test]
    fn counts_are_english() {
        assert_eq!(counted(1, "task"), "1 task");
        assert_eq!(counted(0, "task"), "0 tasks");
    }
}
