//! `bgtask access`: who may run in the background (AC-7).

mod set;
mod show;
mod switch;
pub(super) mod words;

use bgtask_wire::BrokerProxy;

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::quoted;
use crate::output::Screen;

const EXAMPLES: &str = "\
Examples:
  bgtask access                                 every app
  bgtask access org.example.Photos              one app, and what its access means
  bgtask access set org.example.Photos never    do not let it run
  bgtask access set org.example.Photos default  take that back
  bgtask access off                             let nothing run";

/// Show which apps may run in the background, and decide it
///
/// The first of these that says something decides: a policy of the machine's owner, the switch for all background work
/// (off, on), the user's setting of the app (set), what the app was granted when it asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only this app, with what its access means
    app: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    Set(set::Args),
    /// Let nothing run in the background: what runs is told to stop, what fires waits
    Off,
    /// Let everything run again that may
    On,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if let (Some(_), Some(app)) = (&args.order, &args.app) {
        return Err(misplaced(app));
    }
    let (broker, format) = (target.connect().await?, &args.format);
    match (&args.order, &args.app) {
        (Some(Order::Set(set)), _) => set::run(set, format, &broker, screen).await,
        (Some(Order::Off), _) => switch::run(false, format, &broker, screen).await,
        (Some(Order::On), _) => switch::run(true, format, &broker, screen).await,
        (None, Some(app)) => show::one(app, format, &broker, screen).await,
        (None, None) => show::all(format, &broker, screen).await,
    }
}

/// `access APP off` must not switch off everything.
fn misplaced(app: &str) -> Failure {
    let message = format!(
        "an app stands alone, or after \"set\": to decide about {}, say `bgtask access set APP never`; \
         \"off\" and \"on\" are for all apps and take none",
        quoted(app)
    );
    Failure::new(Exit::Usage, message)
}

/// Whether the user lets anything run in the background: the master switch.
async fn background_enabled(broker: &BrokerProxy<'_>) -> Result<bool, Failure> {
    Ok(broker.inner().get_property("BackgroundEnabled").await?)
}
