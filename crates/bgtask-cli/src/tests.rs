//! Commands against a broker that answers from a script, over a real socket.

mod access;
mod accounts;
mod broker;
mod commands;
mod demand;
mod explain;
mod import;
mod manifests;
mod offline;
mod schema;
mod script;
mod transfers;

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;

use bgtask_wire::TaskInfo;
use clap::Parser as _;

use crate::Cli;
use crate::output::time::Clock;

/// 2026-07-28T12:00:00Z in microseconds: the time of every command in these tests.
const NOON: i64 = 1_785_240_000_000_000;

const PHOTOS: &str = "3f2b9c1e-7a44-4d0f-9a55-0c7b2f1e6a01";
const MAIL: &str = "a0c4d2e8-1111-4222-8333-444455556666";
const TIMER: &str = "c5d6e7f8-1111-4222-8333-000000000001";
const JACK: &str = "d5d6e7f8-1111-4222-8333-000000000002";
const INSTANCE: &str = "0b8e6f10-2222-4333-8444-555566667777";

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    exit: u8,
    out: String,
    err: String,
}

/// What a command did that succeeded and said this.
fn done(out: &str) -> Ran {
    Ran { exit: 0, out: out.into(), err: String::new() }
}

/// Runs `bgtask` with these arguments, as on a terminal without colours.
fn bgtask(arguments: &[&str]) -> Ran {
    bgtask_on(None, arguments)
}

/// As [`bgtask`], on a terminal of so many columns.
fn bgtask_on(width: Option<usize>, arguments: &[&str]) -> Ran {
    let cli = match Cli::try_parse_from([&["bgtask"], arguments].concat()) {
        Ok(cli) => cli,
        Err(usage) => return Ran { exit: 2, out: String::new(), err: usage.to_string() },
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli.run(
        Clock::fixed(NOON),
        width,
        &mut anstream::StripStream::new(&mut out),
        &mut anstream::StripStream::new(&mut err),
    );
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { exit: exit as u8, out: text(out), err: text(err) }
}

/// A task that waits for its trigger.
pub(crate) fn task(id: &str, app: &str, name: &str) -> TaskInfo {
    TaskInfo {
        id: id.into(),
        app: app.into(),
        name: name.into(),
        entry_point: "Tasks.Example".into(),
        trigger: "SystemTrigger".into(),
        trigger_type: "TimeZoneChange".into(),
        class_id: None,
        group: None,
        group_name: None,
        freshness: None,
        due: None,
        event_id: None,
        recurrence: None,
        one_shot: false,
        conditions: vec!["InternetAvailable".into()],
        cancel_on_condition_loss: false,
        is_network_requested: false,
        registered_at: NOON - 180_000_000,
        phase: "idle".into(),
        instance: None,
        attempt: None,
        progress: None,
        ..TaskInfo::default()
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Serves one client at this path with what `serve` does on a runtime of its own.
fn listen<F: Future<Output = ()>>(
    path: &Path,
    serve: impl FnOnce(std::os::unix::net::UnixStream) -> F + Send + 'static,
) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(stream));
    })
}
