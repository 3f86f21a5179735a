//! Core values as JSON: the rows of the store and the recordings of a broker.
//!
//! The core cannot be serialized, on purpose: deriving it there would turn every refactoring into a promise about files.
//! The promise is made here instead, field by field, in [`fields`](self): the names in this crate are the file format.
//! A field that is missing reads as `null`, so an optional field may be added later; an unknown one is ignored.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod fields;
mod json;
mod recording;
mod rows;

pub use json::{Record, RecordError};
pub use recording::{MAX_RECORDING_BYTES, Recorder, Replay, ReplayError, replay};
pub use rows::{HistoryRow, Loading, Row, row, snapshot};
