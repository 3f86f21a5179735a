//! Commands: how many a second, how soon after a change of a file, and what the command line itself takes.
//!
//! Floors, each measured in turns with what it is the floor of: a bare `posix_spawn` and wait on two threads, a program
//! that does nothing, and inotify with a spawn.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod common;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bgtask_wire::{ADDRESS_VARIABLE, BrokerProxy, EventInfo};
use common::{Broker, GAP, durable_append, median, millis, monotonic, ratio, row};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use rustix::fs::inotify;
use zbus::MessageStream;

/// The commands that are drained, and how often.
const COMMANDS: usize = 1_000;
const DRAINS: usize = 7;

/// How many run at the same time: as many as a broker lets.
const WIDTH: usize = 16;

/// How often a program is started.
const STARTS: usize = 60;

/// The changes of files, how far apart, and how often there are so many.
const CHANGES: usize = 50;
const APART: Duration = Duration::from_micros(500);
const BURSTS: usize = 30;

/// A command that does not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The app whose tasks commands are.
const COMMANDS_APP: &str = "org.bgtask.Commands";

/// An ordinary morning: 1 March 2026, and the tasks of its month.
const MONTH: [&str; 5] = ["simulate", "--working-day", "--from=2026-03-01", "--for=30d", "--limit=1"];
/// Conditions that every machine can tell, also of a system that is not there.
const CONDITIONS: [&str; 6] = [
    "internet",
    "not:internet",
    "between:22:00-06:00",
    "between:09:00-17:00",
    "not:between:12:00-13:00",
    "between:00:00-08:00",
];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("told") {
        return told();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

async fn measure() {
    println!("commands (one run, this machine)\n");
    row("12 KiB appended durably", &millis(durable_append()), "", "");
    drain().await;
    waiting().await;
    path().await;
    command_line().await;
}

/// Many commands at once, their ends heard by one who watches.
async fn drain() {
    let broker = Broker::start(&[] as &[(&str, &Path)], "");
    let client = broker.connect().await;
    let mut tasks = Vec::new();
    for i in 0..COMMANDS {
        tasks.push(add(&client, &format!("drained {i}"), "command = [\"true\"]\nevery = \"300d\"\n").await);
    }
    let watcher = broker.connect().await;
    let mut news = MessageStream::from(watcher.inner().connection());
    watcher.watch(COMMANDS_APP).await.expect("watched");
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..DRAINS {
        bare.push(timed(spawn_all));
        let begin = Instant::now();
        let asked = join_all(tasks.iter().map(|task| client.run_now(task, false)));
        let (started, ()) = tokio::join!(asked, completions(&mut news, COMMANDS));
        ours.push(begin.elapsed());
        assert!(started.iter().all(Result::is_ok), "each of them runs");
    }
    let rate = |time: Duration| COMMANDS as f64 / time.as_secs_f64();
    let (bare, ours) = (median(bare), median(ours));
    row("`true` a second, bare spawn and wait on two threads (floor)", &format!("{:.0}/s", rate(bare)), "", "");
    let against = format!("{:.0} % of the floor", 100.0 * ratio(bare, ours));
    row(
        &format!("{COMMANDS} commands at once, until the last end is heard"),
        &format!("{:.0}/s", rate(ours)),
        &against,
        "≥ 50 %",
    );
}

async fn completions(news: &mut MessageStream, mut missing: usize) {
    while missing > 0 {
        let message = news.next().await.expect("connected").expect("connected");
        if message.header().member().is_some_and(|member| member == "Event") {
            let event: EventInfo = message.body().deserialize().expect("an event");
            missing -= usize::from(event.event == "completed");
        }
    }
}

fn spawn_all() {
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut children = VecDeque::<Child>::new();
                for _ in 0..COMMANDS / 2 {
                    if children.len() == WIDTH / 2 {
                        ends_well(children.pop_front().expect("children"));
                    }
                    children.push_back(spawn(Command::new("/bin/true").stdout(Stdio::null()).stderr(Stdio::null())));
                }
                children.into_iter().for_each(ends_well);
            });
        }
    });
}

/// `bgtask run --wait` of a command that does nothing. `tests/system/cases/35-run-wait.sh` has it beside systemd's.
async fn waiting() {
    let broker = Broker::start(&[] as &[(&str, &Path)], "");
    add(&broker.connect().await, "nothing", "command = [\"true\"]\nevery = \"300d\"\n").await;
    let times = compare([Command::new("/bin/true"), bgtask(&broker, &["run", "nothing", "--wait"])], ends_well);
    row("a program that does nothing (the floor)", &millis(times[0]), "", "");
    row(
        "`bgtask run --wait` of `true`",
        &millis(times[1]),
        &format!("{:.1}× the floor", ratio(times[1], times[0])),
        "",
    );
}

