//! A line of a scenario in words.

use std::ops::Range;

use super::error::Problem;

/// A word, a quoted text, or a comma.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) quoted: bool,
    /// In the whole scenario.
    pub(super) span: Range<usize>,
}

impl Token {
    pub(super) fn is(&self, word: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_comma(&self) -> bool {
        self.is(",")
    }
}

/// The words of a line without its comment.
pub(super) fn tokens(line: &str, offset: usize) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let at = offset + line.len() - rest.len();
        if rest.is_empty() || rest.starts_with('#') {
            return Ok(tokens);
        }
        let (text, length, quoted) = if let Some(inner) = rest.strip_prefix('"') {
            let Some(end) = inner.find('"') else {
                let span = at..offset + line.trim_end().len();
                return Err(Problem::new(span, "the quoted text does not end", "close it with \""));
            };
            (&inner[..end], end + 2, true)
        } else if rest.starts_with(',') {
            (",", 1, false)
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == ',' || c == '"').unwrap_or(rest.len());
            (&rest[..end], end, false)
        };
        tokens.push(Token { text: text.to_owned(), quoted, span: at..at + length });
        rest = &rest[length..];
    }
}
