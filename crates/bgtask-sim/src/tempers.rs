//! How an instance goes in a fake host, or a command: what it says and when.

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
    /// Uses a processor and the network all the time, stops when told.
    Greedy,
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
    /// A command that ends soon with code 0.
    Succeeds,
    /// A command that takes its time, says how far it is, and stops when told.
    Toils,
    /// A command that ends with another code.
    Fails,
    /// A command that a signal ends.
    Falls,
    /// A command that never ends, and stops when told.
    Hangs,
    /// A command that never ends and ignores that it is told.
    Ignores,
    /// A command that uses two processors until it is told to stop.
    Burns,
    /// A command whose program is not there.
    Missing,
}

const TEMPERS: &[Temper] = &[
    Temper::Brisk,
    Temper::Brisk,
    Temper::Slow,
    Temper::Slow,
    Temper::Obedient,
    Temper::Obedient,
    Temper::Working,
    Temper::Greedy,
    Temper::Deaf,
    Temper::Failing,
    Temper::Crashing,
    Temper::Quitting,
    Temper::Stuttering,
    Temper::Silent,
    Temper::Chatty,
];

const OF_COMMANDS: &[Temper] = &[
    Temper::Succeeds,
    Temper::Succeeds,
    Temper::Succeeds,
    Temper::Toils,
    Temper::Fails,
    Temper::Fails,
    Temper::Falls,
    Temper::Hangs,
    Temper::Ignores,
    Temper::Burns,
    Temper::Missing,
];

/// What a host says.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    Started(InstanceId),
    Progress(InstanceId, u32),
    Finished(InstanceId, Result<(), String>),
    /// What a command says itself, as a client of the broker.
    Report(InstanceId, u32, String),
    Usage,
    Exit(HostExit),
}

impl Temper {
    /// How much of a processor it uses all the time.
    pub(crate) const fn percent_of_a_processor(self) -> u32 {
        match self {
            Self::Working => 2,
            Self::Greedy => 100,
            Self::Burns => 200,
            _ => 0,
        }
    }

    /// Whether it stops when told.
    pub(crate) const fn listens(self) -> bool {
        matches!(
            self,
            Self::Slow | Self::Obedient | Self::Working | Self::Greedy | Self::Toils | Self::Hangs | Self::Burns
        )
    }
}

impl Says {
    pub(crate) fn is_about(&self, wanted: InstanceId) -> bool {
        match self {
            Self::Started(instance)
            | Self::Progress(instance, _)
            | Self::Finished(instance, _)
            | Self::Report(instance, ..) => *instance == wanted,
            Self::Usage | Self::Exit(_) => false,
        }
    }
}

pub(crate) fn any_temper(chance: &mut Chance) -> Temper {
    *chance.pick(TEMPERS).expect("there are some")
}

pub(crate) fn any_temper_of_a_command(chance: &mut Chance) -> Temper {
    *chance.pick(OF_COMMANDS).expect("there are some")
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
        Temper::Working | Temper::Greedy => vec![started],
        Temper::Chatty => [started].into_iter().chain(progress(30, 10)).chain([done(400)]).collect(),
        Temper::Failing => vec![started, (at(500), Says::Finished(instance, Err("no disk space".into())))],
        Temper::Crashing => {
            [started].into_iter().chain(progress(2, 300)).chain([(at(900), Says::Exit(HostExit::Signal(6)))]).collect()
        }
        Temper::Quitting => vec![started, (at(200), Says::Exit(HostExit::Code(0)))],
        Temper::Stuttering => vec![started, done(300), done(1_500)],
        _ => script_of_a_command(temper, instance, chance),
    }
}

fn script_of_a_command(temper: Temper, instance: InstanceId, chance: &mut Chance) -> Vec<(Duration, Says)> {
    let at = Duration::from_millis;
    let started = (at(0), Says::Started(instance));
    let exits = |millis, exit| (at(millis), Says::Exit(exit));
    let reports = |count: u64| {
        let words = |n: u64| if n.is_multiple_of(4) { String::new() } else { "file é ".repeat(n as usize * 12) };
        (0..count).map(move |n| (at(n * 600), Says::Report(instance, u32::try_from(n).unwrap_or(100), words(n))))
    };
    match temper {
        Temper::Toils => [started].into_iter().chain(reports(6)).chain([exits(4_000, HostExit::Code(0))]).collect(),
        Temper::Fails => vec![started, exits(chance.below(1_500), HostExit::Code(1))],
        Temper::Falls => vec![started, exits(700, HostExit::Signal(11))],
        Temper::Hangs | Temper::Ignores => [started].into_iter().chain(reports(2)).collect(),
        Temper::Burns => vec![started],
        Temper::Missing => vec![exits(0, HostExit::NotStarted("no such program".into()))],
        _ => vec![started, exits(chance.below(400), HostExit::Code(0))],
    }
}
