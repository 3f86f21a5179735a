//! Aligned columns. One in which no row has anything is left out, with its heading.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;

use super::style;
use super::text::{columns, short};

/// Most terminal columns of one cell; the last cell of a row has no bound.
const MAX_CELL: usize = 48;

/// Rows of cells under one heading each. Cells are made printable here and nowhere else.
pub(crate) struct Table {
    headings: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

/// One cell.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new() }
    }

    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

impl Table {
    pub(crate) fn new(headings: &'static [&'static str]) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are headings.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.headings.len());
        self.rows.push(cells.into());
    }

    pub(crate) fn write(&self, out: &mut dyn Write, indent: &str) -> io::Result<()> {
        let widths = self.widths();
        let headings = self.headings.iter().map(|text| (Cow::Borrowed(*text), style::HEADING));
        line(out, indent, headings, &widths)?;
        for row in &self.rows {
            let last = row.len() - 1;
            let cells = row.iter().enumerate();
            let cells = cells.map(|(at, cell)| (short(&cell.text, bound(at == last)), cell.style));
            line(out, indent, cells, &widths)?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let width = |at: usize| {
            let cells = self.rows.iter().map(|row| columns(&short(&row[at].text, MAX_CELL)));
            match cells.max() {
                None | Some(0) => 0,
                Some(widest) => widest.max(columns(self.headings[at])),
            }
        };
        (0..self.headings.len()).map(width).collect()
    }
}

fn bound(is_last: bool) -> usize {
    if is_last { usize::MAX } else { MAX_CELL }
}

/// Writes cells padded to the widths, without blanks at the end of the line.
fn line<'a>(
    out: &mut dyn Write,
    indent: &str,
    cells: impl Iterator<Item = (Cow<'a, str>, Style)>,
    widths: &[usize],
) -> io::Result<()> {
    let mut padding = indent.len();
    for ((text, style), width) in cells.zip(widths).filter(|(_, width)| **width > 0) {
        let taken = columns(&text);
        if taken > 0 {
            write!(out, "{:padding$}{style}{text}{style:#}", "")?;
            padding = 0;
        }
        padding += width.saturating_sub(taken) + 2;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_hostile_cells_keep_the_columns() {
        let mut table = Table::new(&["NAME", "ID", "TEXT"]);
        table.row(["背景任务".into(), "1".into(), "a\nb".into()]);
        table.row(["x".into(), "".into(), "".into()]);
        table.row(["\u{1b}[31m".into(), "22".into(), "c".into()]);
        let mut out = Vec::new();
        table.write(&mut anstream::StripStream::new(&mut out), " ").unwrap();
        let expected = " NAME        ID  TEXT\n 背景任务    1   a\\nb\n x\n \\u{1b}[31m  22  c\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_column_without_anything_is_left_out() {
        let mut table = Table::new(&["NAME", "GROUP", "", "ID"]);
        table.row(["a".into(), "".into(), "+".into(), "1".into()]);
        table.row(["b".into(), "".into(), "".into(), "2".into()]);
        let mut out = Vec::new();
        table.write(&mut anstream::StripStream::new(&mut out), "").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME     ID\na     +  1\nb        2\n");
    }
}
