//! `bgtask fleet`: have a task run on one machine or on very many, and see what came of it.

mod ledger;
mod operator;
mod outcomes;
mod trigger;

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use operator::Operator;

const EXAMPLES: &str = "\
Examples:
  bgtask fleet trigger org.bgtask.Commands backup --to all --spread 1h
  bgtask fleet trigger org.bgtask.Commands upgrade --to group:kitchens --spread 10m --reply --wait 20m
  bgtask fleet trigger org.example.Mail 'Sync' --to machine:kitchen-7 --wait 1m --expect 1
  bgtask fleet outcomes                    the orders that were given from here
  bgtask fleet outcomes 3f2a9c0d --wait 5m what came of one, and what comes yet

The server and this operator's account there stand in ~/.config/bgtask/fleet.toml, with the keys of [push.mqtt].";

/// Have a task run on the machines of a fleet, and see what came of it
///
/// Orders go over a server of MQTT 5 to the machines whose owners have opened the task to the fleet ([fleet] in their config.toml).
/// A machine that is away gets its order when it is back.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    deed: Deed,
    #[command(flatten)]
    operator: operator::Args,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    Trigger(trigger::Args),
    Outcomes(outcomes::Args),
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let operator = Operator::of(&args.operator, target)?;
    match &args.deed {
        Deed::Trigger(trigger) => trigger::run(trigger, &args.format, &operator, screen).await,
        Deed::Outcomes(outcomes) => outcomes::run(outcomes, &args.format, &operator, screen).await,
    }
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, text)
}
