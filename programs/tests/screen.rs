//! `bgtask ui` on a real terminal (one of `script`) with a real broker: what it shows, what its keys do, and that it gives
//! the terminal back however it ends.

#[path = "harness/mod.rs"]
mod harness;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use harness::{Home, eventually_now};

/// What leaves the other screen of a terminal.
const LEAVES: &str = "\u{1b}[?1049l";

/// A terminal with the screen on it. Only what changes is drawn: a text is seen in one piece where nothing like it stood before.
struct Terminal {
    program: Child,
    keys: ChildStdin,
    shown: PathBuf,
    pid: PathBuf,
}

impl Terminal {
    fn open(home: &Home, command: &str) -> Self {
        let (shown, pid) = (home.root("shown"), home.root("pid"));
        let bgtask = env!("CARGO_BIN_EXE_bgtask");
        // The inner shell becomes the program, the outer one looks at the terminal afterwards.
        let inner = format!("echo $$ > {}; exec {bgtask} --address {} {command}", pid.display(), home.address());
        let outer = format!("stty rows 24 cols 80; sh -c '{inner}'; echo ended with $?; stty -a");
        let mut script = Command::new("script");
        script
            .args(["-q", "-e", "-f", "-c", &outer, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh");
        let out = File::create(&shown).unwrap();
        let mut program = script.stdin(Stdio::piped()).stdout(out).spawn().expect("script is of the package bsdutils");
        let keys = program.stdin.take().unwrap();
        Self { program, keys, shown, pid }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.shown).unwrap()).into_owned()
    }

    fn shows(&self, text: &str) {
        eventually_now(&format!("{text:?} on the screen"), || self.shown().contains(text).then_some(()));
    }

    fn terminate(&self) {
        let pid = fs::read_to_string(&self.pid).unwrap();
        assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().unwrap().success());
    }

    /// What stands on the terminal after the program.
    fn rest(mut self) -> String {
        let ended = eventually_now("the end of the screen", || self.program.try_wait().unwrap());
        assert!(ended.success());
        let shown = self.shown();
        let (_, rest) = shown.split_once(LEAVES).expect("the other screen is left");
        rest.to_owned()
    }
}

/// The terminal reads lines and echoes again, as it did before.
fn assert_given_back(rest: &str) {
    assert!(rest.contains("ended with 0"), "{rest}");
    let settings: Vec<&str> = rest.split_whitespace().collect();
    for setting in ["icanon", "echo", "isig", "opost"] {
        assert!(settings.contains(&setting), "{setting} is off: {rest}");
    }
}

fn add(home: &Home, name: &str, script: &str) {
    let mut bgtask = Command::new(env!("CARGO_BIN_EXE_bgtask"));
    bgtask.args(["--address", &home.address(), "add", name, "--every", "300d", "--force", "--", "sh", "-c", script]);
    let added = bgtask.output().unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

#[tokio::test]
async fn the_screen_shows_what_there_is_runs_it_and_is_left_with_a_key() {
    let home = Home::new();
    let _broker = home.start().await;
    add(&home, "greet", "echo good-morning");
    let mut terminal = Terminal::open(&home, "ui");
    terminal.shows("greet");
    terminal.shows("org.bgtask.Commands");
    terminal.press("\r");
    terminal.shows("It has written nothing.");
    terminal.press("r");
    terminal.shows("good-morning");
    terminal.press("q");
    assert_given_back(&terminal.rest());
}

#[tokio::test]
async fn the_screen_outlives_its_broker_and_comes_back_with_it() {
    let home = Home::new();
    let broker = home.start().await;
    add(&home, "greet", "true");
    let mut terminal = Terminal::open(&home, "ui");
    terminal.shows("greet");
    broker.kill();
    terminal.shows("Trying again");
    let _broker = home.start().await;
    terminal.shows("the broker is back");
    terminal.press("q");
    assert_given_back(&terminal.rest());
}

#[tokio::test]
async fn a_screen_that_is_terminated_gives_the_terminal_back() {
    let home = Home::new();
    let _broker = home.start().await;
    let terminal = Terminal::open(&home, "top");
    terminal.shows("Nothing runs.");
    terminal.terminate();
    assert_given_back(&terminal.rest());
}
