//! What a simulation came to.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A simulation in which every invariant held.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// How many lives the broker had.
    pub lives: u32,
    /// How many inputs the cores took.
    pub inputs: usize,
    /// How many activations came to an outcome.
    pub completions: usize,
    /// The last life, as `bgtask replay` reads it.
    pub recording: Vec<u8>,
    /// What happened, for a person; only of a [`traced`](crate::Simulation::traced) simulation.
    pub trace: Option<String>,
}

/// A simulation in which an invariant broke.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub seed: u64,
    /// At which step; the last step is followed by the quiet phase.
    pub step: u32,
    /// In which life of the broker.
    pub life: u32,
    /// What is wrong.
    pub problem: String,
    /// The life it happened in, as `bgtask replay` reads it.
    pub recording: Vec<u8>,
    /// What happened, for a person; only of a [`traced`](crate::Simulation::traced) simulation.
    pub trace: Option<String>,
}

impl Report {
    /// Gives the inputs of the last life to a fresh core and compares every decision.
    ///
    /// # Errors
    ///
    /// The same inputs gave other outputs: the core is not deterministic.
    pub fn replay(&self) -> Result<bgtask_record::Replay, Box<Failure>> {
        bgtask_record::replay(self.recording.as_slice()).map_err(|error| {
            Box::new(Failure {
                seed: self.seed,
                step: 0,
                life: self.lives,
                problem: error.to_string(),
                recording: self.recording.clone(),
                trace: self.trace.clone(),
            })
        })
    }
}

impl Failure {
    /// Writes the recording into a folder, for `bgtask replay`.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn keep(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(format!("bgtask-sim-{}.jsonl", self.seed));
        std::fs::write(&path, &self.recording)?;
        Ok(path)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, step {}, life {}: {}", self.seed, self.step, self.life, self.problem)
    }
}

impl std::error::Error for Failure {}
