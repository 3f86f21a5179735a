//! What the broker promises, as stories on virtual time. Test names begin with the rules and decisions they cover.

mod access;
mod cancel;
mod conditions;
mod demand;
mod firing;
mod groups;
mod harness;
mod hosts;
mod limits;
mod mail;
mod policy;
mod reasons;
mod registration;
mod restart;
mod scenarios;
mod servicing;
mod sharing;
mod sources;
mod timers;
mod wakes;
mod why;
