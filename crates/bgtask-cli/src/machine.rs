//! What this machine can see: every fact looked at once, in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bgtask_convert::source_of;
use bgtask_core::{Fact, Subject, Trigger};
use bgtask_sources::{Probe, Status, World, probe, probe_subject};
use futures_util::future::join_all;

/// How long a source may take to say how well it works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How well each of these facts can be seen. All are looked at at once.
pub(crate) async fn look(facts: BTreeSet<Fact>) -> BTreeMap<Fact, Probe> {
    let world = World::new("/");
    let with_source = facts.into_iter().filter_map(|fact| Some((fact, source_of(fact)?)));
    let looks = with_source.map(async |(fact, kind)| (fact, probe(kind, &world, PATIENCE).await));
    join_all(looks).await.into_iter().collect()
}

/// How well what a trigger listens to can be heard; nothing where it does not listen to events.
pub(crate) async fn hear(trigger: &Trigger) -> Option<Status> {
    let Subject::Events { class, properties } = Subject::of(trigger)? else { return None };
    let subject = match bgtask_convert::subject(class, &properties, None) {
        Ok(subject) => subject,
        Err(why) => return Some(Status::Missing { why, help: "name other properties".into() }),
    };
    Some(probe_subject(subject, &World::new("/"), PATIENCE).await)
}
