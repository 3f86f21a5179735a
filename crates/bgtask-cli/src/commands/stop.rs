use bgtask_wire::BrokerProxy;
use serde_json::json;

use super::Format;
use crate::failure::Failure;
use crate::find::find_app;
use crate::output::Screen;
use crate::output::text::{counted, printable};

/// End everything of an app that runs in the background
///
/// Running instances are told to stop with the reason Terminating; who does not stop in time is killed. What waits stays, and
/// its tasks fire again: `bgtask access set APP never` is what keeps an app from running, `bgtask unregister` what takes a task
/// away.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app
    app: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let app = find_app(broker, &args.app).await?.id;
    let count = broker.terminate(&app).await?;
    if args.format.json {
        return Ok(screen.json(&json!({ "app": app, "count": count }))?);
    }
    match count {
        0 => writeln!(screen.out, "Nothing of {} runs in the background.", printable(&app))?,
        count => {
            let told = counted(usize::try_from(count).unwrap_or(usize::MAX), "running instance");
            writeln!(screen.out, "Told {told} of {} to stop.", printable(&app))?;
        }
    }
    Ok(())
}
