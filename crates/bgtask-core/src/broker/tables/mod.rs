//! What the core remembers, one table per concern. Tables keep their own indices right and decide nothing.

mod accounts;
mod apps;
mod channels;
mod facts;
mod few;
mod hosts;
mod id_map;
mod keep_alives;
mod line;
mod mail;
mod occasions;
mod orders;
mod sockets;
mod tasks;
mod times;

pub(super) use accounts::{Accounts, Entry};
pub(super) use apps::Apps;
pub(super) use channels::ControlChannels;
pub(super) use facts::{Facts, stands_on};
use few::Few;
pub(super) use hosts::Hosts;
use id_map::IdMap;
use line::Line;
pub(super) use mail::Mailboxes;
pub(super) use occasions::Occasion;
use occasions::Occasions;
pub(super) use orders::Orders;
pub(super) use sockets::Sockets;
pub(super) use tasks::{Task, Tasks};
pub(super) use times::Alarm;
use times::{Agenda, Times};
