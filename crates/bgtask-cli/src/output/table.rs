//! Aligned columns. One in which no row has anything is left out, with its heading.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;

use super::text::{columns, printable, short};
use super::{Screen, style};

/// Most terminal columns of one cell; the last cell of a row has no bound.
const MAX_CELL: usize = 48;
/// A column is not made narrower than this to fit a terminal.
const MIN_COLUMN: usize = 10;
/// The last column goes on in the next line of a narrow terminal, but has at least this.
const MIN_LAST: usize = 24;
/// Between two columns.
const GAP: usize = 2;

/// Rows of cells under one heading each. Cells are made printable here and nowhere else.
pub(crate) struct Table {
    headings: &'static [&'static str],
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<Cell>,
    notes: Vec<String>,
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
        self.rows.push(Row { cells: cells.into(), notes: Vec::new() });
    }

    /// Adds a line below the last row.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(text.into());
        }
    }

    /// Writes it as wide as it is, or, for people, as wide as their terminal. Where that is too narrow for columns, every row
    /// is a paragraph.
    pub(crate) fn write(&self, screen: &mut Screen<'_>, indent: &str) -> io::Result<()> {
        let widths = self.widths();
        let room = screen.width.map(|width| width.saturating_sub(indent.len()));
        match room {
            None => self.write_columns(screen.out, indent, &widths),
            Some(room) => match fitted(widths, room) {
                Some(widths) => self.write_columns(screen.out, indent, &widths),
                None => self.write_paragraphs(screen.out, indent),
            },
        }
    }

    fn write_columns(&self, out: &mut dyn Write, indent: &str, widths: &[usize]) -> io::Result<()> {
        if self.headings.iter().any(|heading| !heading.is_empty()) {
            let headings = self.headings.iter().map(|text| (Cow::Borrowed(*text), style::HEADING));
            line(out, indent, headings, widths)?;
        }
        for row in &self.rows {
            let last = row.cells.len() - 1;
            let cells = row.cells.iter().enumerate();
            let bound = |at: usize| if at == last { usize::MAX } else { widths[at].min(MAX_CELL) };
            let cells = cells.map(|(at, cell)| (short(&cell.text, bound(at)), cell.style));
            line(out, indent, cells, widths)?;
            write_notes(out, indent, &row.notes)?;
        }
        Ok(())
    }

    fn write_paragraphs(&self, out: &mut dyn Write, indent: &str) -> io::Result<()> {
        for (place, row) in self.rows.iter().enumerate() {
            if place > 0 {
                writeln!(out)?;
            }
            for (heading, cell) in self.headings.iter().zip(&row.cells).filter(|(_, cell)| !cell.text.is_empty()) {
                let gap = if heading.is_empty() { "" } else { " " };
                let (dim, style, text) = (style::HEADING, cell.style, printable(&cell.text));
                writeln!(out, "{indent}{dim}{heading}{dim:#}{gap}{style}{text}{style:#}")?;
            }
            write_notes(out, indent, &row.notes)?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let width = |at: usize| {
            let cells = self.rows.iter().map(|row| columns(&short(&row.cells[at].text, MAX_CELL)));
            match cells.max() {
                None | Some(0) => 0,
                Some(widest) => widest.max(columns(self.headings[at])),
            }
        };
        (0..self.headings.len()).map(width).collect()
    }
}

fn write_notes(out: &mut dyn Write, indent: &str, notes: &[String]) -> io::Result<()> {
    let dim = style::HEADING;
    notes.iter().try_for_each(|note| writeln!(out, "{indent}  {dim}{}{dim:#}", printable(note)))
}

/// The widths made narrower, the widest first, until they fit; `None` if they cannot.
fn fitted(mut widths: Vec<usize>, room: usize) -> Option<Vec<usize>> {
    let last = widths.iter().rposition(|width| *width > 0)?;
    loop {
        let shown = |at: usize| if at == last { widths[at].min(MIN_LAST) } else { widths[at] };
        let gaps = widths.iter().filter(|width| **width > 0).count().saturating_sub(1) * GAP;
        let needed = (0..widths.len()).map(shown).sum::<usize>() + gaps;
        let excess = needed.saturating_sub(room);
        if excess == 0 {
            return Some(widths);
        }
        let widest = (0..last).max_by_key(|at| widths[*at]).filter(|at| widths[*at] > MIN_COLUMN)?;
        widths[widest] = widths[widest].saturating_sub(excess.div_ceil(2)).max(MIN_COLUMN);
    }
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
        padding += width.saturating_sub(taken) + GAP;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::super::time::Clock;
    use super::*;

    fn written(table: &Table, indent: &str, width: Option<usize>) -> String {
        let mut out = Vec::new();
        let mut stripped = anstream::StripStream::new(&mut out);
        let mut screen = Screen { out: &mut stripped, err: &mut io::sink(), clock: Clock::fixed(0), width };
        table.write(&mut screen, indent).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wide_and_hostile_cells_keep_the_columns() {
        let mut table = Table::new(&["NAME", "ID", "TEXT"]);
        table.row(["背景任务".into(), "1".into(), "a\nb".into()]);
        table.row(["x".into(), "".into(), "".into()]);
        table.row(["\u{1b}[31m".into(), "22".into(), "c".into()]);
        let expected = " NAME        ID  TEXT\n 背景任务    1   a\\nb\n x\n \\u{1b}[31m  22  c\n";
        assert_eq!(written(&table, " ", None), expected);
    }

    #[test]
    fn a_column_without_anything_is_left_out() {
        let mut table = Table::new(&["NAME", "GROUP", "", "ID"]);
        table.row(["a".into(), "".into(), "+".into(), "1".into()]);
        table.row(["b".into(), "".into(), "".into(), "2".into()]);
        assert_eq!(written(&table, "", None), "NAME     ID\na     +  1\nb        2\n");
    }

    #[test]
    fn a_terminal_gets_narrower_columns_and_in_the_end_paragraphs() {
        let mut table = Table::new(&["NAME", "WHEN", "NEXT"]);
        table.row(["a long name of a task".into(), "every 6 h".into(), "in 3 min".into()]);
        table.note("a word more");
        let wide =
            "NAME                   WHEN       NEXT\na long name of a task  every 6 h  in 3 min\n  a word more\n";
        assert_eq!(written(&table, "", Some(80)), wide);
        let narrow = "NAME          WHEN       NEXT\na long name…  every 6 h  in 3 min\n  a word more\n";
        assert_eq!(written(&table, "", Some(33)), narrow);
        let paragraphs = "NAME a long name of a task\nWHEN every 6 h\nNEXT in 3 min\n  a word more\n";
        assert_eq!(written(&table, "", Some(20)), paragraphs);
        for width in 1..100 {
            assert!(!written(&table, "  ", Some(width)).is_empty());
        }
    }
}
