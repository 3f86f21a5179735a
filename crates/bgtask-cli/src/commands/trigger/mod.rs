//! `bgtask trigger`: what `ApplicationTrigger.RequestAsync` is for apps (REQ-1).

mod arguments;

use serde_json::json;

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::find_app;
use crate::output::Screen;
use crate::output::text::printable;
use arguments::Argument;

const NOTES: &str = "\
Arguments:
  KEY=VALUE  a text, whatever it looks like: --arg album=Summer --arg year=2026
  KEY:=JSON  anything else, as JSON: --arg count:=3 --arg 'sizes:=[320,640]'
  JSON       several at once: --json-args '{\"album\":\"Summer\",\"count\":3}'

Numbers with a point or an exponent are of the type double, others integers.
A list has elements of one kind; there is no null. All may take 64 KiB.

Exit codes:
  0  Allowed: the trigger fired, the task runs as soon as it can
  1  UnknownError: it did not fire for another reason, such as that the app has no such task
  5  CurrentlyRunning: it did not fire, an earlier request still runs or waits to
  6  DisabledByPolicy: the user or the policy does not let the app run in the background

With --device the results are those of a DeviceUseTrigger: 0 Allowed, 1 LowBattery,
6 DeniedByUser and DeniedBySystem.";

/// Fire the ApplicationTrigger of an app, as the app itself would
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// The app
    app: String,
    /// Fire its MediaProcessingTrigger instead
    #[arg(long)]
    media: bool,
    /// Fire its DeviceUseTrigger instead, for this device: a path below /sys, or a Bluetooth address
    #[arg(long, value_name = "ID", conflicts_with = "media")]
    device: Option<String>,
    /// What its task gets: a text, or anything else as JSON; may be repeated
    #[arg(long = "arg", value_name = "KEY=VALUE|KEY:=JSON")]
    arguments: Vec<Argument>,
    /// What its task gets, as one JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", hide_default_value = true)]
    json_args: arguments::Object,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let device = args.device.as_deref().map(|id| Argument::text("device_id", id));
    let arguments: Vec<_> = args.arguments.iter().cloned().chain(device).collect();
    let details = arguments::collect(&arguments, &args.json_args);
    let details = details.map_err(|problem| Failure::new(Exit::Usage, problem))?;
    let broker = target.connect().await?;
    let app = find_app(&broker, &args.app).await?.id;
    let class = match &args.device {
        Some(_) => "DeviceUseTrigger",
        None if args.media => "MediaProcessingTrigger",
        None => "ApplicationTrigger",
    };
    let details = details.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let (number, why) = broker.request_trigger(&app, class, details).await?;
    let (result, exit) = if args.device.is_some() { meaning_of_device(number) } else { meaning(number) };
    if args.format.json {
        screen.json(&json!({ "app": app, "class": class, "result": result, "why": why }))?;
    }
    match exit {
        Exit::Done if args.format.json => Ok(()),
        Exit::Done => Ok(writeln!(screen.out, "{result}: {}.", printable(&why))?),
        Exit::Denied => Err(Failure::new(exit, format!("{result}: {why}\n`bgtask access {app}` shows who decides"))),
        exit => Err(Failure::new(exit, format!("{result}: {why}"))),
    }
}

/// An `ApplicationTriggerResult` by name, and what it tells the shell.
fn meaning(number: u32) -> (&'static str, Exit) {
    match number {
        0 => ("Allowed", Exit::Done),
        1 => ("CurrentlyRunning", Exit::Running),
        2 => ("DisabledByPolicy", Exit::Denied),
        _ => ("UnknownError", Exit::Failed),
    }
}

/// The same of a `DeviceTriggerResult`.
fn meaning_of_device(number: u32) -> (&'static str, Exit) {
    match number {
        0 => ("Allowed", Exit::Done),
        1 => ("DeniedByUser", Exit::Denied),
        2 => ("DeniedBySystem", Exit::Denied),
        _ => ("LowBattery", Exit::Failed),
    }
}
