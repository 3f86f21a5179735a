use bgtask_wire::{AppInfo, BrokerProxy};
use serde_json::json;

use super::{background_enabled, words};
use crate::commands::Format;
use crate::failure::Failure;
use crate::find::find_app;
use crate::output::Screen;
use crate::output::text::printable;

/// Decide whether an app may run in the background
///
/// It holds until it is taken back with "default", also while the app is not installed. Where a policy or the switch for all
/// background work decides, the setting is kept and has no effect until they leave it to the user; the answer says so.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The app
    app: String,
    /// What it may do
    #[arg(value_enum)]
    setting: Setting,
    /// Also for an app that is not installed, or not yet
    #[arg(long)]
    not_installed: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Setting {
    /// It may run whenever it wants, in energy saver too
    Always,
    /// The system decides: it may run, but not in energy saver
    Managed,
    /// It may not run: what runs is told to stop, what fires waits
    Never,
    /// Take the decision back: what it was granted when it asked counts again
    Default,
}

impl Setting {
    /// The word of the contract.
    const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Managed => "managed",
            Self::Never => "never",
            Self::Default => "default",
        }
    }
}

pub(super) async fn run(
    args: &Args,
    format: &Format,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    if !args.not_installed {
        find_app(broker, &args.app).await.map_err(with_way_out)?;
    }
    broker.set_access(&args.app, args.setting.word()).await?;
    let app = broker.list_apps().await?.into_iter().find(|app| app.id == args.app);
    let enabled = background_enabled(broker).await?;
    let overruled = app.as_ref().and_then(|app| words::overruled(app, enabled));
    if format.json {
        let answer = json!({
            "app": args.app,
            "setting": args.setting.word(),
            "access": app.as_ref().map(|app| &app.access),
            "decided_by": app.as_ref().map(|app| &app.decided_by),
            "effective": app.as_ref().map(|_| overruled.is_none()),
        });
        return Ok(screen.json(&answer)?);
    }
    Ok(write(args, app.as_ref(), overruled.as_deref(), screen)?)
}

fn write(args: &Args, app: Option<&AppInfo>, overruled: Option<&str>, screen: &mut Screen<'_>) -> std::io::Result<()> {
    writeln!(screen.out, "Set {} to {}.", printable(&args.app), args.setting.word())?;
    let Some(app) = app else {
        let kept = match args.setting {
            Setting::Default => "no setting is kept for it",
            _ => "the setting is kept for when it is",
        };
        return writeln!(screen.out, "It is not installed; {kept}.");
    };
    if let Some(why) = overruled {
        writeln!(screen.out, "This has no effect now: {}.", printable(why))?;
    }
    let (access, by) = (printable(&app.access), printable(&app.decided_by));
    writeln!(screen.out, "Its access is {access}, decided by {by}.")
}

fn with_way_out(mut failure: Failure) -> Failure {
    failure.message.push_str("\nto decide about an app that is not installed, add --not-installed");
    failure
}
