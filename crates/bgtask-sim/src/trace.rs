use std::fmt::Write as _;

use bgtask_core::Now;

const LEGEND: &str = "\
what a simulation did, one line each
  step  step of the simulation; after the last one comes the quiet phase
  life  life of the broker, from 1
  boot  seconds since boot     wall  seconds since the epoch
  >     input to the core      +     change made durable
  !     order carried out      ~     fault
  step life       boot       wall
";

/// A run for a person to read; nothing is kept unless somebody asked.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    text: Option<String>,
}

impl Trace {
    pub(crate) fn kept() -> Self {
        Self { text: Some(LEGEND.to_owned()) }
    }

    pub(crate) fn line(&mut self, step: u32, life: u32, now: Now, mark: char, what: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            let boot = now.boot.as_micros() / 1_000;
            let wall = now.wall.as_micros() / 1_000_000;
            let (seconds, millis) = (boot / 1_000, boot % 1_000);
            let what = what();
            let _ = writeln!(text, "{step:6} {life:4} {seconds:6}.{millis:03} {wall:10} {mark} {what}");
        }
    }

    pub(crate) fn into_text(self) -> Option<String> {
        self.text
    }
}
