use std::path::PathBuf;

use bgtask_manifest::{BackgroundTask, Form, Manifest, Parsed, Severity};

use super::{Format, read};
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::text::{counted, printable};
use crate::output::{Screen, style};

/// Show what a manifest declares
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The manifest: bgtask.toml or Package.appxmanifest
    file: PathBuf,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(args: &Args, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let parsed = read(&args.file)?;
    match &parsed.manifest {
        Some(manifest) if args.format.json => screen.json(&manifest.to_json())?,
        Some(manifest) => write(manifest, screen)?,
        None => {}
    }
    if !args.format.json {
        note_warnings(args, &parsed, screen)?;
    }
    if parsed.has_errors() { Err(errors(args, &parsed)) } else { Ok(()) }
}

fn write(manifest: &Manifest, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let package = &manifest.package;
    let (strong, name) = (style::STRONG, value(package.name.as_deref()));
    let form = match manifest.form {
        Form::Toml => "bgtask.toml",
        Form::Appx => "Package.appxmanifest",
    };
    writeln!(screen.out, "{strong}{name}{strong:#} {} ({form})", value(package.version.as_deref()))?;
    let programs = manifest.applications.iter().map(|application| value(application.executable.as_deref()));
    let capabilities = manifest.capabilities.iter().map(|capability| value(capability.name.as_deref()));
    let facts = [
        ("name", value(package.display_name.as_deref())),
        ("publisher", value(package.publisher.as_deref())),
        ("programs", list(programs)),
        ("capabilities", list(capabilities)),
    ];
    for (label, text) in facts {
        writeln!(screen.out, "  {heading}{label:<13}{heading:#} {text}", heading = style::HEADING)?;
    }
    if manifest.background_tasks.is_empty() {
        return writeln!(screen.out, "\nIt declares no background tasks.");
    }
    writeln!(screen.out)?;
    let mut table = Table::new(&["ENTRY POINT", "TYPES", "PROGRAM"]);
    for task in &manifest.background_tasks {
        table.row(row(manifest, task));
    }
    table.write(screen, "  ")
}

fn row(manifest: &Manifest, task: &BackgroundTask) -> [Cell; 3] {
    let name = task.entry_point.as_ref().or(task.start_page.as_ref());
    let types = task.types.iter().filter_map(|declared| declared.name.as_deref()).collect::<Vec<_>>();
    [
        Cell::styled(name.map_or("–", String::as_str), style::STRONG),
        Cell::new(types.join(", ")),
        Cell::new(manifest.program_of(task).unwrap_or("–")),
    ]
}

fn value(text: Option<&str>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| printable(text).into_owned())
}

fn list(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() { "–".to_owned() } else { texts.join(", ") }
}

fn note_warnings(args: &Args, parsed: &Parsed, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let warnings = parsed.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count();
    if warnings == 0 {
        return Ok(());
    }
    let (count, file) = (counted(warnings, "warning"), args.file.to_string_lossy());
    writeln!(screen.out, "\n{count}: see `bgtask manifest check {}`", printable(&file))
}

/// What keeps the manifest from being used; what was shown of it may be incomplete.
fn errors(args: &Args, parsed: &Parsed) -> Failure {
    let file = args.file.to_string_lossy();
    let errors = parsed.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let mut message = format!("{} has errors:", printable(&file));
    for error in errors {
        message.push_str(&format!("\n  {}", printable(&error.to_string())));
    }
    Failure::failed(message)
}
