//! `bgtask transfers`: files that come and go in the background (NW-7).

mod add;
mod follow;
mod list;

use bgtask_wire::{BrokerProxy, TransferInfo};
use serde_json::{Value, json};

use super::Format;
use crate::connection::Target;
use crate::failure::Failure;
use crate::find::{quoted, short_id};
use crate::output::Screen;
use crate::output::text::printable;

const EXAMPLES: &str = "\
Examples:
  bgtask transfers                                        every transfer, and why it is where it is
  bgtask transfers add https://example.org/film.mkv       fetch a file into this folder
  bgtask transfers add --unmetered --wait https://example.org/film.mkv /srv/films/film.mkv
  bgtask transfers add --upload https://example.org/inbox/film.mkv film.mkv
  bgtask transfers pause 3f2a                             let one rest";

/// Fewest characters of an id that stand for it.
const MIN_PREFIX: usize = 4;

/// Fetch and send files in the background, however often that takes
///
/// A transfer goes on by itself after the network, the server, this machine or the broker was away, and where it was, if the
/// server can tell that the file is still the same.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// List the transfers, those that are over too, and why each is where it is
    List,
    Add(Box<add::Args>),
    /// Let transfers rest: what they have stays
    Pause(Which),
    /// Let transfers go on where they were, at once
    Resume(Which),
    /// End transfers: what they have fetched goes, and they are forgotten
    Cancel(Which),
    /// Forget transfers that are over
    Forget(Which),
}

/// Which transfers.
#[derive(Debug, clap::Args)]
struct Which {
    /// Ids, the first characters of ids, or files
    #[arg(required = true)]
    transfers: Vec<String>,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let format = &args.format;
    if let Some(Order::Add(add)) = &args.order {
        return add::run(add, format, target, screen).await;
    }
    let broker = target.connect().await?;
    match &args.order {
        None | Some(Order::List | Order::Add(_)) => list::run(format, &broker, screen).await,
        Some(Order::Pause(which)) => tell("pause", "it rests", which, format, &broker, screen).await,
        Some(Order::Resume(which)) => tell("resume", "it goes on", which, format, &broker, screen).await,
        Some(Order::Cancel(which)) => tell("cancel", "it was ended", which, format, &broker, screen).await,
        Some(Order::Forget(which)) => tell("forget", "it was forgotten", which, format, &broker, screen).await,
    }
}

async fn tell(
    what: &str,
    text: &str,
    which: &Which,
    format: &Format,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let mut done = Vec::new();
    for wanted in &which.transfers {
        let found = find(wanted, &broker.list_transfers("").await?)?;
        broker.control_transfer(&found.id, what).await?;
        if format.json {
            done.push(json!({ "id": found.id, "file": found.file, "text": text }));
        } else {
            writeln!(screen.out, "{}: {text}.", printable(&found.file))?;
        }
    }
    if format.json { Ok(screen.json(&Value::from(done))?) } else { Ok(()) }
}

/// The transfer a person means: by its id, its file, or the beginning of its id.
fn find(wanted: &str, all: &[TransferInfo]) -> Result<TransferInfo, Failure> {
    let lower = wanted.to_ascii_lowercase();
    let path = std::path::absolute(wanted).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let by = |meant: &dyn Fn(&TransferInfo) -> bool| all.iter().filter(|it| meant(it)).cloned().collect::<Vec<_>>();
    let mut found = by(&|it| it.id == lower);
    if found.is_empty() {
        found = by(&|it| it.file == path);
    }
    if found.is_empty() && lower.len() >= MIN_PREFIX {
        found = by(&|it| it.id.starts_with(&lower));
    }
    match found.len() {
        0 => Err(Failure::absent(format!("there is no transfer {}: `bgtask transfers` lists them", quoted(wanted)))),
        1 => Ok(found.remove(0)),
        count => {
            let ids: Vec<_> = found.iter().map(|it| short_id(&it.id, 13)).collect();
            let ids = ids.join(", ");
            Err(Failure::failed(format!("{} are {count} transfers: name one by its id: {ids}", quoted(wanted))))
        }
    }
}
