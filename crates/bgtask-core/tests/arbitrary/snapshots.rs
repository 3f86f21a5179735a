//! What a store may hold when a broker starts.

use std::time::Duration;

use bgtask_core::{
    Account, Activation, ActivationState, CancellationReason, Completion, Firing, HostId, InstanceId, NewRegistration,
    Now, Outcome, Registration, Snapshot, Standing, TaskId,
};
use proptest::prelude::*;

use crate::moves::{app, registration};

/// What a store may hold after any crash, and some things it never should.
pub(crate) fn snapshots() -> impl Strategy<Value = Snapshot> {
    let row = (any::<u8>(), any::<u8>(), 0..3u8, 0..7u8, 1..5u32, any::<bool>());
    prop::collection::vec(row, 0..6).prop_map(|rows| {
        let mut snapshot = Snapshot { last_sequence: 3, ..Snapshot::default() };
        for (number, (entry, trigger, standing, state, attempt, next)) in (1u8..).zip(rows) {
            let id = TaskId::from_random(u128::from(number));
            let new = registration(entry, trigger, entry, next);
            let standing = [Standing::Active, Standing::Spent, Standing::Unregistered][usize::from(standing)];
            let state = state_of(state);
            // Only a registration that still fires may be without an activation.
            if state.is_some() || standing == Standing::Active || trigger.is_multiple_of(5) {
                snapshot.registrations.push(stored(id, entry, new, standing));
            }
            if let Some(state) = state {
                let firing =
                    Firing { at: Now::ZERO.wall, count: attempt, details: None, lost: 0, by_hand: false, socket: None };
                let instance = InstanceId::from_random(u128::from(number));
                snapshot.activations.push((id, activation(instance, firing.clone(), attempt, state)));
                if next {
                    let instance = InstanceId::from_random(u128::from(number) + 100);
                    let state = ActivationState::Waiting { since: Now::ZERO.wall };
                    snapshot.activations.push((id, activation(instance, firing, attempt, state)));
                }
            }
        }
        let account = Account { cpu: Duration::from_secs(40), ..Account::default() };
        snapshot.accounts.push((app(1), account));
        snapshot.completions.push(Completion {
            sequence: 2,
            app: app(0),
            task: TaskId::from_random(99),
            name: "old".into(),
            instance: InstanceId::from_random(99),
            at: Now::ZERO.wall,
            outcome: Outcome::Succeeded,
            progress: None,
        });
        snapshot
    })
}

fn activation(instance: InstanceId, firing: Firing, attempt: u32, state: ActivationState) -> Activation {
    Activation {
        instance,
        firing,
        attempt,
        failures: 0,
        not_before: None,
        message: None,
        started: None,
        state,
        throttled: bgtask_core::ThrottleCounts::default(),
    }
}

fn stored(id: TaskId, number: u8, new: NewRegistration, standing: Standing) -> Registration {
    Registration {
        id,
        app: app(number),
        name: new.name.into(),
        entry: new.entry,
        trigger: new.trigger,
        conditions: new.conditions.into(),
        cancel_on_condition_loss: new.cancel_on_condition_loss,
        is_network_requested: false,
        group: None,
        registered_at: Now::ZERO.wall,
        due: None,
        counted_in: None,
        standing,
        paused: false,
        last: None,
        fresh_since: None,
        overdue: false,
    }
}

fn state_of(number: u8) -> Option<ActivationState> {
    let (host, reason, progress) = (HostId(5), CancellationReason::Abort, Some(7));
    let (since, deadline) = (Now::ZERO.wall, Now::ZERO.boot);
    Some(match number {
        0 => ActivationState::Waiting { since },
        1 => ActivationState::Starting { host, warm: true, deadline },
        2 => ActivationState::Running { host, since, deadline, progress },
        3 => ActivationState::Cancelling { host, reason, kill_at: deadline, progress },
        4 => ActivationState::Killing { host, reason, progress },
        5 => ActivationState::Ended,
        _ => return None,
    })
}
