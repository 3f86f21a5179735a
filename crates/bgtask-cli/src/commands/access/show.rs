use bgtask_wire::{AppInfo, BrokerProxy};
use serde_json::{Value, json};

use super::{background_enabled, words};
use crate::commands::Format;
use crate::failure::Failure;
use crate::find::find_app;
use crate::output::table::{Cell, Table};
use crate::output::task::NOTHING;
use crate::output::text::printable;
use crate::output::{Screen, json as forms, style};

pub(super) async fn all(format: &Format, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let enabled = background_enabled(broker).await?;
    let apps = broker.list_apps().await?;
    if format.json {
        let answer = json!({ "background_enabled": enabled, "apps": apps.iter().map(forms::app).collect::<Value>() });
        return Ok(screen.json(&answer)?);
    }
    Ok(write_all(&apps, enabled, screen)?)
}

pub(super) async fn one(
    wanted: &str,
    format: &Format,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let app = find_app(broker, wanted).await?;
    if format.json {
        return Ok(screen.json(&forms::app(&app))?);
    }
    let enabled = background_enabled(broker).await?;
    Ok(write_one(&app, enabled, screen)?)
}

fn write_all(apps: &[AppInfo], enabled: bool, screen: &mut Screen<'_>) -> std::io::Result<()> {
    if !enabled {
        let bad = style::BAD;
        writeln!(screen.out, "{bad}All background work is switched off.{bad:#} `bgtask access on` switches it on.\n")?;
    }
    if apps.is_empty() {
        return writeln!(screen.out, "No apps are installed.");
    }
    let mut table = Table::new(&["APP", "ACCESS", "DECIDED BY", "SETTING", "POLICY"]);
    for app in apps {
        table.row([
            Cell::styled(&app.id, style::STRONG),
            Cell::styled(&app.access, style::of_access(&app.access)),
            Cell::new(&app.decided_by),
            Cell::new(app.setting.clone().unwrap_or_default()),
            Cell::new(words::policy(app).unwrap_or_default()),
        ]);
    }
    table.write(screen, "")
}

fn write_one(app: &AppInfo, enabled: bool, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let (strong, id) = (style::STRONG, printable(&app.id));
    writeln!(screen.out, "{strong}{id}{strong:#}")?;
    for (label, value) in facts(app, enabled) {
        let heading = style::HEADING;
        writeln!(screen.out, "  {heading}{label:<10}{heading:#} {}", printable(&value))?;
    }
    Ok(())
}

fn facts(app: &AppInfo, enabled: bool) -> [(&'static str, String); 4] {
    let access = match words::meaning(&app.access) {
        Some(meaning) => format!("{}: {meaning}", app.access),
        None => app.access.clone(),
    };
    let setting = match (&app.setting, words::overruled(app, enabled)) {
        (Some(setting), Some(why)) => format!("{setting}, without effect: {why}"),
        (Some(setting), None) => setting.clone(),
        (None, _) => "default".to_owned(),
    };
    let policy = words::policy(app).unwrap_or_else(|| NOTHING.to_owned());
    [("access", access), ("decided by", app.decided_by.clone()), ("setting", setting), ("policy", policy)]
}
