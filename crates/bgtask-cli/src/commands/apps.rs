use bgtask_wire::{AppInfo, BrokerProxy};
use serde_json::Value;

use super::Format;
use super::access::words;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::{Screen, json, style};

/// List the installed apps
///
/// ACCESS is whether each may run in the background, with who decided it, what the user set and what the policy says;
/// `bgtask access` changes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let apps = broker.list_apps().await?;
    if args.format.json {
        screen.json(&apps.iter().map(json::app).collect::<Value>())?;
    } else {
        write(&apps, screen)?;
    }
    Ok(())
}

fn write(apps: &[AppInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if apps.is_empty() {
        return writeln!(screen.out, "No apps are installed: put a manifest into the broker's apps folder.");
    }
    let headings = &["APP", "VERSION", "ACCESS", "DECIDED BY", "SETTING", "POLICY", "ENTRY POINTS", "MANIFEST"];
    let mut table = Table::new(headings);
    for app in apps {
        table.row([
            Cell::styled(&app.id, style::STRONG),
            Cell::new(&app.version),
            Cell::styled(&app.access, style::of_access(&app.access)),
            Cell::new(&app.decided_by),
            Cell::new(app.setting.clone().unwrap_or_default()),
            Cell::new(words::policy(app).unwrap_or_default()),
            Cell::new(app.entry_points.join(", ")),
            Cell::new(&app.manifest),
        ]);
    }
    table.write(screen, "")
}
