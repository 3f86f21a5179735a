use clap::value_parser;

use crate::connection::Target;
use crate::failure::{Exit, Failure};

/// Inside a command: say how far it is
///
/// It speaks for the command that runs it: $BGTASK_INSTANCE and $BGTASK_ADDRESS say which.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How far, in percent
    #[arg(value_parser = value_parser!(u32).range(0..=100))]
    value: u32,
    /// What it does now
    #[arg(default_value = "", hide_default_value = true)]
    message: String,
}

pub(crate) async fn run(args: &Args, target: &Target) -> Result<(), Failure> {
    let Some(instance) = std::env::var("BGTASK_INSTANCE").ok().filter(|instance| !instance.is_empty()) else {
        let text = "`bgtask progress` speaks for the command that runs it, and $BGTASK_INSTANCE is not set: \
                    call it in a command that `bgtask add` added";
        return Err(Failure::new(Exit::Usage, text));
    };
    Ok(target.connect().await?.report_progress(&instance, args.value, &args.message).await?)
}
