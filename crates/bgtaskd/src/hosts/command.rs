//! Commands: what one finds when it starts, how it is told to stop, and what it leaves.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bgtask_confine::Plan;
use bgtask_core::{CancellationReason, Command, HostExit, HostId, RunOrder, Trigger};
use bgtask_host::{CommandSpec, Host, Running, Tail};
use bgtask_log::{LogError, Logs, Trouble, Writer};
use bgtask_wire::ADDRESS_VARIABLE;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Entry, Hosts, Kind, chain, listen, own, ready, tell_when_readable};
use crate::confinement::Walls;
use crate::inbox::Incoming;
use crate::places::Places;

/// The most bytes a command may leave for its next try.
const MAX_CHECKPOINT_BYTES: u64 = 64 * 1024;

/// Commands whose program is being started, which may take as long as a file system does.
#[derive(Default)]
pub(super) struct Starting(HashMap<HostId, Begun>);

struct Begun {
    files: Files,
    /// What it was told meanwhile.
    told: Option<Told>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    Die,
}

/// The files through which a broker and a command speak.
pub(super) struct Files {
    /// Empty until it is told to stop, and then the reason.
    reason: PathBuf,
    /// What it leaves for its next try.
    checkpoint: Option<PathBuf>,
    log: Log,
}

impl Hosts {
    /// Starts a command. What went wrong comes back like any other end of a host.
    pub(crate) fn run_command(&mut self, id: HostId, given: Given) -> Result<(), String> {
        let Given { spec, files } = given;
        let prepared = self.spawner.prepare(spec).map_err(|error| chain(&error))?;
        self.starting.0.insert(id, Begun { files, told: None });
        let inbox = self.inbox.clone();
        tokio::task::spawn_blocking(move || {
            let started = prepared.start().map_err(|error| chain(&error));
            let _stopping = inbox.blocking_send(Incoming::Started(id, Box::new(started)));
        });
        Ok(())
    }

    /// A command has begun to run, or could not.
    pub(crate) fn command_started(&mut self, id: HostId, started: Result<Running, String>) -> Result<(), HostExit> {
        let Some(begun) = self.starting.0.remove(&id) else { return Ok(()) };
        let attended = started.and_then(|running| {
            let attended = self.attend_command(id, running, begun.files.log.clone());
            attended.map_err(|error| format!("its end cannot be watched: {error}"))
        });
        match attended {
            Ok((host, tail, listener)) => {
                let kind = Kind::Command(begun.files);
                self.running.insert(id, Entry { host, peak: 0, exit: None, tail, listener: Some(listener), kind });
                match begun.told {
                    Some(Told::Die) => self.kill(id),
                    Some(Told::Stop) => self.terminate(id),
                    None => {}
                }
                Ok(())
            }
            Err(why) => {
                let exit = HostExit::NotStarted(why);
                begun.files.put_away(&exit);
                Err(exit)
            }
        }
    }

    /// Tells a command to stop, and why.
    pub(crate) fn cancel_command(&mut self, id: HostId, reason: CancellationReason) {
        if let Some(begun) = self.starting.0.get_mut(&id) {
            begun.files.tell(reason);
            begun.told.get_or_insert(Told::Stop);
        }
        if let Some(Entry { kind: Kind::Command(files), .. }) = self.running.get(&id) {
            files.tell(reason);
            self.terminate(id);
        }
    }

    pub(crate) fn is_command(&self, id: HostId) -> bool {
        let running = || matches!(self.running.get(&id), Some(Entry { kind: Kind::Command(_), .. }));
        self.starting.0.contains_key(&id) || running()
    }

    fn terminate(&self, id: HostId) {
        if let Some(Err(error)) = self.running.get(&id).map(|entry| entry.host.terminate()) {
            tracing::error!("a command cannot be told to stop: {}", chain(&error));
        }
    }

    fn attend_command(&self, id: HostId, running: Running, log: Log) -> io::Result<Attended> {
        let tail = Arc::new(Mutex::new(Tail::new()));
        let ended = own(running.host.as_fd())?;
        let output = ready::watch(OwnedFd::from(running.output))?;
        tokio::spawn(tell_when_readable(ended, self.inbox.clone(), id));
        let listener = tokio::spawn(listen(output, Arc::clone(&tail), Some(log)));
        Ok((running.host, tail, listener))
    }
}

