//! Tells the story while it happens: what is done, who says what, and when.

use std::io;
use std::time::Instant;

use anstyle::Style;

use crate::output::text::printable;
use crate::output::{Screen, style};

/// Writes the story.
pub(super) struct Narrator<'a, 'b> {
    screen: &'a mut Screen<'b>,
    begun: Instant,
    scenes: usize,
    /// Whether the last line is one of progress, which goes on as long as progress does.
    is_in_progress: bool,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    World,
    Broker,
    App,
    Why,
}

impl<'a, 'b> Narrator<'a, 'b> {
    pub(super) fn new(screen: &'a mut Screen<'b>) -> Self {
        Self { screen, begun: Instant::now(), scenes: 0, is_in_progress: false }
    }

    /// A paragraph outside the scenes.
    pub(super) fn remark(&mut self, text: &str) -> io::Result<()> {
        self.end_progress()?;
        writeln!(self.screen.out, "{text}")?;
        self.screen.out.flush()
    }

    /// A new scene: its title, and in a sentence what it shows.
    pub(super) fn scene(&mut self, title: &str, explanation: &str) -> io::Result<()> {
        self.end_progress()?;
        self.scenes += 1;
        let (strong, heading) = (style::STRONG, style::HEADING);
        writeln!(self.screen.out, "\n{strong}{}. {title}{strong:#}", self.scenes)?;
        writeln!(self.screen.out, "   {heading}{explanation}{heading:#}")?;
        self.screen.out.flush()
    }

    /// Somebody says something.
    pub(super) fn says(&mut self, who: Who, text: &str) -> io::Result<()> {
        let text = printable(text);
        if let (Who::App, Some(value)) = (who, text.strip_prefix("progress ")) {
            return self.progress(value);
        }
        self.end_progress()?;
        self.line_start(who)?;
        writeln!(self.screen.out, "{text}")?;
        self.screen.out.flush()
    }

    pub(super) fn elapsed(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn progress(&mut self, value: &str) -> io::Result<()> {
        if !self.is_in_progress {
            self.line_start(Who::App)?;
            write!(self.screen.out, "progress")?;
            self.is_in_progress = true;
        }
        write!(self.screen.out, " {value}")?;
        self.screen.out.flush()
    }

    fn end_progress(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_in_progress) { writeln!(self.screen.out) } else { Ok(()) }
    }

    fn line_start(&mut self, who: Who) -> io::Result<()> {
        let (heading, colour) = (style::HEADING, who.style());
        let (at, name) = (self.elapsed(), who.name());
        write!(self.screen.out, "   {heading}{at:5.2} s{heading:#}  {colour}{name:<6}{colour:#}  ")
    }
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Broker => "broker",
            Self::App => "app",
            Self::Why => "why",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::World => style::WAITING,
            Self::Broker => style::ACTIVE,
            Self::App => style::GOOD,
            Self::Why => style::STRONG,
        }
    }
}
