//! What is to hold the processes of a host together, settled before the first of them.
//!
//! A broker that systemd has started as its unit has a cgroup of its own. One that was started in a log-in session has none:
//! that session's scope is root's. Then the user's service manager is asked to put the broker into a transient unit, delegated
//! like the packaged one, and everything is as if that had started it: hosts and commands are born in cgroups below it. To have
//! the manager make a unit for each would take a message to it and its answer before anything could run.

use std::process;
use std::time::{Duration, SystemTime};

use bgtask_host::{may_make_cgroups, step_aside};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::timeout;
use zbus::fdo::DBusProxy;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream, OwnedObjectPath, Variant};

use crate::failure::Failure;

/// How long the manager may take. The broker is not ready before.
const PATIENCE: Duration = Duration::from_secs(5);

const MANAGER: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

/// `containment` of `config.toml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    /// The best there is.
    #[default]
    Auto,
    /// A cgroup of the broker's own, as it is.
    Cgroup,
    /// A unit of the user's service manager: the one that has started the broker, or a transient one.
    Units,
    /// Nothing but sessions.
    Session,
}

/// Does what is wanted, and answers whether there are to be cgroups. A `private` broker asks nobody unless it is told to.
///
/// # Errors
///
/// What was asked for by name cannot be had.
pub(crate) async fn settle(wanted: Wanted, private: bool) -> Result<bool, Failure> {
    let is_service = is_service();
    let entered = match (wanted, may_make_cgroups()) {
        (Wanted::Session, _) => return Ok(false),
        (Wanted::Cgroup, Err(why)) => return Err(cannot("cgroup", &why)),
        (Wanted::Units, found) if !is_service || found.is_err() => {
            enter_unit().await.map_err(|why| cannot("units", &why)).map(|()| true)?
        }
        (Wanted::Auto, Err(_)) if !private => enter_unit().await.map_or_else(|why| complain(&why), |()| true),
        _ => false,
    };
    if let Err(error) = step_aside(is_service || entered) {
        tracing::warn!(
            "the bounds of hosts are watched, not kept by the kernel: the broker cannot step aside: {error}"
        );
    }
    Ok(true)
}

/// Whether this process is what a unit of a service manager runs; then its cgroup is that unit's, and the manager's word on
/// delegation is in the unit.
fn is_service() -> bool {
    let started = std::env::var("SYSTEMD_EXEC_PID").ok().and_then(|process| process.parse().ok());
    started == Some(process::id())
}

fn complain(why: &str) -> bool {
    tracing::info!("no unit of the user's service manager holds the hosts: {why}");
    false
}

fn cannot(word: &str, why: &str) -> Failure {
    Failure::plain(format!(
        "containment = {word:?} in config.toml cannot be had here: {why}. With \"auto\" the broker takes what there is"
    ))
}

/// Has the user's service manager move this process into a unit that is delegated to it.
async fn enter_unit() -> Result<(), String> {
    let slow = |_| format!("the user's service manager did not answer within {} s", PATIENCE.as_secs());
    timeout(PATIENCE, start_unit()).await.map_err(slow)?.map_err(|error| {
        format!("the user's service manager cannot be asked ({error}): log in with a systemd user manager and its bus")
    })?;
    may_make_cgroups().map_err(|why| format!("the unit it made is not the broker's: {why}"))
}

async fn start_unit() -> zbus::Result<()> {
    let connection = zbus::connection::Builder::session().build().await?;
    // Who calls a name that nobody has would have it started: a manager is there or not.
    if !DBusProxy::new(&connection).await?.name_has_owner(MANAGER.try_into()?).await? {
        return Err(zbus::Error::Failure("it is not on the session bus".to_owned()));
    }
    let rule = MatchRule::builder().msg_type(Type::Signal).sender(MANAGER).interface(INTERFACE).member("JobRemoved");
    let mut ended = MessageStream::for_match_rule(rule.build()?, &connection, None).await?;
    let properties = [
        ("Description", Variant::from("Background tasks of this user")),
        ("PIDs", Variant::from(vec![process::id()])),
        ("Delegate", Variant::from(true)),
        ("CollectMode", Variant::from("inactive-or-failed")),
    ];
    let auxiliary: &[(&str, &[(&str, Variant<'_>)])] = &[];
    let unit = (unit_name(), "fail", &properties[..], auxiliary);
    let reply = connection.call_method(Some(MANAGER), OBJECT, Some(INTERFACE), "StartTransientUnit", &unit).await?;
    let job: OwnedObjectPath = reply.body().deserialize()?;
    while let Some(message) = ended.next().await {
        let message = message?;
        let body = message.body();
        let (_, path, unit, result): (u32, OwnedObjectPath, &str, &str) = body.deserialize()?;
        if path == job {
            let failed = || zbus::Error::Failure(format!("{unit} was not started: {result}"));
            return if result == "done" { Ok(()) } else { Err(failed()) };
        }
    }
    Err(zbus::Error::Failure("the bus is gone".to_owned()))
}

/// One that no broker before it had: what its hosts left may still be in that one's.
fn unit_name() -> String {
    let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("bgtask-{}-{:x}.scope", process::id(), moment.as_micros())
}