/// Files that change one right after the other, and a command that waits for it.
async fn path() {
    let broker = Broker::start(&[] as &[(&str, &Path)], "");
    let client = broker.connect().await;
    let folder = broker.root().join("watched");
    std::fs::create_dir_all(&folder).expect("a folder");
    let pipe = broker.root().join("told");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    let told = Told::read(&pipe);
    let program = std::env::current_exe().expect("its own path");
    let definition = format!(
        "command = [{program:?}, \"told\"]\non = \"path:{}\"\nchanges = [\"written\"]\nenv = {{ TOLD = {pipe:?} }}\n",
        folder.display()
    );
    add(&client, "told", &definition).await;
    let elsewhere = tempfile::Builder::new().prefix("bgtask-bench").tempdir().expect("a folder");
    let bare = bare_watch(elsewhere.path(), &program, &pipe);
    let (mut floor, mut ours, mut listed, mut runs) = (Vec::new(), Vec::new(), 0, 0);
    for round in 0..BURSTS {
        std::thread::sleep(GAP);
        let begin = change(elsewhere.path(), round, 1);
        let (begun, _) = told.next().expect("it was spawned");
        floor.push(Duration::from_nanos(begun - begin));
        let begin = change(&folder, round, CHANGES);
        let mut heard = 0;
        while heard < CHANGES
            && let Some((begun, changes)) = told.next()
        {
            if heard == 0 {
                ours.push(Duration::from_nanos(begun - begin));
            }
            heard += changes;
            runs += 1;
        }
        listed += heard;
        while client.list_tasks(COMMANDS_APP).await.expect("a list").iter().any(|task| task.phase != "idle") {
            tokio::time::sleep(GAP).await;
        }
    }
    bare.join().expect("it ends well");
    let (floor, ours) = (median(floor), median(ours));
    row("a change of a file → inotify → a spawned program (the floor)", &millis(floor), "", "");
    let more =
        format!("{:+.3} ms, {:.2}× the floor", (ours.as_secs_f64() - floor.as_secs_f64()) * 1e3, ratio(ours, floor));
    row("a change of a file → a command", &millis(ours), &more, "≤ 1 ms more");
    let changed = CHANGES * BURSTS;
    let what = format!("listed of {CHANGES} changes {} µs apart, {BURSTS} times", APART.as_micros());
    row(&what, &format!("{listed} of {changed}"), &format!("in {runs} runs"), "all");
}

/// Writes new files; answers when it began.
fn change(folder: &Path, round: usize, count: usize) -> u64 {
    let begin = monotonic();
    for i in 0..count {
        std::fs::write(folder.join(format!("{round} {i}")), "x").expect("a file");
        let due = begin + (i as u64 + 1) * APART.as_nanos() as u64;
        while monotonic() < due {
            std::thread::sleep(Duration::from_nanos(due.saturating_sub(monotonic())));
        }
    }
    begin
}

/// What nobody can do without: a watch, and a spawn for each change.
fn bare_watch(folder: &Path, program: &Path, pipe: &Path) -> JoinHandle<()> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&watch, folder, inotify::WatchFlags::CLOSE_WRITE).expect("a watch");
    let (program, pipe) = (program.to_owned(), pipe.to_owned());
    std::thread::spawn(move || {
        for _ in 0..BURSTS {
            rustix::io::read(&watch, &mut [0_u8; 4096][..]).expect("a change");
            ends_well(spawn(Command::new(&program).arg("told").env("TOLD", &pipe)));
        }
    })
}

/// What the commands say.
struct Told(mpsc::Receiver<(u64, usize)>);

impl Told {
    fn read(pipe: &Path) -> Self {
        let pipe = BufReader::new(File::options().read(true).write(true).open(pipe).expect("the pipe"));
        let (sender, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in pipe.lines() {
                let line = line.expect("a line");
                let (at, changes) = line.split_once(' ').expect("two numbers");
                let numbers = (at.parse().expect("a time"), changes.parse().expect("a count"));
                if sender.send(numbers).is_err() {
                    return;
                }
            }
        });
        Self(told)
    }

    /// When the next one began, and how many changes it was told of; `None` if there is no next one.
    fn next(&self) -> Option<(u64, usize)> {
        self.0.recv_timeout(PATIENCE).ok()
    }
}

