//! Findings with the lines they are about.

use std::io::{self, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use bgtask_manifest::{Diagnostic, Severity};
use serde_json::{Value, json};

use super::excerpt::Excerpt;
use super::text::{printable, printable_lines};

/// Every finding about the text of a file, as text.
pub(crate) fn write(file: &str, text: &str, findings: &[Diagnostic], out: &mut dyn Write) -> io::Result<()> {
    let name = printable(file).into_owned();
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    for found in findings {
        let (message, help) = (printable(&found.message), found.help.as_deref().map(printable_lines));
        let title = level(found.severity).primary_title(message).id(found.code);
        let excerpt = found.span.as_ref().map(|span| Excerpt::of(text, span));
        let group = match &excerpt {
            Some(excerpt) if excerpt.tells_column() => title.element(snippet(excerpt).path(name.as_str())),
            Some(excerpt) => {
                let place = Origin::path(name.as_str()).line(excerpt.line).char_column(excerpt.column);
                title.element(place).element(snippet(excerpt))
            }
            None => title.element(Origin::path(name.as_str())),
        };
        let help = help.map(|help| Group::with_title(Level::HELP.secondary_title(help)));
        let report: Vec<_> = [group].into_iter().chain(help).collect();
        writeln!(out, "{}\n", renderer.render(&report))?;
    }
    Ok(())
}

fn snippet(excerpt: &Excerpt) -> Snippet<'_, Annotation<'_>> {
    let mark = AnnotationKind::Primary.span(excerpt.mark.clone());
    Snippet::source(&excerpt.text).line_start(excerpt.line).annotation(mark)
}

/// Every finding as JSON.
pub(crate) fn to_json(text: &str, findings: &[Diagnostic]) -> Value {
    findings.iter().map(|found| finding(found, text)).collect()
}

fn finding(found: &Diagnostic, text: &str) -> Value {
    let place = found.span.as_ref().map(|span| Excerpt::of(text, span));
    json!({
        "severity": found.severity.to_string(),
        "code": found.code,
        "message": found.message,
        "help": found.help,
        "line": place.as_ref().map(|place| place.line),
        "column": place.as_ref().map(|place| place.column),
        "start": found.span.as_ref().map(|span| span.start),
        "end": found.span.as_ref().map(|span| span.end),
    })
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}
