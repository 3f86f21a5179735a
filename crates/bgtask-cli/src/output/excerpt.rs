//! The line a finding is about, fit for a terminal.

use std::ops::Range;

use super::text::push_printable;

/// Most characters of the line on each side of the place, and of the place itself.
const MAX_CHARS: usize = 200;

/// One line of a text with a marked place. Nothing in it can write to the terminal, and it is short however long the
/// line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// What is shown.
    pub(super) text: String,
    /// The marked place in `text`, in bytes.
    pub(super) mark: Range<usize>,
    /// The place in the file, both from 1.
    pub(super) line: usize,
    /// In characters.
    pub(super) column: usize,
}

impl Excerpt {
    /// The line that `span` begins in; a span of several lines is marked to the end of its first one.
    pub(super) fn of(text: &str, span: &Range<usize>) -> Self {
        let start = line_start(text, span.start);
        let end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
        let (before, after) = (&text[start..span.start], &text[span.end.min(end)..end]);
        let place = &text[span.start..span.end.min(end)];

        let mut shown = Shown::default();
        shown.last_of(before);
        let mark_start = shown.text.len();
        let is_cut = shown.first_of(place);
        let mark = mark_start..shown.text.len();
        if !is_cut {
            shown.first_of(after.strip_suffix('\r').unwrap_or(after));
        }
        let line = 1 + text[..start].bytes().filter(|byte| *byte == b'\n').count();
        Self { text: shown.text, mark, line, column: 1 + before.chars().count() }
    }

    /// Whether the place has the same column in what is shown as in the file.
    pub(super) fn tells_column(&self) -> bool {
        self.text[..self.mark.start].chars().count() + 1 == self.column
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

#[derive(Default)]
struct Shown {
    text: String,
}

impl Shown {
    /// Adds the beginning of `part`; answers whether that was not all of it.
    fn first_of(&mut self, part: &str) -> bool {
        let mut rest = part.chars();
        rest.by_ref().take(MAX_CHARS).for_each(|character| self.push(character));
        let is_cut = rest.next().is_some();
        if is_cut {
            self.text.push('…');
        }
        is_cut
    }

    /// Adds the end of `part`.
    fn last_of(&mut self, part: &str) {
        let start = part.char_indices().rev().nth(MAX_CHARS - 1).map_or(0, |(start, _)| start);
        if start > 0 {
            self.text.push('…');
        }
        part[start..].chars().for_each(|character| self.push(character));
    }

    fn push(&mut self, character: char) {
        match character {
            // Its width is the renderer's business.
            '\t' => self.text.push('\t'),
            other => push_printable(&mut self.text, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, place: &str) -> Excerpt {
        let start = text.find(place).unwrap();
        Excerpt::of(text, &(start..start + place.len()))
    }

    #[test]
    fn the_place_is_found_again_in_what_is_shown() {
        let found = excerpt("one\n\ttwo thrée four\r\nfive", "thrée");
        assert_eq!(found.text, "\ttwo thrée four");
        assert_eq!(&found.text[found.mark.clone()], "thrée");
        assert_eq!((found.line, found.column), (2, 6));
        assert!(found.tells_column());
    }

    #[test]
    fn what_could_write_to_the_terminal_is_escaped_and_still_marked() {
        let found = excerpt("a\u{1b}[31m = \"\u{9b}x\u{202e}\"", "\"\u{9b}x\u{202e}\"");
        assert_eq!(found.text, "a\\u{1b}[31m = \"\\u{9b}x\\u{202e}\"");
        assert_eq!(&found.text[found.mark.clone()], "\"\\u{9b}x\\u{202e}\"");
        assert_eq!(found.column, 10);
        assert!(!found.tells_column());
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}HERE{}", "ä".repeat(100_000), "ö".repeat(100_000));
        let found = excerpt(&text, "HERE");
        assert_eq!(&found.text[found.mark.clone()], "HERE");
        assert_eq!(found.text.chars().count(), 2 * MAX_CHARS + 4 + 2);
        assert_eq!((found.line, found.column), (1, 100_001));

        let found = Excerpt::of(&text, &(0..text.len()));
        assert_eq!(found.text.chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn a_span_of_several_lines_or_none_is_marked_in_its_first() {
        let text = "ab\ncd\nef";
        let found = Excerpt::of(text, &(1..7));
        assert_eq!((found.text.as_str(), found.mark.clone(), found.line), ("ab", 1..2, 1));
        for (at, line) in [(0, 1), (2, 1), (3, 2), (8, 3)] {
            let found = Excerpt::of(text, &(at..at));
            assert_eq!((found.mark.len(), found.line), (0, line));
        }
        assert_eq!(Excerpt::of("", &(0..0)).text, "");
    }
}
