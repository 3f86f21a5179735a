use std::path::{Path, PathBuf};

use bgtask_wire::TransferOrder;
use serde_json::json;

use super::Format;
use super::follow::Follower;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::{quoted, short_id};
use crate::output::Screen;
use crate::output::text::printable;

/// Order a transfer
///
/// The file is fetched to where it belongs only when it is whole; one that is there already is replaced only with --force.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// From where, or with --upload where to: http:// or https://
    uri: String,
    /// The file on this machine [default: the last part of the URI, in this folder]
    file: Option<PathBuf>,
    /// Send the file instead of fetching it
    #[arg(long, requires = "file")]
    upload: bool,
    /// Go on where an upload broke: the server has to speak tus 1.0, and the URI is where it has uploads made
    #[arg(long, requires = "upload", conflicts_with = "method")]
    resumable: bool,
    /// Only over a network that costs nothing
    #[arg(long, conflicts_with = "any_network")]
    unmetered: bool,
    /// Also where the machine is not known to be on the internet
    #[arg(long)]
    any_network: bool,
    /// Give way to everything else on this machine
    #[arg(long)]
    low: bool,
    /// The SHA-256 that the fetched file has to have
    #[arg(long, value_name = "DIGITS", conflicts_with = "upload")]
    sha256: Option<String>,
    /// Send this header, too
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The method of the request [default: GET, or PUT with --upload]
    #[arg(long)]
    method: Option<String>,
    /// The group it belongs to
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Whose it is [default: yours]
    #[arg(long, default_value = "", hide_default_value = true)]
    app: String,
    /// Replace the file, if it is there
    #[arg(long)]
    force: bool,
    /// Show how far it is, until it is over
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(args: &Args, format: &Format, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let order = args.order()?;
    let broker = &target.connect().await?;
    let file = order.file.clone();
    let follower = if args.wait { Some(Follower::new(broker).await?) } else { None };
    let id = broker.create_transfer(&args.app, order).await?;
    if format.json {
        screen.json(&json!({ "id": id, "file": file }))?;
    } else if !args.wait {
        let (file, short) = (printable(&file), short_id(&id, 8));
        writeln!(
            screen.out,
            "{file} is transferred in the background as {short}: `bgtask transfers` shows how far it is."
        )?;
    }
    match follower {
        Some(follower) => follower.follow(&id, !format.json, screen).await,
        None => Ok(()),
    }
}

impl Args {
    fn order(&self) -> Result<TransferOrder, Failure> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => PathBuf::from(name_in(&self.uri)?),
        };
        let file = std::path::absolute(&file)
            .map_err(|error| Failure::new(Exit::Usage, format!("{} is no file: {error}", file.display())))?;
        if self.upload
            && let Err(error) = file.metadata()
        {
            let file = quoted(&file.to_string_lossy());
            return Err(Failure::new(Exit::Usage, format!("{file} cannot be sent: {error}")));
        }
        if !self.upload && !self.force && file.symlink_metadata().is_ok() {
            let file = quoted(&file.to_string_lossy());
            return Err(Failure::failed(format!("{file} is there already: name another file, or say --force")));
        }
        Ok(TransferOrder {
            kind: if self.upload { "upload" } else { "download" }.into(),
            uri: self.uri.clone(),
            file: text(&file)?,
            method: self.method.clone(),
            headers: Some(self.headers()?).filter(|headers| !headers.is_empty()),
            cost: Some(if self.unmetered { 1 } else { 2 * u32::from(self.any_network) }),
            priority: Some(2 * u32::from(self.low)),
            group: self.group.clone(),
            sha256: self.sha256.clone(),
            resumable: self.resumable.then_some(true),
            ..TransferOrder::default()
        })
    }

    fn headers(&self) -> Result<Vec<(String, String)>, Failure> {
        let read = |header: &String| {
            let (name, value) = header.split_once(':').ok_or_else(|| {
                Failure::new(Exit::Usage, format!("{} is no header: write 'Name: value'", quoted(header)))
            })?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        };
        self.headers.iter().map(read).collect()
    }
}

/// What the URI calls the file.
fn name_in(uri: &str) -> Result<&str, Failure> {
    let wrong = |what: &str| Failure::new(Exit::Usage, format!("{} {what}", quoted(uri)));
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let (_, rest) = path.split_once("://").ok_or_else(|| wrong("is no URI: one begins with http:// or https://"))?;
    let name = rest.rsplit_once('/').map(|(_, name)| name).filter(|name| !["", ".", ".."].contains(name));
    name.ok_or_else(|| wrong("does not name a file: say into which it goes"))
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("the name {} is not UTF-8: name another file", quoted(&path.to_string_lossy())),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_what_the_uri_calls_it() {
        assert_eq!(name_in("https://example.org/a/film.mkv?x=/y#z").unwrap(), "film.mkv");
        for uri in ["https://example.org", "https://example.org/", "https://example.org/a/..", "film.mkv", ""] {
            assert_eq!(name_in(uri).unwrap_err().exit, Exit::Usage, "{uri}");
        }
    }
}
