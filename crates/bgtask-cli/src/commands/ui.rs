//! `bgtask ui`: everything on one screen.

use std::io::IsTerminal as _;

use bgtask_ui::{Look, Options, Reconnect, View};

use crate::connection::Target;
use crate::failure::{Exit, Failure};

/// Show everything on one screen: tasks and why they wait, what happens, history and logs, conditions, access
///
/// The keys are shown at the bottom; `?` explains all of them. It needs a terminal of 40x10, and 80x24 to be comfortable.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Let the mouse select views and scroll
    #[arg(long)]
    mouse: bool,
}

pub(crate) async fn run(args: &Args, target: &Target) -> Result<(), Failure> {
    show(View::Tasks, args.mouse, target).await
}

/// The screen, with this view first.
pub(super) async fn show(view: View, mouse: bool, target: &Target) -> Result<(), Failure> {
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !is_terminal || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        let message = "a screen needs a terminal\nwithout one, `bgtask list`, `bgtask watch` and `bgtask top --once` say the same";
        return Err(Failure::new(Exit::Usage, message));
    }
    let broker = target.connect().await?;
    let target = target.clone();
    let reconnect: Reconnect = Box::new(move || {
        let target = target.clone();
        Box::pin(async move { target.connect().await.map_err(|failure| failure.message) })
    });
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let shown = bgtask_ui::run(broker, reconnect, Options { view, mouse, look: Look { colour } }).await;
    shown.map_err(|error| Failure::failed(format!("the terminal cannot be used: {error}")))
}
