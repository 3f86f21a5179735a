//! The tasks of a user on a screen of a terminal: what there is, why it waits, what happens, who may.
//!
//! ```text
//! keys, ticks ─┐
//!              ├─▶ Message ─▶ update ─▶ Model ─▶ view ─▶ terminal
//! broker ─────┘                 │
//!    ▲                          ▼
//!    └──── link ◀──────────── Effect
//! ```
//!
//! The model, its changes and the view are pure. The link keeps one connection to the broker and hears its signals: nothing
//! is asked for on a clock. The screen is drawn again once a second, for the times that it says are relative.
#![forbid(unsafe_code)]

mod link;
mod message;
mod model;
mod screen;
#[cfg(test)]
mod tests;
mod update;
mod view;

pub use link::Reconnect;
pub use model::View;
pub use screen::{Options, run};
pub use view::{Look, MIN_COLUMNS, MIN_LINES};
