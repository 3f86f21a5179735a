use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_push::fleet::answers_topic;
use bgtask_push::mqtt::{Client, Server, Settings, Trouble};

use super::ledger::Given;
use super::usage;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::output::text::printable;

/// Where an operator's settings are.
#[derive(Debug, clap::Args)]
pub(super) struct Account {
    /// The server and who you are there [default: ~/.config/bgtask/fleet.toml]
    #[arg(long, global = true, value_name = "FILE")]
    server: Option<PathBuf>,
}

/// Who gives orders: an account at a server, and a folder in which it is kept what was ordered and what came of it.
pub(super) struct Operator {
    settings: PathBuf,
    pub(super) folder: PathBuf,
}

impl Operator {
    pub(super) fn of(account: &Account, target: &Target) -> Result<Self, Failure> {
        let (settings, folder) = match target.root() {
            Some(root) => (root.join("fleet.toml"), root.join("state/fleet")),
            None => {
                let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
                let home = variable("HOME").ok_or_else(|| Failure::failed("$HOME is not set: set it"))?;
                let config = variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
                let state = variable("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"));
                (config.join("bgtask/fleet.toml"), state.join("bgtask/fleet"))
            }
        };
        Ok(Self { settings: account.server.clone().unwrap_or(settings), folder })
    }

    /// The server of the settings.
    pub(super) fn server(&self) -> Result<Server, Failure> {
        let shown = shown(&self.settings);
        let text = std::fs::read_to_string(&self.settings).map_err(|error| {
            usage(format!(
                "the server of the fleet is not known: {shown} cannot be read: {error}\n\
                 write it: server = \"mqtts://push.example.org\", username = \"operator\", password_file = \"/…\""
            ))
        })?;
        let settings: Settings =
            toml::from_str(&text).map_err(|error| usage(format!("{shown} cannot be used: {error}")))?;
        settings.server().map_err(|error| usage(format!("{shown} cannot be used: {error}")))
    }

    /// A connection on which the answers to an order are heard: the server keeps them between two, unless it was killed and has forgotten who
    /// listens.
    pub(super) async fn listener(&self, server: &Server, given: &Given) -> Result<Client, Trouble> {
        let (keep, order) = (Duration::from_secs(given.keep), &given.order.order);
        let mut client = Client::resume(server, &format!("bgtask-order-{order}"), keep).await?;
        client.subscribe(&[format!("{}/+", answers_topic(&server.prefix, order))]).await?;
        Ok(client)
    }
}

/// What a server said, for people. A broker tries again by itself; this program has ended.
pub(super) fn trouble(trouble: &Trouble) -> Failure {
    let help = if trouble.lasting { &trouble.help } else { "try again later" };
    Failure::new(Exit::Failed, format!("{}; {help}", trouble.why))
}

pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}
