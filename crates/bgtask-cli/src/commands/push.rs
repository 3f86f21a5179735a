use bgtask_wire::{BrokerProxy, PushChannelInfo};
use serde_json::{Value, json};

use super::Format;
use crate::failure::Failure;
use crate::find::find_app;
use crate::output::table::{Cell, Table};
use crate::output::{Screen, style, time};

/// List the channels for push messages, open one or close one
///
/// On its channel a server far away reaches an app. URI is what it sends to. HELD is how many messages wait because the app's task
/// has no room for them: the server keeps those that follow.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    deed: Option<Deed>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    /// Open the channel of an app, or let it last for 30 more days, and say its address
    Open {
        /// The app; by default the user's own commands, which `bgtask add --on push` starts
        #[arg(default_value = bgtask_core::App::COMMANDS)]
        app: String,
    },
    /// Close the channel of an app: nobody reaches it any more
    Close {
        /// The app
        app: String,
    },
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match &args.deed {
        None => {
            let channels = broker.list_push_channels("").await?;
            if args.format.json {
                screen.json(&channels.iter().map(channel).collect::<Value>())?;
            } else {
                write(&channels, screen)?;
            }
        }
        Some(Deed::Open { app }) => {
            let (uri, expires) = broker.create_push_channel(app).await?;
            if args.format.json {
                screen.json(&json!({"app": app, "uri": uri, "expires": time::rfc3339(expires)}))?;
            } else {
                writeln!(screen.out, "{uri}")?;
            }
        }
        Some(Deed::Close { app }) => {
            find_app(broker, app).await?;
            broker.close_push_channel(app).await?;
            if args.format.json {
                screen.json(&json!({"app": app, "closed": true}))?;
            } else {
                writeln!(screen.out, "The channel of {app} is closed.")?;
            }
        }
    }
    Ok(())
}

fn channel(it: &PushChannelInfo) -> Value {
    json!({
        "app": it.app, "uri": it.uri, "expires": time::rfc3339(it.expires), "status": it.status, "how": it.how, "why": it.why, "help": it.help,
        "held": it.held,
    })
}

fn write(channels: &[PushChannelInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if channels.is_empty() {
        return writeln!(screen.out, "No app has a channel for push messages: `bgtask push open APP` opens one.");
    }
    let mut table = Table::new(&["APP", "STATUS", "HELD", "EXPIRES", "URI"]);
    for channel in channels {
        table.row([
            Cell::styled(&channel.app, style::STRONG),
            Cell::new(&channel.status),
            Cell::new(channel.held.to_string()),
            Cell::new(screen.clock.absolute(channel.expires)),
            Cell::new(channel.uri.clone().unwrap_or_default()),
        ]);
    }
    table.write(screen, "")?;
    for channel in channels {
        if let (Some(why), Some(help)) = (&channel.why, &channel.help) {
            writeln!(screen.out, "{}: {why}; {help}", channel.app)?;
        }
    }
    Ok(())
}
