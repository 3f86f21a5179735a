//! The app as a person sees it: lines out, commands in.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::harness::PATIENCE;

const NAMES: [&str; 6] = [
    "SampleBackgroundTask",
    "SampleBackgroundTaskWithCondition",
    "ServicingCompleteTask",
    "TimeTriggeredTask",
    "ApplicationTriggerTask",
    "GroupedBackgroundTask",
];

/// What a run that nobody disturbs reports.
pub(crate) const TENS: [u32; 10] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// The name of a scenario's task, under which it leaves its setting.
pub(crate) fn name(scenario: usize) -> &'static str {
    NAMES[scenario - 1]
}

/// An open app. It is closed with this value.
pub(crate) struct Terminal {
    app: Child,
    keyboard: Option<ChildStdin>,
    screen: Receiver<String>,
}

impl Terminal {
    /// Opens the app and waits until it shows its pages.
    pub(crate) fn open(command: &mut Command) -> Self {
        let mut app = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(app.stdout.take().unwrap()).lines();
        let (sender, screen) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let keyboard = app.stdin.take();
        let terminal = Self { app, keyboard, screen };
        terminal.until(6, |text| text.starts_with("Buttons"));
        terminal
    }

    /// Types a command that answers with the page of a scenario, and gives that page.
    pub(crate) fn press(&mut self, command: &str, scenario: usize) -> Vec<String> {
        self.enter(command);
        let mut page = self.until(scenario, |text| text.starts_with("Buttons"));
        // What was heard of the task before the answer is no part of it.
        let first = page.iter().rposition(|text| is_status(text)).unwrap_or_else(|| panic!("no page: {page:?}"));
        page.split_off(first)
    }

    /// The page of a scenario as it is now.
    pub(crate) fn page(&mut self, scenario: usize) -> Vec<String> {
        let page = self.press("refresh", scenario);
        if scenario < NAMES.len() {
            self.until(NAMES.len(), |text| text.starts_with("Buttons"));
        }
        page
    }

    /// The status line of a scenario as it is now.
    pub(crate) fn status(&mut self, scenario: usize) -> String {
        self.page(scenario).remove(0)
    }

    /// Types a command that is refused, and gives the reason.
    pub(crate) fn refused(&mut self, command: &str) -> String {
        self.enter(command);
        let prefix = format!("{command}: ");
        loop {
            if let Some(reason) = self.line().strip_prefix(&prefix) {
                return reason.to_owned();
            }
        }
    }

    /// What is registered: the lines for all tasks and for this many groups.
    pub(crate) fn tasks(&mut self, groups: usize) -> Vec<String> {
        self.enter("tasks");
        let all = loop {
            if let Some(all) = self.line().strip_prefix("All tasks: ") {
                break all.to_owned();
            }
        };
        std::iter::once(all).chain((0..groups).map(|_| self.line())).collect()
    }

    pub(crate) fn enter(&mut self, command: &str) {
        writeln!(self.keyboard.as_ref().unwrap(), "{command}").unwrap();
    }

    /// Waits until a run is this far.
    pub(crate) fn hears_progress(&self, scenario: usize, percent: u32) {
        self.until(scenario, |text| text == format!("Progress: {percent}%"));
    }

    /// Waits until the app hears of a completion: the progress up to there, and the status it then shows.
    pub(crate) fn run(&self, scenario: usize) -> (Vec<u32>, String) {
        let mut heard = self.until(scenario, is_status);
        let status = heard.pop().unwrap();
        let percent = |text: String| Some(text.strip_prefix("Progress: ")?.strip_suffix('%')?.parse().unwrap());
        (heard.into_iter().filter_map(percent).collect(), status)
    }

    /// Closes it as its user does.
    pub(crate) fn quit(mut self) {
        self.enter("quit");
        assert!(self.app.wait().unwrap().success());
    }

    /// What is said of a scenario, up to the text that is looked for.
    fn until(&self, scenario: usize, found: impl Fn(&str) -> bool) -> Vec<String> {
        let prefix = format!("{scenario} {}: ", name(scenario));
        let mut heard = Vec::new();
        loop {
            let line = self.line();
            let Some(text) = line.strip_prefix(&prefix) else { continue };
            heard.push(text.to_owned());
            if found(text) {
                return heard;
            }
        }
    }

    fn line(&self) -> String {
        self.screen.recv_timeout(PATIENCE).expect("the app says something")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended = self.app.kill();
        let _reaped = self.app.wait();
    }
}

fn is_status(text: &str) -> bool {
    text.starts_with("Registered") || text.starts_with("Unregistered")
}
