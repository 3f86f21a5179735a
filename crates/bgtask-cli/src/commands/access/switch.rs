use bgtask_wire::{AppInfo, BrokerProxy};
use serde_json::{Value, json};

use super::words;
use crate::commands::Format;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::text::printable;

pub(super) async fn run(
    enabled: bool,
    format: &Format,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    broker.set_background(enabled).await?;
    let mut forced = broker.list_apps().await?;
    forced.retain(words::forces);
    if format.json {
        let forced = forced.iter().map(|app| Value::from(app.id.as_str())).collect::<Value>();
        return Ok(screen.json(&json!({ "background_enabled": enabled, "forced": forced }))?);
    }
    Ok(write(enabled, &forced, screen)?)
}

fn write(enabled: bool, forced: &[AppInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if enabled {
        writeln!(screen.out, "Background work is switched on: every app runs as its own access says.")?;
    } else {
        writeln!(screen.out, "Background work is switched off: what runs is told to stop, what fires waits.")?;
    }
    if !forced.is_empty() {
        writeln!(screen.out, "It has no effect on these, for which the policy decides:")?;
    }
    for app in forced {
        let policy = words::policy(app).unwrap_or_default();
        writeln!(screen.out, "  {}  {}", printable(&app.id), printable(&policy))?;
    }
    Ok(())
}