/// The command: says when it began and how many changes it was told of.
fn told() -> ExitCode {
    let begun = monotonic();
    let details = std::env::var("BGTASK_DETAILS_FD").map(|number| format!("/proc/self/fd/{number}"));
    let details = details.map_or_else(|_| String::new(), |path| std::fs::read_to_string(path).expect("its details"));
    let changes = details.matches("\"change\":").count();
    let line = format!("{begun} {changes}\n");
    let mut pipe = File::options().write(true).open(std::env::var_os("TOLD").expect("a pipe")).expect("a pipe");
    pipe.write_all(line.as_bytes()).expect("somebody reads");
    ExitCode::SUCCESS
}

/// What the command line takes, with all the tasks a user may have.
async fn command_line() {
    let broker = Broker::start(&[] as &[(&str, &Path)], "");
    let client = broker.connect().await;
    for n in 0..COMMANDS {
        add(&client, &format!("task {n}"), &of_a_month(n)).await;
    }
    let more = |time: Duration, floor: Duration| format!("{:+.1} ms", (time.as_secs_f64() - floor.as_secs_f64()) * 1e3);
    let commands = [Command::new("/bin/true"), bgtask(&broker, &["--version"]), bgtask(&broker, &["triggers"])];
    let [floor, version, triggers] = compare(commands, says_something);
    row("a program that does nothing (the floor)", &millis(floor), "", "");
    row("`bgtask --version` to its first output", &millis(version), &more(version, floor), "≤ 10 ms more");
    row("`bgtask triggers` to its first output", &millis(triggers), &more(triggers, floor), "≤ 10 ms more");
    let [floor, list] = compare([Command::new("/bin/true"), bgtask(&broker, &["list"])], ends_well);
    row(&format!("`bgtask list` of {COMMANDS} tasks to its end"), &millis(list), &more(list, floor), "≤ 30 ms more");
    let month = (0..3).map(|_| timed(|| ends_well(spawn(&mut bgtask(&broker, &MONTH))))).collect();
    row(
        &format!("`bgtask simulate` of a month of {COMMANDS} tasks"),
        &format!("{:.2} s", median(month).as_secs_f64()),
        "",
        "≤ 2 s",
    );
}

/// 20 tasks every 5 min, 80 every 15 min, 300 every hour, 350 by a calendar, 200 every 6 h, 50 at the beginning of a
/// condition. Every third has conditions.
fn of_a_month(n: usize) -> String {
    let mut definition = "command = [\"true\"]\n".to_owned();
    let trigger = match n {
        0..20 => "every = \"5min\"".to_owned(),
        20..100 => "every = \"15min\"".to_owned(),
        100..400 => "every = \"1h\"".to_owned(),
        400..600 => format!("at = \"{} * * * *\"", n % 60),
        600..750 => format!("at = \"{} {} * * *\"", n % 60, n % 24),
        750..950 => "every = \"6h\"".to_owned(),
        _ => format!("on = \"{}\"", CONDITIONS[n % 6]),
    };
    writeln!(definition, "{trigger}").expect("a string");
    if n.is_multiple_of(3) {
        writeln!(definition, "when = [\"{}\"]", CONDITIONS[n / 3 % 6]).expect("a string");
    }
    definition
}

/// Medians of what each takes from its start until then, in turns.
fn compare<const N: usize>(mut commands: [Command; N], until: fn(Child)) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..STARTS {
        for (command, times) in commands.iter_mut().zip(&mut times) {
            std::thread::sleep(GAP);
            times.push(timed(|| until(spawn(command))));
        }
    }
    times.map(median)
}

/// Who says nothing has ended. What it does after that is its own affair, until the next one starts.
fn says_something(mut child: Child) {
    if let Some(output) = &mut child.stdout {
        assert_ne!(output.read(&mut [0]).expect("its output"), 0, "it says nothing");
        std::thread::spawn(|| ends_well(child));
    } else {
        ends_well(child);
    }
}

fn bgtask(broker: &Broker, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgtask"));
    let address = format!("unix:path={}", broker.root().join("run/broker").display());
    command.args(args).env(ADDRESS_VARIABLE, address).stdout(Stdio::piped());
    command
}

async fn add(client: &BrokerProxy<'_>, name: &str, definition: &str) -> String {
    client.add_task(name, definition, false).await.expect("added").0
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).spawn().expect("a program")
}

fn ends_well(child: Child) {
    assert!(child.wait_with_output().expect("a child").status.success(), "it fails");
}

fn timed(action: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    action();
    begin.elapsed()
}
