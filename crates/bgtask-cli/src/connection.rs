//! The way to the broker.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_wire::{Address, BrokerProxy, PeerSocket};
use zbus::connection;
use zbus::proxy::CacheProperties;

use crate::failure::{Exit, Failure};
use crate::output::text::printable;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which broker a command talks to.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Target {
    /// The broker's address [default: $BGTASK_ADDRESS, or else $XDG_RUNTIME_DIR/bgtask/broker]
    #[arg(long, global = true, value_name = "ADDRESS", conflicts_with = "root", help_heading = "Global options")]
    address: Option<Address>,
    /// Talk to the broker that was started with `bgtaskd --root DIR`
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    root: Option<PathBuf>,
}

impl Target {
    /// The broker that was started with `--root`.
    pub(crate) fn of_root(root: PathBuf) -> Self {
        Self { address: None, root: Some(root) }
    }

    /// Opens a connection that acts for the user.
    pub(crate) async fn connect(&self) -> Result<BrokerProxy<'static>, Failure> {
        let address = self.address()?;
        tokio::time::timeout(PATIENCE, self.open(&address)).await.unwrap_or_else(|_elapsed| {
            let path = address.path().to_string_lossy();
            // A socket unit listens also while its broker cannot start.
            let message = format!(
                "what listens at {} does not answer: is it a broker?\nif systemd starts it, \
                 `systemctl --user status bgtask` says what became of it",
                printable(&path)
            );
            Err(Failure::new(Exit::Unreachable, message))
        })
    }

    /// The folder of a private broker, where one is meant.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<Address, Failure> {
        match (&self.address, &self.root) {
            (Some(address), _) => Ok(address.clone()),
            (None, Some(root)) => Ok(Address::of_path(root.join("run/broker"))),
            (None, None) => Address::from_environment(rustix::process::getuid().as_raw())
                .map_err(|error| Failure::new(Exit::Usage, format!("$BGTASK_ADDRESS is wrong: {error}"))),
        }
    }

    async fn open(&self, address: &Address) -> Result<BrokerProxy<'static>, Failure> {
        let socket = PeerSocket::connect(address.path()).await.map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => closed(address),
            _ => self.absent(address, &error.to_string()),
        })?;
        let builder = connection::Builder::socket(socket).p2p().method_timeout(PATIENCE);
        let connection = builder.build().await.map_err(|error| self.absent(address, &error.to_string()))?;
        Ok(BrokerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?)
    }

    fn absent(&self, address: &Address, cause: &str) -> Failure {
        let path = address.path().to_string_lossy();
        let start = match &self.root {
            Some(root) => format!("start it with `bgtaskd --root {}`", printable(&root.to_string_lossy())),
            None => "start one with `systemctl --user start bgtask` or `bgtaskd`, or say where it is with --address \
                     or --root"
                .to_owned(),
        };
        Failure::new(Exit::Unreachable, format!("no broker answers at {}: {cause}\n{start}", printable(&path)))
    }
}

fn closed(address: &Address) -> Failure {
    let path = address.path().to_string_lossy();
    let why = "it is closed to this user: a broker serves the one who started it";
    Failure::new(Exit::Unreachable, format!("the broker at {} cannot be reached: {why}", printable(&path)))
}