/// A command that runs, and what hears it.
type Attended = (Host, Arc<Mutex<Tail>>, JoinHandle<()>);

impl Starting {
    pub(super) fn kill(&mut self, id: HostId) {
        if let Some(begun) = self.0.get_mut(&id) {
            begun.told = Some(Told::Die);
        }
    }
}

impl Files {
    fn make(places: &Places, order: &RunOrder, command: &Command, log: Log) -> io::Result<Self> {
        let reason = places.cancel_reason_of(order.instance);
        make_empty(&reason)?;
        let checkpoint = command.checkpoint.then(|| places.checkpoint_of(&log_name(&order.name)));
        if let Some(path) = &checkpoint {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            let size = fs::metadata(path).map_or(0, |data| data.len());
            if size > MAX_CHECKPOINT_BYTES {
                tracing::warn!(
                    "{}: its checkpoint of {size} bytes is dropped, the most is {MAX_CHECKPOINT_BYTES}",
                    order.name
                );
                fs::remove_file(path)?;
            }
        }
        // Behind walls it can be written to, and not made.
        if let Some(path) = checkpoint.as_ref().filter(|path| command.sandbox.is_some() && !path.exists()) {
            make_empty(path)?;
        }
        Ok(Self { reason, checkpoint, log })
    }

    fn tell(&self, reason: CancellationReason) {
        if let Err(error) = fs::write(&self.reason, format!("{reason}\n")) {
            tracing::warn!("a command cannot be told why it has to stop: {error}");
        }
    }

    /// A success needs no checkpoint any more.
    pub(super) fn put_away(&self, exit: &HostExit) {
        self.log.end(exit);
        let _gone = fs::remove_file(&self.reason);
        if let Some(path) = self.checkpoint.as_ref().filter(|_| *exit == HostExit::Code(0)) {
            let _none = fs::remove_file(path);
        }
    }
}

/// An empty file, in a folder that is made with the first of them.
fn make_empty(path: &Path) -> io::Result<()> {
    match fs::write(path, "") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(path, "")
        }
        other => other,
    }
}

/// Everything a command is given.
pub(crate) struct Given {
    spec: CommandSpec,
    files: Files,
}

impl Given {
    /// What a command finds; `env` is what every command has, and `walls` are those that the broker puts around it.
    pub(crate) fn new(
        places: &Places,
        logs: &Logs,
        order: &RunOrder,
        command: &Command,
        env: Vec<(OsString, OsString)>,
        home: &Path,
        walls: Option<Plan>,
    ) -> Result<Self, String> {
        let cannot = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let log = Log::open(logs, &order.name, order).map_err(|error| cannot("its log cannot be written", &error))?;
        let files =
            Files::make(places, order, command, log).map_err(|error| cannot("its files cannot be made", &error))?;
        let details = bgtask_host::sealed(details(order).to_string().as_bytes())
            .map_err(|error| cannot("what its trigger carries cannot be given to it", &error))?;
        let dir = if command.dir.is_empty() { home.to_owned() } else { PathBuf::from(&*command.dir) };
        let argv = command.argv.iter().map(|argument| OsString::from(&**argument)).collect();
        let asked = command.sandbox.as_deref().map(|sandbox| {
            let own = [Some(files.reason.as_path()), files.checkpoint.as_deref()];
            Walls::around_command(sandbox, home, &dir, Path::new(&*command.argv[0]), own)
        });
        let spec = CommandSpec {
            confine: asked.or(walls),
            descriptors: vec![("BGTASK_DETAILS_FD".into(), details)],
            nice: command.nice,
            network: command.network,
            memory: command.memory,
            ..CommandSpec::new(argv, environment(order, command, env, &files), dir)
        };
        Ok(Self { spec, files })
    }
}

