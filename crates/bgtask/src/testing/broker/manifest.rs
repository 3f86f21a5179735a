//! A manifest in the test's own words, as the core sees it.

use std::fmt::Write as _;
use std::path::Path;

use bgtask_core::AppId;
use bgtask_manifest::{App, Diagnostic, Severity};

use crate::Error;

/// The folder the manifest is said to be in. Nothing is looked for there.
const FOLDER: &str = "/test";

/// Reads a manifest of either form; what is wrong with it comes with its places.
pub(super) fn read(text: &str) -> Result<(AppId, App), Error> {
    let name = if text.trim_start().starts_with('<') { "Package.appxmanifest" } else { "bgtask.toml" };
    let parsed = bgtask_manifest::parse(name, text.as_bytes());
    let app = parsed.declare(Path::new(FOLDER)).map_err(|errors| {
        let mut words = format!("{name} cannot be installed:");
        for error in errors.iter().filter(|found| found.severity == Severity::Error) {
            let _ = write!(words, "\n{}", placed(&parsed.text, error));
        }
        Error::invalid(words)
    })?;
    let id = AppId::new(&app.id).map_err(|error| Error::invalid(error.to_string()))?;
    Ok((id, app))
}

/// A finding after its line and column, both from 1.
fn placed(text: &str, found: &Diagnostic) -> String {
    let Some(before) = found.span.as_ref().and_then(|span| text.get(..span.start)) else { return found.to_string() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{line}:{column}: {found}")
}
