//! Background transfers (NW-7): a file is fetched from, or given to, an HTTP server, however often that takes.
//!
//! | part | what it knows |
//! |---|---|
//! | [`Order`] | what is to be transferred: durable before it begins, and never changed |
//! | [`State`] | how far it is: written by whoever carries it, read by everybody |
//! | [`Folder`] | where both are kept, so that they outlive every process |
//! | [`carry`] | the engine: one transfer to its end, or to the moment when it is better tried later |
//! | [`worker`] | the program around the engine, which the broker runs as a task |
//!
//! # What the engine promises
//!
//! * A download goes on where it was: it asks for the rest only where the server named a validator (a strong `ETag`, or a
//!   `Last-Modified` that is older than the answer), and begins anew where the file is another one by now.
//! * Nothing is in the place of the target before it is whole, of the length the server named and of the checksum that was
//!   ordered: until then it is a hidden file `.NAME.ID.part` beside it.
//! * What is the network's fault is tried again for ever, with pauses that grow; what is the server's at most
//!   [`MAX_SERVER_FAULTS`] times in a row without a byte of progress.
//! * The memory it takes does not depend on the size of the file: [`CHUNK`] bytes at a time are under way.
#![forbid(unsafe_code)]

mod checksum;
mod engine;
mod fault;
mod folder;
mod id;
mod order;
mod part;
mod said;
mod state;
pub mod worker;

pub use checksum::{InvalidSha256, Sha256};
pub use engine::{CHUNK, End, MAX_REDIRECTS, MAX_RESTARTS, MAX_SERVER_FAULTS, Proxies, Settings, carry};
pub use folder::{Folder, FolderError, Kept};
pub use id::{GroupId, InvalidGroupId, InvalidTransferId, TransferId};
pub use order::{
    CostPolicy, Kind, MAX_GROUP_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_URI_BYTES, Order, OrderError, Priority,
};
pub use part::part_of;
pub use said::Said;
pub use state::{Begun, Phase, State, Validator};
