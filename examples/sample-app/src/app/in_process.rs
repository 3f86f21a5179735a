//! The twin: its tasks run here, whether a person or the broker started the app.

use std::future::ready;
use std::sync::Arc;

use bgtask::host::{TaskError, TaskInstance};
use bgtask::{BackgroundTaskRegistrationGroup, BackgroundWorkCost, CoreApplication};

use super::pages::Pages;
use super::{Outcome, converse};
use crate::notes::Notes;
use crate::scenario::GROUP_ID;
use crate::{IN_PROCESS_APP, body};

/// Started by a person.
pub(super) async fn interactive() -> Outcome {
    let notes = handle_activations();
    converse(Pages::open(notes, false).await?).await
}

/// Started by the broker, with nobody to see it.
pub(super) async fn background() -> Outcome {
    handle_activations();
    Ok(CoreApplication::run_background().await?)
}

/// What an app does first at every start: it says what runs its tasks, and what runs those of its group.
fn handle_activations() -> Arc<Notes> {
    bgtask::act_for(IN_PROCESS_APP);
    let notes = Arc::new(Notes::in_memory());
    let kept = Arc::clone(&notes);
    CoreApplication::background_activated(move |args| ready(activity(args.task_instance(), &kept)));
    let kept = Arc::clone(&notes);
    BackgroundTaskRegistrationGroup::new(GROUP_ID)
        .background_activated(move |_group, args| ready(activity(args.task_instance(), &kept)));
    notes
}

/// One activity for each activation. All six scenarios have the same.
fn activity(instance: &TaskInstance, notes: &Arc<Notes>) -> Result<(), TaskError> {
    let cost = BackgroundWorkCost::current_background_work_cost();
    eprintln!("Background {} Starting... ({cost} cost)", instance.task().name());
    body::start(instance.clone(), Arc::clone(notes))
}
