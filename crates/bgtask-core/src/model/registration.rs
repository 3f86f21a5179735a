use std::sync::Arc;

use super::condition::SystemConditionType;
use super::trigger::Trigger;
use crate::ids::{AppId, TaskId};
use crate::time::WallTime;

/// What an app asks for when it registers: the properties of a `BackgroundTaskBuilder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRegistration {
    /// The name; need not be unique (RE-1, D5).
    pub name: String,
    /// The declared entry point to run.
    pub entry_point: String,
    /// What fires it.
    pub trigger: Trigger,
    /// What must hold for it to run, all of it (CO-1).
    pub conditions: Vec<SystemConditionType>,
    /// Whether a running instance is cancelled when a condition stops holding (CO-3).
    pub cancel_on_condition_loss: bool,
    /// Whether the network must stay up while it runs (NW-1).
    pub is_network_requested: bool,
}

/// A durable registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id, for ever.
    pub id: TaskId,
    /// Whose it is.
    pub app: AppId,
    /// See [`NewRegistration::name`].
    pub name: Arc<str>,
    /// See [`NewRegistration::entry_point`].
    pub entry_point: Arc<str>,
    /// See [`NewRegistration::trigger`].
    pub trigger: Trigger,
    /// See [`NewRegistration::conditions`].
    pub conditions: Box<[SystemConditionType]>,
    /// See [`NewRegistration::cancel_on_condition_loss`].
    pub cancel_on_condition_loss: bool,
    /// See [`NewRegistration::is_network_requested`].
    pub is_network_requested: bool,
    /// When it was made.
    pub registered_at: WallTime,
    /// Whether it still fires.
    pub standing: Standing,
}

/// Where a registration is in its life. It is deleted when it has left `Active` and its last activation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It fires.
    Active,
    /// It was one-shot and its activation is accepted; still listed until that ends (D6).
    Spent,
    /// It was unregistered while an instance ran; no longer listed (CA-7).
    Unregistered,
}
