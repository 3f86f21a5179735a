use std::path::{Path, PathBuf};

use bgtask_manifest::{Parsed, Severity};
use serde_json::{Value, json};

use super::{Format, read};
use crate::failure::{Exit, Failure};
use crate::output::text::{counted, printable};
use crate::output::{Screen, diagnostics, style};

/// Say what is wrong with manifests; exit code 1 if one has an error
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The manifests: bgtask.toml or Package.appxmanifest
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(args: &Args, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut answers = Vec::new();
    let mut problems = Vec::new();
    for file in &args.files {
        match read(file) {
            Ok(parsed) => {
                if args.format.json {
                    answers.push(answer(file, &parsed));
                } else {
                    diagnostics::write(&file.to_string_lossy(), &parsed.text, &parsed.diagnostics, screen.out)?;
                    conclude(file, &parsed, screen)?;
                }
                problems.extend(problem(file, &parsed));
            }
            Err(failure) => problems.push(failure),
        }
    }
    if args.format.json {
        screen.json(&Value::from(answers))?;
    }
    summary(problems)
}

fn answer(file: &Path, parsed: &Parsed) -> Value {
    let findings = diagnostics::to_json(&parsed.text, &parsed.diagnostics);
    json!({ "file": file.to_string_lossy(), "ok": !parsed.has_errors(), "findings": findings })
}

fn conclude(file: &Path, parsed: &Parsed, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let warnings = parsed.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count();
    let (word, colour) = if parsed.has_errors() { ("not usable", style::BAD) } else { ("good", style::GOOD) };
    let rest = if warnings > 0 { format!(", {}", counted(warnings, "warning")) } else { String::new() };
    writeln!(screen.out, "{}: {colour}{word}{colour:#}{rest}", printable(&file.to_string_lossy()))
}

fn problem(file: &Path, parsed: &Parsed) -> Option<Failure> {
    let errors = parsed.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    let name = file.to_string_lossy();
    (errors > 0).then(|| Failure::failed(format!("{} has {}", printable(&name), counted(errors, "error"))))
}

/// All problems as one: a manifest with errors outweighs a file that is not there.
fn summary(problems: Vec<Failure>) -> Result<(), Failure> {
    let is_failed = problems.iter().any(|problem| problem.exit == Exit::Failed);
    let exit = if is_failed { Exit::Failed } else { Exit::Absent };
    match problems.len() {
        0 => Ok(()),
        _ => {
            Err(Failure::new(exit, problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("\n")))
        }
    }
}
