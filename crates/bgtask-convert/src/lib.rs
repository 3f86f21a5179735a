//! Between the core and the wire, manifests and sources, by hand: a change of the core never changes the contract by accident.
//!
//! | from | to | with |
//! |---|---|---|
//! | the arguments of `Register` | a registration | [`new_registration`] |
//! | a registration as it stands | what clients see | [`task_info`], [`why_info`], [`source_info`], [`listened_info`], [`push_channel_info`] |
//! | what clients see of a task | a registration | [`registration_of`] |
//! | an order to run or to stop, a suspension | a message to a host | [`run_call`], [`cancel_call`], [`throttled_call`] |
//! | what an app has used | what clients see | [`budget_info`], [`energy_info`] |
//! | an event, a notice | a message to a client | [`event_info`], [`notice_message`], [`progress_message`] |
//! | a manifest | an app | [`core_app`] |
//! | a fact, a status of a source | the other side's word for it | [`source_of`], [`fact_of`], [`core_status`] |
//! | a trigger that listens | what its source listens to | [`subject`] |
//! | a control channel | what clients see, what is asked of the core | [`channel_info`], [`channel_resource`] |
//! | a notification of an app | one for the desktop | [`notification()`] |
//! | capabilities and `[sandbox]` | walls | [`plan()`] |
//! | a refusal | an error of the contract | [`error_kind`] |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod confinement;
mod control_channel;
mod details;
mod host;
mod info;
mod manifest;
mod news;
mod notification;
mod refusal;
mod register;
mod socket;
mod source;
mod subject;

pub use confinement::{Grounds, plan};
pub use control_channel::{channel_info, channel_resource};
pub use details::{details, device_of, service_details};
pub use host::{cancel_call, run_call, task_failure, throttled_call};
pub use info::{
    budget_info, listened_info, push_channel_info, registration_of, setting_word, source_info, status_info, task_info,
    why_info,
};
pub use manifest::{Program, cannot_run, core_app};
pub use news::{energy_info, event_info, event_text, notice_message, outcome_info, progress_message};
pub use notification::notification;
pub use refusal::error_kind;
pub use register::new_registration;
pub use socket::{socket_info, transfer_request};
pub use source::{core_status, fact_of, source_of};
pub use subject::{check_subject, subject};
