//! How an instance goes in a fake host: what it says and when.

use std::time::Duration;

use bgtask_core::{HostExit, InstanceId};

use crate::chance::Chance;

/// How a host treats the instance it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Done in no time.
    Brisk,
    /// Takes its time, reports progress, stops when told.
    Slow,
    /// Never ends by itself and does nothing, stops when told.
    Obedient,
    /// Never ends by itself and works all the time without a word, stops when told.
    Working,
    /// Never ends and does not listen.
    Deaf,
    /// Ends with an error.
    Failing,
    /// Dies in the middle.
    Crashing,
    /// Exits with code 0 without completing.
    Quitting,
    /// Says twice that it is done.
    Stuttering,
    /// Never says that it began.
    Silent,
    /// Reports progress all the time.
    Chatty,
}

const TEMPERS: &[Temper] = &[
    Temper::Brisk,
    Temper::Brisk,
    Temper::Slow,
    Temper::Slow,
    Temper::Obedient,
    Temper::Obedient,
    Temper::Working,
    Temper::Deaf,
    Temper::Failing,
    Temper::Crashing,
    Temper::Quitting,
    Temper::Stuttering,
    Temper::Silent,
    Temper::Chatty,
];

/// What a host says.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    Started(InstanceId),
    Progress(InstanceId, u32),
    Finished(InstanceId, Result<(), String>),
    Usage,
    Exit(HostExit),
}

impl Temper {
    /// Whether it stops when told.
    pub(crate) const fn listens(self) -> bool {
        matches!(self, Self::Slow | Self::Obedient | Self::Working)
    }
}

impl Says {
    pub(crate) fn is_about(&self, wanted: InstanceId) -> bool {
        match self {
            Self::Started(instance) | Self::Progress(instance, _) | Self::Finished(instance, _) => *instance == wanted,
            Self::Usage | Self::Exit(_) => false,
        }
    }
}

pub(crate) fn any_temper(chance: &mut Chance) -> Temper {
    *chance.pick(TEMPERS).expect("there are some")
}

pub(crate) fn script(temper: Temper, instance: InstanceId, chance: &mut Chance) -> Vec<(Duration, Says)> {
    let at = Duration::from_millis;
    let started = (at(0), Says::Started(instance));
    let progress = |count: u64, every: u64| {
        (1..=count).map(move |n| (at(n * every), Says::Progress(instance, u32::try_from(n * 10).unwrap_or(100))))
    };
    let done = |millis| (at(millis), Says::Finished(instance, Ok(())));
    match temper {
        Temper::Brisk => vec![started, done(chance.below(300))],
        Temper::Silent => vec![done(chance.below(2_000))],
        Temper::Slow => [started].into_iter().chain(progress(10, 700)).chain([done(7_500)]).collect(),
        Temper::Obedient | Temper::Deaf => [started].into_iter().chain(progress(3, 1_000)).collect(),
        Temper::Working => vec![started],
        Temper::Chatty => [started].into_iter().chain(progress(30, 10)).chain([done(400)]).collect(),
        Temper::Failing => vec![started, (at(500), Says::Finished(instance, Err("no disk space".into())))],
        Temper::Crashing => {
            [started].into_iter().chain(progress(2, 300)).chain([(at(900), Says::Exit(HostExit::Signal(6)))]).collect()
        }
        Temper::Quitting => vec![started, (at(200), Says::Exit(HostExit::Code(0)))],
        Temper::Stuttering => vec![started, done(300), done(1_500)],
    }
}
