use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::Cli;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::text::printable;

/// Write the manual pages, one for each command: for packages
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder they are written to; it is made if need be, and pages of commands that are no more are removed
    dir: PathBuf,
}

pub(crate) fn run(args: &Args, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let cannot = |error| {
        let dir = args.dir.to_string_lossy();
        Failure::failed(format!("the manual pages cannot be written to {}: {error}", printable(&dir)))
    };
    let pages = pages().and_then(|pages| write(&args.dir, &pages)).map_err(cannot)?;
    Ok(writeln!(screen.out, "Wrote {pages} manual pages.")?)
}

fn write(dir: &Path, pages: &[Page]) -> io::Result<usize> {
    fs::create_dir_all(dir)?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("bgtask") && name.ends_with(".1") {
            fs::remove_file(&path)?;
        }
    }
    for page in pages {
        fs::write(dir.join(&page.file), &page.text)?;
    }
    Ok(pages.len())
}

/// One manual page.
struct Page {
    file: String,
    text: String,
}

/// Every page.
fn pages() -> io::Result<Vec<Page>> {
    let mut command = without_help(Cli::command());
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

/// The manual is the help.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn collect(command: &Command, pages: &mut Vec<Page>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("bgtask").source(source());
    let mut text = Vec::new();
    man.render(&mut text)?;
    // What stands at the end of a help text has no name there.
    let text = String::from_utf8_lossy(&text).replace(".SH EXTRA", ".SH NOTES");
    pages.push(Page { file: format!("{name}.1"), text });
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.into_iter().try_for_each(|below| collect(below, pages))
}

fn source() -> String {
    format!("bgtask {}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package takes the pages as they are in the repository, so that building it runs nothing.
    #[test]
    fn the_pages_of_the_package_are_those_of_the_commands() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/man");
        let again = "write them again with `cargo run -- man packaging/man`";
        let pages = pages().unwrap();
        for Page { file: name, text: page } in &pages {
            let kept = fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}; {again}"));
            assert_eq!(String::from_utf8_lossy(&kept), *page, "{name}; {again}");
        }
        let kept = fs::read_dir(folder).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".1")
        });
        assert_eq!(kept.count(), pages.len(), "a page of a command that is no more; {again}");
    }
}
