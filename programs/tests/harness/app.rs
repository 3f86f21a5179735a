use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, example};

/// The entry points of the sample's task program, all for system events.
const ENTRY_POINTS: &[&str] = &[
    "Tasks.SampleBackgroundTask",
    "Tasks.ServicingComplete",
    "Tasks.Blocking",
    "Tasks.Quick",
    "Tasks.Inspects",
    "Tasks.Exclusive",
    "Tasks.Fails",
    "Tasks.Panics",
    "Tasks.Exits",
    "Tasks.Writes",
    "Tasks.Crashes",
    "Tasks.Hangs",
    "Tasks.Notices",
    "Tasks.Works",
    "Tasks.Lingers",
    "Tasks.NotInTheProgram",
];

/// The sample app, installed: its own copy of the app's program and of the task program.
pub(crate) struct App {
    pub(crate) id: String,
    dir: PathBuf,
    address: String,
}

impl App {
    /// Each has files of its own: the identity of a process is the path it was started from.
    pub(super) fn new(id: &str, dir: PathBuf, address: String) -> Self {
        fs::create_dir_all(&dir).unwrap();
        for program in ["sample_app", "sample_tasks"] {
            let to = dir.join(program);
            fs::hard_link(example(program), &to).unwrap_or_else(|_| copy_program(&example(program), &to));
        }
        Self { id: id.to_owned(), dir, address }
    }

    /// The app's program.
    pub(crate) fn program(&self) -> PathBuf {
        self.dir.join("sample_app")
    }

    /// The program that holds its tasks.
    pub(crate) fn task_program(&self) -> PathBuf {
        self.dir.join("sample_tasks")
    }

    pub(crate) fn manifest(&self, version: &str) -> String {
        let (app, tasks) = (self.program(), self.task_program());
        let mut text = format!("[app]\nid = {:?}\nversion = {version:?}\nexecutable = {app:?}\n", self.id);
        for entry in ENTRY_POINTS {
            text += &task(entry, "systemEvent", &tasks);
        }
        text += &task("Tasks.TimerOnly", "timer", &tasks);
        for entry in ["Tasks.Tells", "Tasks.Lists", "Tasks.Uses", "Tasks.Films"] {
            text += &task(entry, "general", &tasks);
        }
        text += &task("Tasks.Missing", "systemEvent", &self.dir.join("no-such-program"));
        text + &task("Tasks.NotExecutable", "systemEvent", &self.dir.join("not-executable"))
    }

    /// Runs a verb of the app to its end and gives the lines it answered.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        answers(self.command().args(arguments))
    }

    /// As [`call`](Self::call), by a program that says it is another app.
    pub(crate) fn call_as(&self, id: &str, arguments: &[&str]) -> Value {
        answers(self.command().env("BGTASK_APP_ID", id).args(arguments)).remove(0)
    }

    /// As [`lines`](Self::lines), where there is exactly one.
    pub(crate) fn call(&self, arguments: &[&str]) -> Value {
        let mut lines = self.lines(arguments);
        assert_eq!(lines.len(), 1, "sample_app {arguments:?} answered {lines:?}");
        lines.remove(0)
    }

    /// The sample's status text.
    pub(crate) fn status(&self, name: &str) -> String {
        self.call(&["status", name])["status"].as_str().unwrap().to_owned()
    }

    /// Opens the app, which listens to its tasks until it is closed.
    pub(crate) fn listen(&self) -> Listener {
        let mut child = self.command().arg("listen").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let _closed = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let listener = Listener { child, lines: receiver };
        listener.until("it listens", |line| line.get("listening").is_some());
        listener
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.env("BGTASK_ADDRESS", &self.address).env_remove("BGTASK_APP_ID").stdin(Stdio::null());
        command
    }
}

/// The app while it is open.
pub(crate) struct Listener {
    child: Child,
    lines: Receiver<Value>,
}

impl Listener {
    /// The next line it says.
    pub(crate) fn next(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("the app says something")
    }

    /// Everything it says up to the line that is looked for.
    pub(crate) fn until(&self, what: &str, found: impl Fn(&Value) -> bool) -> Vec<Value> {
        let end = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = found(&line);
                    heard.push(line);
                    if found {
                        return heard;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("not heard: {what}; but {heard:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the app ended before: {what}; it said {heard:?}"),
            }
        }
    }

    /// Everything it says up to the next completion, which is the last of them.
    pub(crate) fn run(&self) -> Vec<Value> {
        self.until("a completion", |line| line.get("completed").is_some())
    }

    /// What it has said and nobody has heard yet.
    pub(crate) fn rest(&self) -> Vec<Value> {
        self.lines.try_iter().collect()
    }

    /// Closes the app as its user does.
    pub(crate) fn close(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn answers(command: &mut Command) -> Vec<Value> {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The values of progress in what an app said.
pub(crate) fn progress(heard: &[Value]) -> Vec<u64> {
    heard.iter().filter_map(|line| line.get("progress")?.as_u64().filter(|_| line.get("completed").is_none())).collect()
}

fn task(entry: &str, kind: &str, program: &Path) -> String {
    format!("[[task]]\nentry_point = {entry:?}\ntypes = [{kind:?}]\nexecutable = {program:?}\n")
}

/// Copies a program in a process of its own: a child that another test starts meanwhile would have this one's copy open for
/// writing, and what is being written cannot be run.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// Writes a script that can be run, likewise.
pub(crate) fn write_program(path: &Path, text: &str) {
    let script = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
    let mut writer = Command::new("sh");
    assert!(writer.args(["-c", script]).arg(path).arg(text).status().unwrap().success());
}
