//! `bgtask doctor`: what works here, and what would make the rest work.

mod ask;
mod broker;
mod hosts;
mod machine;
mod places;
mod service;
mod sleep;
mod sources;
mod state;
mod walls;

use serde_json::{Value, json};

use super::Format;
use crate::connection::Target;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::text::counted;
use crate::output::{Screen, style};
use places::Places;

/// Check the installation and this machine, and say what to do
///
/// Looks at every source of triggers and conditions, the broker and how it is started, its state, the clock and the disk. It
/// works without a broker, and changes nothing. Exit code 1 says that there is a problem.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(target: &Target, args: &Args, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let places = Places::of(target)?;
    let now = screen.clock.now().as_microsecond();
    // Nothing here needs long, but much of it waits for somebody else.
    let (broker, service, state, sources) = tokio::join!(
        broker::check(target, &places),
        service::check(&places),
        state::check(&places, now),
        sources::check(target)
    );
    let (machine, sleep, walls) = tokio::join!(machine::check(&places), sleep::check(&places), walls::check());
    let findings = [broker, service, state, machine, hosts::check(&places), walls, sleep, sources].concat();
    match args.format.json {
        true => screen.json(&to_json(&findings))?,
        false => write(&findings, screen)?,
    }
    let problems = findings.iter().filter(|it| it.verdict == Verdict::Problem).count();
    match problems {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("{}: what to do about each is said beside it", counted(problems, "problem")))),
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
struct Finding {
    area: &'static str,
    name: String,
    verdict: Verdict,
    /// What is so, and how that is known.
    what: String,
    /// What would make it better.
    help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// It works, but less well than it could.
    Warning,
    /// It does not work.
    Problem,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    const fn style(self) -> anstyle::Style {
        match self {
            Self::Ok => style::GOOD,
            Self::Warning => style::WAITING,
            Self::Problem => style::BAD,
        }
    }
}

/// Makes the findings of one area.
#[derive(Clone, Copy)]
struct Area(&'static str);

impl Area {
    fn ok(self, name: &str, what: impl Into<String>) -> Finding {
        Finding { area: self.0, name: name.to_owned(), verdict: Verdict::Ok, what: what.into(), help: None }
    }

    fn warning(self, name: &str, what: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Warning, help: Some(help.into()), ..self.ok(name, what) }
    }

    fn problem(self, name: &str, what: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Problem, help: Some(help.into()), ..self.ok(name, what) }
    }
}

fn to_json(findings: &[Finding]) -> Value {
    let finding = |it: &Finding| json!({ "area": it.area, "name": it.name, "status": it.verdict.word(), "what": it.what, "help": it.help });
    findings.iter().map(finding).collect()
}

fn write(findings: &[Finding], screen: &mut Screen<'_>) -> std::io::Result<()> {
    for (place, area) in findings.chunk_by(|one, next| one.area == next.area).enumerate() {
        let (strong, gap) = (style::STRONG, if place == 0 { "" } else { "\n" });
        writeln!(screen.out, "{gap}{strong}{}{strong:#}", area[0].area)?;
        let mut table = Table::new(&["", "", ""]);
        for it in area {
            table.row([Cell::styled(it.verdict.word(), it.verdict.style()), Cell::new(&it.name), Cell::new(&it.what)]);
            it.help.iter().for_each(|help| table.note(help));
        }
        table.write(screen, "  ")?;
    }
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let (warnings, problems) = (count(Verdict::Warning), count(Verdict::Problem));
    let sum = format!("{}, {}.", counted(problems, "problem"), counted(warnings, "warning"));
    writeln!(screen.out, "\n{sum}")
}
