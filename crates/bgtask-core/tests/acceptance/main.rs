//! What the broker promises, as stories on virtual time. Test names begin with the rules and decisions they cover.

mod access;
mod cancel;
mod conditions;
mod firing;
mod harness;
mod hosts;
mod limits;
mod mail;
mod registration;
mod restart;
mod scenarios;
mod sources;
mod wakes;
mod why;
