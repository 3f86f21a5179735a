//! What is in a log.

use std::fs::File;
use std::io::Read as _;

use crate::files::{Files, Generations};
use crate::line::Line;
use crate::{Kind, LogError};

/// Which lines of a log are wanted. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only this many, the last ones; of what is followed, of what was there before.
    pub last: Option<usize>,
    /// Only those of this instance.
    pub instance: Option<String>,
    /// Only those from this time on, in microseconds since 1970.
    pub since: Option<u64>,
}

impl Query {
    /// Whether a line is wanted, but for how many there are.
    pub(crate) fn wants(&self, line: &Line) -> bool {
        self.instance.as_ref().is_none_or(|instance| line.instance == *instance)
            && self.since.is_none_or(|since| line.at >= since)
    }

    /// Drops what is too much.
    pub(crate) fn limit(&self, lines: &mut Vec<Line>) {
        let surplus = self.last.map_or(0, |last| lines.len().saturating_sub(last));
        lines.drain(..surplus);
    }
}

pub(crate) fn read(files: &Files, query: &Query) -> Result<Vec<Line>, LogError> {
    let Generations { older, newer } = files.generations()?;
    let mut lines = Vec::new();
    for file in [older, newer].into_iter().flatten() {
        let bytes = rest_of(&file)?;
        // What has no end is being written, or will never be.
        let complete = bytes.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        lines.extend(complete.filter_map(Line::parse).filter(|line| query.wants(line)));
    }
    query.limit(&mut lines);
    Ok(lines)
}

/// From where it was last read to.
pub(crate) fn rest_of(mut file: &File) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| LogError::system("read", "a log", error))?;
    Ok(bytes)
}

pub(crate) fn tail(files: &Files, instance: &str, max_bytes: usize) -> Result<String, LogError> {
    let query = Query { instance: Some(instance.to_owned()), ..Query::default() };
    let mut text = String::new();
    for line in read(files, &query)?.iter().filter(|line| line.is_output()) {
        text.push_str(&line.text());
        if line.kind == Kind::Output {
            text.push('\n');
        }
    }
    Ok(last_lines(&text, max_bytes).to_owned())
}

fn last_lines(text: &str, max_bytes: usize) -> &str {
    let end = &text[text.ceil_char_boundary(text.len().saturating_sub(max_bytes))..];
    if end.len() == text.len() {
        return end;
    }
    let starts_line = text[..text.len() - end.len()].ends_with('\n');
    match end.find('\n') {
        Some(newline) if !starts_line && newline + 1 < end.len() => &end[newline + 1..],
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_with_a_line_if_it_has_one() {
        assert_eq!(last_lines("one\ntwo\n", 100), "one\ntwo\n");
        assert_eq!(last_lines("one\ntwo\n", 6), "two\n");
        assert_eq!(last_lines("one\ntwo\n", 4), "two\n");
        assert_eq!(last_lines("one\ntwo\n", 3), "wo\n");
        assert_eq!(last_lines("€€", 4), "€");
        assert_eq!(last_lines("", 4), "");
        assert_eq!(last_lines("one\n", 0), "");
    }
}
