//! What the readers found: one list of findings with a severity, a rule id and a place in the text.

use std::fmt;
use std::ops::Range;

/// Most findings one reading reports. What lies beyond is counted in one last finding.
pub const MAX_DIAGNOSTICS: usize = 100;

/// Most characters of a value that a message repeats.
const MAX_QUOTED_CHARS: usize = 60;

/// How bad a finding is, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing behaves otherwise than written.
    Note,
    /// The manifest is read, but something in it has no effect here or is likely a mistake.
    Warning,
    /// The manifest cannot be installed as it is.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One finding about a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A Windows rule id such as `MA-2`, or one of ours such as `manifest/unknown-key`.
    pub code: &'static str,
    /// What was asked for and what is wrong, as one sentence without a final stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The place in [`Parsed::text`](crate::Parsed::text), in bytes. It always lies on character boundaries of that text.
    pub span: Option<Range<usize>>,
}

impl Diagnostic {
    /// A finding that keeps the manifest from being installed.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A finding the author should look at.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    /// A remark.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message.into())
    }

    /// The same finding with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same finding with its place in the text.
    #[must_use]
    pub fn at(mut self, span: Option<Range<usize>>) -> Self {
        self.span = span;
        self
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self { severity, code, message, help: None, span: None }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Collects findings up to [`MAX_DIAGNOSTICS`].
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Diagnostic>,
    left_out: usize,
    worst_left_out: Option<Severity>,
}

impl Findings {
    pub(crate) fn push(&mut self, found: Diagnostic) {
        if self.kept.len() < MAX_DIAGNOSTICS {
            self.kept.push(found);
        } else {
            self.left_out += 1;
            self.worst_left_out = self.worst_left_out.max(Some(found.severity));
        }
    }

    /// The findings in order. The closing "and more" is as severe as the worst it stands for, so that no error goes unnoticed.
    pub(crate) fn into_vec(mut self) -> Vec<Diagnostic> {
        if let Some(severity) = self.worst_left_out {
            let message = format!("{} more findings are not listed", self.left_out);
            let more = Diagnostic::new(severity, "manifest/more", message);
            self.kept.push(more.help("correct the ones above and check again"));
        }
        self.kept
    }
}

/// `value` in quotation marks, with control characters made visible and cut to a readable length.
pub(crate) fn quoted(value: &str) -> String {
    let mut shown: String = value.chars().take(MAX_QUOTED_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_bounded_and_a_late_error_still_counts() {
        let mut findings = Findings::default();
        for _ in 0..MAX_DIAGNOSTICS {
            findings.push(Diagnostic::note("t", "n"));
        }
        findings.push(Diagnostic::error("t", "e"));
        findings.push(Diagnostic::warning("t", "w"));
        let list = findings.into_vec();
        assert_eq!(list.len(), MAX_DIAGNOSTICS + 1);
        let last = list.last().unwrap();
        assert_eq!(last.severity, Severity::Error);
        assert!(last.message.starts_with("2 more"), "{last}");
    }

    #[test]
    fn a_quoted_value_is_short_and_printable() {
        assert_eq!(quoted("a\u{1b}[31m\n"), r#""a\u{1b}[31m\n""#);
        assert!(quoted(&"ä".repeat(1_000_000)).chars().count() < MAX_QUOTED_CHARS + 4);
    }
}
