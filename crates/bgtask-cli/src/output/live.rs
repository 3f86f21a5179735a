//! Progress bars that are drawn again and again in the same place, below what is written.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write};

use bgtask_wire::ProgressInfo;

use super::progress::bar;
use super::text::short;

/// Most bars at a time; what runs beyond is not drawn.
const MAX_BARS: usize = 8;
/// Where a terminal does not say how wide it is.
const DEFAULT_WIDTH: usize = 80;
/// Most columns of a name.
const MAX_NAME: usize = 20;

/// The bars of what runs, on standard error if that is a terminal, and otherwise nowhere.
pub(crate) struct Live {
    bars: BTreeMap<String, String>,
    drawn: usize,
    /// The columns of the terminal, if there is one. A bar that went on in the next line could not be taken away.
    width: Option<usize>,
}

impl Live {
    pub(crate) fn new() -> Self {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok().filter(|_| io::stderr().is_terminal());
        let width = size.map(|size| if size.ws_col == 0 { DEFAULT_WIDTH } else { usize::from(size.ws_col) });
        Self { bars: BTreeMap::new(), drawn: 0, width }
    }

    /// Draws how far a run is.
    pub(crate) fn progress(&mut self, progress: &ProgressInfo, err: &mut dyn Write) -> io::Result<()> {
        let Some(width) = self.width else { return Ok(()) };
        if self.bars.len() >= MAX_BARS && !self.bars.contains_key(&progress.instance) {
            return Ok(());
        }
        let bar = bar(progress.value, progress.message.as_deref());
        let line = format!("{bar}  {}", short(&progress.name, MAX_NAME));
        self.bars.insert(progress.instance.clone(), short(&line, width.saturating_sub(1).max(1)).into_owned());
        self.clear(err)?;
        self.draw(err)
    }

    /// Takes the bar of a run away that has ended.
    pub(crate) fn end(&mut self, instance: &str) {
        self.bars.remove(instance);
    }

    /// Takes the bars away, so that something can be written.
    pub(crate) fn clear(&mut self, err: &mut dyn Write) -> io::Result<()> {
        if self.drawn > 0 {
            write!(err, "\x1b[{}A\x1b[J", self.drawn)?;
            err.flush()?;
            self.drawn = 0;
        }
        Ok(())
    }

    /// Draws the bars below what was written.
    pub(crate) fn draw(&mut self, err: &mut dyn Write) -> io::Result<()> {
        for bar in self.bars.values() {
            writeln!(err, "{bar}")?;
        }
        self.drawn = self.bars.len();
        err.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(instance: &str, value: u32) -> ProgressInfo {
        ProgressInfo {
            app: "org.bgtask.Commands".into(),
            task: "t".into(),
            name: "backup".into(),
            instance: instance.into(),
            value,
            message: None,
        }
    }

    #[test]
    fn bars_are_drawn_in_the_place_of_the_last_ones() {
        let mut live = Live { width: Some(80), ..Live::new() };
        let mut err = Vec::new();
        live.progress(&progress("a", 50), &mut err).unwrap();
        live.progress(&progress("b", 100), &mut err).unwrap();
        live.end("a");
        live.clear(&mut err).unwrap();
        live.draw(&mut err).unwrap();
        let (half, whole) = ("[##########..........]  50 %  backup\n", "[####################] 100 %  backup\n");
        let expected = format!("{half}\x1b[1A\x1b[J{half}{whole}\x1b[2A\x1b[J{whole}");
        assert_eq!(String::from_utf8(err).unwrap(), expected);
    }

    #[test]
    fn a_bar_stays_on_its_line_however_narrow_the_terminal_is() {
        for width in 1..40 {
            let mut err = Vec::new();
            Live { width: Some(width), ..Live::new() }.progress(&progress("a", 50), &mut err).unwrap();
            let columns = super::super::text::columns(String::from_utf8(err).unwrap().trim_end());
            assert!(columns < width.max(2), "{columns} of {width}");
        }
    }

    #[test]
    fn there_are_only_so_many_and_none_where_nobody_sees_them() {
        let mut err = Vec::new();
        let mut live = Live { width: Some(80), ..Live::new() };
        for place in 0..2 * MAX_BARS {
            live.progress(&progress(&place.to_string(), 1), &mut err).unwrap();
        }
        assert_eq!(live.bars.len(), MAX_BARS);
        let mut unseen = Live { width: None, ..Live::new() };
        err.clear();
        unseen.progress(&progress("a", 1), &mut err).unwrap();
        assert_eq!(err, b"");
    }
}
