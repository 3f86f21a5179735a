//! What the app shows of one scenario.

use std::fmt;
use std::io::Write as _;

use crate::notes::Notes;
use crate::scenario::{Kind, Scenario};

/// The state of a page: what is between its two buttons.
#[derive(Default)]
pub(super) struct Page {
    pub(super) registered: bool,
    /// The progress of the task, once it was heard of.
    pub(super) progress: Option<u32>,
    /// What the last signal came to.
    pub(super) result: Option<String>,
}

impl Page {
    pub(super) fn show(&self, scenario: &Scenario, notes: &Notes) {
        self.show_status(scenario, notes);
        self.show_progress(scenario);
        if let Some(result) = &self.result {
            line(scenario, format_args!("Signal result: {result}"));
        }
        line(scenario, format_args!("Buttons: {}", self.buttons(scenario).join(", ")));
    }

    /// `Registered` or `Unregistered`, and what the task left.
    pub(super) fn show_status(&self, scenario: &Scenario, notes: &Notes) {
        let registered = if self.registered { "Registered" } else { "Unregistered" };
        match notes.get(scenario.name) {
            Ok(None) => line(scenario, registered),
            Ok(Some(word)) => line(scenario, format_args!("{registered} - {word}")),
            Err(error) => line(scenario, format_args!("{registered}, but {error}")),
        }
    }

    pub(super) fn show_progress(&self, scenario: &Scenario) {
        if let Some(progress) = self.progress {
            line(scenario, format_args!("Progress: {progress}%"));
        }
    }

    /// The commands that do something now.
    fn buttons(&self, scenario: &Scenario) -> Vec<String> {
        let number = scenario.number;
        let mut buttons = match self.registered {
            true => vec![format!("unregister {number}")],
            false => vec![format!("register {number}")],
        };
        if scenario.kind == Kind::Application && self.registered {
            buttons.push("signal".to_owned());
        }
        if scenario.grouped {
            buttons.push("unregister-ungrouped".to_owned());
        }
        buttons
    }
}

fn line(scenario: &Scenario, text: impl fmt::Display) {
    say(format_args!("{} {}: {text}", scenario.number, scenario.name));
}

/// Says it, if anybody still listens.
pub(super) fn say(text: impl fmt::Display) {
    let _gone = writeln!(std::io::stdout(), "{text}");
}
