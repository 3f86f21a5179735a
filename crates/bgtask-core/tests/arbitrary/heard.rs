//! What the driver was told to listen to and to watch, and what must be true of it and of states after every input.

use std::collections::BTreeMap;

use bgtask_core::{AppId, BackgroundWorkCost as Cost, Core, Details, Fact, Output, Standing, Subject, TaskId, Trigger};

use crate::store::Store;

#[derive(Default)]
pub(crate) struct Heard {
    listeners: BTreeMap<TaskId, (AppId, Subject)>,
    devices: BTreeMap<TaskId, Details>,
}

impl Heard {
    pub(crate) fn obey(&mut self, order: &Output) {
        match order {
            Output::Listen { task, app, subject } => {
                let before = self.listeners.insert(*task, (app.clone(), subject.clone()));
                assert_eq!(before, None, "{task} is listened for already");
            }
            Output::Unlisten(task) => {
                assert!(self.listeners.remove(task).is_some(), "{task} is not listened for");
            }
            Output::WatchDevice(task, details) => {
                let before = self.devices.insert(*task, details.clone());
                assert_eq!(before, None, "the device of {task} is watched already");
            }
            Output::UnwatchDevice(task) => {
                assert!(self.devices.remove(task).is_some(), "the device of {task} is not watched");
            }
            _ => {}
        }
    }

    pub(crate) fn check(&self, core: &Core, store: &Store) {
        self.check_listeners(core);
        self.check_devices(core);
        check_cost(core);
        check_states(core, store);
    }

    fn check_listeners(&self, core: &Core) {
        let listed = core.registrations(None);
        let fires = listed.iter().filter(|it| it.standing == Standing::Active && !it.paused);
        let listens = fires.filter_map(|it| Some((it.id, (it.app.clone(), Subject::of(&it.trigger)?))));
        assert_eq!(listens.collect::<BTreeMap<_, _>>(), self.listeners, "who fires is heard, and nobody else");
    }

    fn check_devices(&self, core: &Core) {
        let uses = core.activations().filter(|(registration, activation)| {
            registration.trigger == Trigger::DeviceUse && activation.state.host().is_some()
        });
        let used =
            uses.filter_map(|(registration, activation)| Some((registration.id, activation.firing.details.clone()?)));
        assert_eq!(used.collect::<BTreeMap<_, _>>(), self.devices, "a device is watched while it is used");
    }
}

/// D14: while somebody stands on it, and all it is derived from is known.
fn check_cost(core: &Core) {
    let level = |fact| core.levels().get(fact).map(|(value, _)| value);
    let wanted = core.sources().any(|(fact, _)| fact == Fact::WorkCost);
    let read = [Fact::ExternalPower, Fact::Screen, Fact::EnergySaver, Fact::MemoryPressure].map(level);
    let [power, screen, saver, pressure] = read.map(|level| level.filter(|_| wanted));
    let steps = power.zip(screen).zip(saver.zip(pressure)).map(|((power, screen), (saver, pressure))| {
        let dark = !screen || saver;
        u8::from(!power) + u8::from(!power && dark) + u8::from(pressure)
    });
    let right = steps.map(|steps| match steps {
        0 => Cost::Low,
        1 => Cost::Medium,
        _ => Cost::High,
    });
    assert_eq!(core.work_cost(), right, "of {read:?}");
    assert_eq!(level(Fact::WorkCost), right.map(|cost| cost != Cost::High), "of {read:?}");
}

/// What is remembered is what was read last, and nothing of what nobody stands on.
fn check_states(core: &Core, store: &Store) {
    for fact in Fact::ALL.iter().copied().filter(|fact| fact.is_state()) {
        let watched = core.sources().any(|(its, _)| its == fact);
        let live = core.state_of(fact);
        assert!(watched || live.is_none(), "{fact} is known and nobody asks: {live:?}");
        let durable = store.states.get(&fact).map(|state| &**state);
        let kept = matches!(fact, Fact::OnlineAccounts | Fact::DefaultAccount);
        assert_eq!(durable, live.filter(|_| kept), "{fact} as it is and as it is remembered");
    }
}
