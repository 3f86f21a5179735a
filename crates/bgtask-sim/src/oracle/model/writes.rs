//! What the core has written: rows as they are kept, and lines of the history, each of which has to have a reason.

use bgtask_core::{Change, Event, EventKind, Standing};

use super::held::listens;
use super::owed::Owed;
use super::{Model, Verdict, check};

impl Model {
    pub(super) fn changed(&mut self, change: &Change, owed: &mut Owed) -> Verdict {
        match change {
            Change::PutRegistration(registration) => self.written(registration, owed)?,
            Change::DeleteRegistration(id) => {
                self.kept_registrations.remove(id);
                let gone = self.registrations.remove(id);
                check(gone.as_ref().is_some_and(|its| its.standing != Standing::Active), || {
                    format!("this still fires and is deleted: {gone:?}")
                })?;
                self.cost_is_wanted(owed);
            }
            Change::PutActivation(id, activation) => {
                if let Some(held) = self.waiting.get(&activation.instance) {
                    let trigger = self.registrations.get(id).map(|its| &its.trigger);
                    held.is_carried_by(&activation.firing, trigger.is_some_and(listens))?;
                    let tries = (activation.attempt, activation.failures) == (held.attempt, held.failures);
                    check(tries, || format!("its tries are {activation:?}, right is {held:?}"))?;
                }
                self.rows.insert(activation.instance, (*id, activation.clone()));
            }
            Change::DeleteActivation(instance) => drop(self.rows.remove(instance)),
            Change::PutAccess(app, access) => drop(self.kept.access.insert(app.clone(), access.clone())),
            Change::DeleteAccess(app) => drop(self.kept.access.remove(app)),
            Change::PutSwitchedOff(value) => self.kept.switched_off = *value,
            Change::PutVersion(app, version) => drop(self.kept.versions.insert(app.clone(), version.clone())),
            Change::DeleteVersion(app) => drop(self.kept.versions.remove(app)),
            Change::PutState(fact, state) => drop(self.kept.states.insert(*fact, state.clone())),
            Change::DeleteState(fact) => drop(self.kept.states.remove(fact)),
            Change::PutAccount(app, account) => drop(self.kept_accounts.insert(app.clone(), *account)),
            Change::DeleteAccount(app) => drop(self.kept_accounts.remove(app)),
            Change::PutZone(zone) => self.kept.zone = Some(zone.clone()),
            Change::DeleteZone => self.kept.zone = None,
            Change::PutSocket(socket) => drop(self.kept_sockets.insert(socket.key, socket.clone())),
            Change::DeleteSocket(key) => drop(self.kept_sockets.remove(key)),
            Change::PutChannel(channel) => self.channels.written(channel),
            Change::DeleteChannel(app) => self.channels.deleted(app),
            Change::PutEdge(edge) => self.edges.written(edge.number),
            Change::DeleteEdge(number) => self.edges.deleted(*number),
            Change::PutOrder(order) => self.order_written(order, owed)?,
            Change::Record(event) => self.recorded(event, owed)?,
            _ => {}
        }
        Ok(())
    }

    fn recorded(&mut self, event: &Event, owed: &mut Owed) -> Verdict {
        let instance = || event.instance.ok_or_else(|| format!("{event:?} is about no instance"));
        match &event.kind {
            EventKind::Fired { count, cause, .. } => self.fired(event, *count, *cause, owed)?,
            EventKind::Started { warm, .. } => self.warm = *warm,
            EventKind::Completed { outcome, used, .. } => {
                let wanted = owed.outcomes.remove(&instance()?);
                check(wanted.as_ref() == Some(outcome), || format!("the outcome is {outcome:?}, to be is {wanted:?}"))?;
                owed.paid |= used.is_some();
                owed.bill.pays(instance()?, *used)?;
            }
            EventKind::Retrying { outcome, attempt, at, used } => {
                let next = (outcome.clone(), *attempt, *at);
                let wanted = owed.retries.remove(&instance()?);
                check(wanted.as_ref() == Some(&next), || {
                    format!("it is tried again as {next:?}, to be is {wanted:?}")
                })?;
                owed.paid |= used.is_some();
                owed.bill.pays(instance()?, *used)?;
            }
            EventKind::Suspended { resource, .. } => {
                let wanted = owed.suspended.remove(&instance()?);
                check(wanted == Some(*resource), || format!("{event:?}, to be is {wanted:?}"))?;
            }
            EventKind::Released => {
                let counts = owed.released.remove(&instance()?);
                let counts = counts.ok_or_else(|| format!("{event:?} without a reason"))?;
                owed.told_counts.insert(instance()?, counts);
            }
            EventKind::Missed { due } => {
                let wanted = owed.missed.remove(&event.task);
                check(wanted == Some(*due), || format!("{event:?}, to be is {wanted:?}"))?;
            }
            EventKind::Overdue { since } => {
                let wanted = owed.overdue.remove(&event.task);
                check(wanted == Some(*since), || format!("{event:?}, to be is {wanted:?}"))?;
            }
            EventKind::Paused(paused) => {
                let wanted = owed.paused.take();
                check(wanted == Some((event.task, *paused)), || format!("{event:?}, to be is {wanted:?}"))?;
            }
            EventKind::Dropped => {
                let standing = self.registrations.get(&event.task).map(|it| it.standing);
                let left = standing == Some(Standing::Unregistered) || owed.drops.remove(&instance()?);
                let held = self.waiting.remove(&instance()?).filter(|_| left);
                let held = held.ok_or_else(|| format!("{event:?} without a reason"))?;
                owed.orders.ended(instance()?, None);
                self.socket_ended(held.firing.socket);
            }
            EventKind::Unregistered(_) => {
                check(owed.leaving.remove(&event.task), || format!("{event:?} without a reason"))?;
                let its = self.registrations.get_mut(&event.task).expect("it leaves");
                (its.standing, its.due) = (Standing::Unregistered, None);
                self.orphan_sockets(event.task);
            }
            _ => {}
        }
        Ok(())
    }
}