fn environment(
    order: &RunOrder,
    command: &Command,
    mut env: Vec<(OsString, OsString)>,
    files: &Files,
) -> Vec<(OsString, OsString)> {
    let mut set = |name: &str, value: OsString| env.push((name.into(), value));
    for (name, value) in &command.env {
        set(name, (&**value).into());
    }
    set("BGTASK_TASK", (&*order.name).into());
    set("BGTASK_TASK_ID", order.task.to_string().into());
    set("BGTASK_INSTANCE", order.instance.to_string().into());
    set("BGTASK_ATTEMPT", order.attempt.to_string().into());
    set("BGTASK_TRIGGER", bgtask_taskfile::trigger_word(&order.trigger).into());
    set("BGTASK_FIRED_AT", order.firing.at.as_micros().to_string().into());
    set("BGTASK_FIRED_COUNT", order.firing.count.to_string().into());
    set("BGTASK_CANCEL_REASON", files.reason.clone().into());
    if let Some(checkpoint) = &files.checkpoint {
        set("BGTASK_CHECKPOINT", checkpoint.clone().into());
    }
    env
}

/// What the trigger carries, with what else a command may want to know.
fn details(order: &RunOrder) -> Value {
    let carried = order.firing.details.as_ref().map_or(&[][..], |details| &details.0);
    let lines = carried.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let events: Vec<Value> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let what = if matches!(order.trigger, Trigger::Path { .. }) { "changes" } else { "events" };
    json!({
        "task": &*order.name,
        "instance": order.instance.to_string(),
        "attempt": order.attempt,
        "trigger": bgtask_taskfile::trigger_word(&order.trigger),
        "by_hand": order.firing.by_hand,
        "fired_at": order.firing.at.as_micros(),
        "fired_count": order.firing.count,
        (what): events,
        "lost": order.firing.lost,
    })
}

/// What every command's environment has: the broker's own, without what is only the broker's, and the way back.
pub(crate) fn environment_of_commands(address: &bgtask_wire::Address) -> Vec<(OsString, OsString)> {
    const OF_THE_BROKER: [&str; 12] = [
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "LISTEN_PIDFDID",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "MANAGERPID",
        "SYSTEMD_EXEC_PID",
        "FDSTORE",
    ];
    let own = |name: &OsString| name.to_str().is_some_and(|name| OF_THE_BROKER.contains(&name));
    let mut env: Vec<_> = std::env::vars_os().filter(|(name, _)| !own(name)).collect();
    env.push((ADDRESS_VARIABLE.into(), address.to_string().into()));
    env.extend(path_with_own_programs().map(|path| ("PATH".into(), path)));
    env
}

/// A command finds `bgtask` beside the broker, if nowhere before.
fn path_with_own_programs() -> Option<OsString> {
    let own = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::env::split_paths(&path).chain([own])).ok()
}

/// Where all that an instance of a command writes is kept.
#[derive(Clone)]
pub(super) struct Log {
    writer: Arc<Mutex<Writer>>,
    instance: Arc<str>,
}

impl Log {
    fn open(logs: &Logs, name: &str, order: &RunOrder) -> Result<Self, LogError> {
        let log = Self {
            writer: Arc::new(Mutex::new(logs.writer(&log_name(name))?)),
            instance: order.instance.to_string().into(),
        };
        let word = bgtask_taskfile::trigger_word(&order.trigger);
        log.write(|writer, at, instance| writer.begin(at, instance, &format!("attempt {}, {word}", order.attempt)));
        Ok(log)
    }

    pub(super) fn append(&self, bytes: &[u8]) {
        self.write(|writer, at, instance| writer.write(at, instance, bytes));
    }

    fn end(&self, exit: &HostExit) {
        let text = match exit {
            HostExit::Code(code) => format!("exit code {code}"),
            HostExit::Signal(signal) => format!("ended by signal {signal}"),
            other => other.to_string(),
        };
        self.write(|writer, at, instance| writer.end(at, instance, &text));
    }

    fn write(&self, put: impl FnOnce(&mut Writer, u64, &str) -> Option<Trouble>) {
        let Ok(mut writer) = self.writer.lock() else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        if let Some(trouble) = put(&mut writer, at, &self.instance) {
            tracing::warn!("{}", chain(&trouble));
        }
    }
}

/// What the log and the checkpoint of a command are called: by its name, which an edited command keeps.
pub(crate) fn log_name(name: &str) -> String {
    const READABLE: usize = 40;
    let readable: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(READABLE).collect();
    format!("{:016x}-{readable}", bgtask_taskfile::fingerprint(name))
}
