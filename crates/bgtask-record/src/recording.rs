use std::io::{self, BufRead, Write};

use bgtask_core::{Config, Core, Input, Now, Output};
use serde_json::{Value, json};

use crate::json::{Record, RecordError};

/// A recording stops here: a broker that is recorded for weeks must not fill the disk.
pub const MAX_RECORDING_BYTES: u64 = 256 << 20;

const FORMAT: u64 = 1;

/// Writes every input of a core with the outputs it gave, one line each.
pub struct Recorder<W: Write> {
    sink: W,
    written: u64,
    limit: u64,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording of a core made with this configuration and seed.
    ///
    /// # Errors
    ///
    /// The sink cannot be written.
    pub fn begin(sink: W, config: &Config, seed: u64) -> io::Result<Self> {
        Self::with_limit(sink, config, seed, MAX_RECORDING_BYTES)
    }

    /// Like [`begin`](Self::begin), with another bound than [`MAX_RECORDING_BYTES`].
    ///
    /// # Errors
    ///
    /// The sink cannot be written.
    pub fn with_limit(sink: W, config: &Config, seed: u64, limit: u64) -> io::Result<Self> {
        let mut recorder = Self { sink, written: 0, limit };
        let header = json!({"bgtask_recording": FORMAT, "seed": seed, "config": config.to_json()});
        recorder.line(&header)?;
        Ok(recorder)
    }

    /// Adds one turn. Answers `false` when the bound is reached: the recording is complete up to here and takes no more.
    ///
    /// # Errors
    ///
    /// The sink cannot be written.
    pub fn turn(&mut self, now: Now, input: &Input, outputs: &[Output]) -> io::Result<bool> {
        if self.written >= self.limit {
            return Ok(false);
        }
        let outputs: Vec<_> = outputs.iter().map(Record::to_json).collect();
        self.line(&json!({"at": now.to_json(), "in": input.to_json(), "out": outputs}))?;
        Ok(true)
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        let mut text = value.to_string();
        text.push('\n');
        self.written += text.len() as u64;
        self.sink.write_all(text.as_bytes())?;
        self.sink.flush()
    }
}

/// A recording that gave the same outputs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// How many inputs were given to the core.
    pub inputs: u64,
    /// How many outputs it gave, all as recorded.
    pub outputs: u64,
    /// Whether the last line was cut off, as when the broker was killed while it wrote.
    pub cut_short: bool,
}

/// Why a recording was not reproduced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("the recording cannot be read")]
    Read(#[from] io::Error),
    /// The file is no recording, or one of another version.
    #[error("line {line} is not part of a bgtask recording of format {FORMAT}: {problem}")]
    Format {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: RecordError,
    },
    /// This version decides differently.
    #[error(
        "line {line}: this version of bgtask decides differently\n  input    {input}\n  recorded {recorded}\n  now      {now}"
    )]
    Diverged {
        /// Which line, from 1.
        line: u64,
        /// What was put in.
        input: String,
        /// What came out then.
        recorded: String,
        /// What comes out now.
        now: String,
    },
}

/// Gives the recorded inputs to a fresh core and proves that it decides the same.
///
/// # Errors
///
/// See [`ReplayError`].
pub fn replay(recording: impl BufRead) -> Result<Replay, ReplayError> {
    let mut done = Replay { inputs: 0, outputs: 0, cut_short: false };
    let mut core = None;
    let mut lines = (1..).zip(recording.split(b'\n')).peekable();
    while let Some((line, text)) = lines.next() {
        let value: Value = match serde_json::from_slice(&text?) {
            Ok(value) => value,
            Err(_) if core.is_some() && lines.peek().is_none() => {
                done.cut_short = true;
                break;
            }
            Err(error) => return Err(ReplayError::Format { line, problem: RecordError::new(error.to_string()) }),
        };
        match &mut core {
            None => core = Some(begin(&value).map_err(|problem| ReplayError::Format { line, problem })?),
            Some(core) => done.outputs += turn(core, line, &value)?,
        }
        done.inputs = line - 1;
    }
    match core {
        Some(_) => Ok(done),
        None => Err(ReplayError::Format { line: 1, problem: RecordError::new("the file is empty") }),
    }
}

fn begin(header: &Value) -> Result<Core, RecordError> {
    if header.get("bgtask_recording").and_then(Value::as_u64) != Some(FORMAT) {
        return Err(RecordError::expected("the header of a recording", header));
    }
    let config = Config::from_json(&header["config"]).map_err(|error| error.at("config"))?;
    let seed = u64::from_json(&header["seed"]).map_err(|error| error.at("seed"))?;
    Ok(Core::new(config, seed))
}

fn turn(core: &mut Core, line: u64, value: &Value) -> Result<u64, ReplayError> {
    let wrong = |problem| ReplayError::Format { line, problem };
    let now = Now::from_json(&value["at"]).map_err(|error| wrong(error.at("at")))?;
    let input = Input::from_json(&value["in"]).map_err(|error| wrong(error.at("in")))?;
    core.handle(now, input);
    let mut outputs = Vec::new();
    loop {
        let output = core.poll();
        outputs.push(output.to_json());
        if matches!(output, Output::Wake(_)) {
            break;
        }
    }
    let outputs = Value::Array(outputs);
    if outputs == value["out"] {
        return Ok(outputs.as_array().map_or(0, Vec::len) as u64);
    }
    Err(ReplayError::Diverged {
        line,
        input: value["in"].to_string(),
        recorded: value["out"].to_string(),
        now: outputs.to_string(),
    })
}
