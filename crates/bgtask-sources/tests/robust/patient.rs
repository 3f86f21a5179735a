//! One source, its world, and what it said so far.

use std::fmt;
use std::time::Duration;

use bgtask_sources::{Report, Status};

use crate::cases::Case;
use crate::common::service::{Answer, Mood, Service};
use crate::common::{DEADLINE, Inbox, Sysroot, TestBus};

/// A source that suffers.
pub(crate) struct Patient {
    pub(crate) case: &'static Case,
    pub(crate) service: Option<Service>,
    pub(crate) bus: Option<TestBus>,
    pub(crate) inbox: Inbox,
    pub(crate) status: Option<Status>,
    /// Every level or state it told, in words.
    pub(crate) told: Vec<String>,
    pub(crate) sysroot: Sysroot,
}

impl fmt::Display for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, status, told, .. } = self;
        write!(f, "{:?} by {}: {status:?}, told {told:?}", case.kind, case.how)
    }
}

impl Patient {
    /// The world of a case, with nobody in it.
    pub(crate) fn world(case: &Case) -> Sysroot {
        let sysroot = Sysroot::new();
        for (path, content) in case.files {
            sysroot.write(path, content);
        }
        sysroot
    }

    /// A source in a world that may have a bus.
    pub(crate) fn born(sysroot: Sysroot, case: &'static Case) -> Self {
        let inbox = sysroot.watch(case.kind);
        Self { case, service: None, bus: None, inbox, status: None, told: Vec::new(), sysroot }
    }

    /// One that tells the one thing, from its service; `None` where no bus can be started.
    pub(crate) async fn well(case: &'static Case) -> Option<Self> {
        let sysroot = Self::world(case);
        let bus = TestBus::start_on(&sysroot, case.bus)?;
        let service = Service::start(&bus, case.identity, case.one).await;
        let mut patient = Self { service: Some(service), bus: Some(bus), ..Self::born(sysroot, case) };
        patient.recovers_to(case.told_one).await;
        Some(patient)
    }

    /// Starts its service on its bus, if there is one.
    pub(crate) async fn serve(&mut self, answer: Answer) {
        if let Some(bus) = &self.bus {
            self.service = Some(Service::start(bus, self.case.identity, answer).await);
        }
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().expect("a service")
    }

    /// Waits until the service was asked.
    pub(crate) async fn asked(&self) {
        let asked = async {
            while self.service().asked() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, asked).await.unwrap_or_else(|_| panic!("nobody asks: {self}"));
    }

    /// The world changes to the other thing, and the source tells it.
    pub(crate) async fn changes(&mut self) {
        self.service().set(self.case.other, Mood::Well);
        self.service().signal().await;
        self.recovers_to(self.case.told_other).await;
    }

    /// Waits until it told its first status and its first level.
    pub(crate) async fn speaks(&mut self) {
        self.hear_until(|patient| patient.status.is_some() && !patient.told.is_empty()).await;
    }

    /// Waits until it does without its service.
    pub(crate) async fn falls_ill(&mut self) {
        self.hear_until(|patient| !patient.is_well()).await;
    }

    /// Waits until it has its service and told this last.
    pub(crate) async fn recovers_to(&mut self, told: &str) {
        self.hear_until(|patient| patient.is_well() && patient.told.last().is_some_and(|last| last == told)).await;
    }

    /// Whether it goes by what its service says.
    pub(crate) fn is_well(&self) -> bool {
        match &self.status {
            Some(Status::Available { how } | Status::Degraded { how, .. }) => how == self.case.how,
            Some(Status::Missing { .. }) | None => false,
        }
    }

    /// Forgets what it told but the last.
    pub(crate) fn forget(&mut self) {
        self.told.drain(..self.told.len() - 1);
    }

    pub(crate) fn hear_what_waits(&mut self) {
        while let Some(report) = self.inbox.waiting() {
            self.hear(report);
        }
    }

    async fn hear_until(&mut self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let report = tokio::time::timeout(DEADLINE, self.inbox.next()).await;
            let report = report.unwrap_or_else(|_| panic!("it says nothing more: {self}"));
            self.hear(report);
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Status(_, status) => self.status = Some(status),
            Report::Level(_, holds) => self.told.push(holds.to_string()),
            Report::State(_, word) => self.told.push(word),
            Report::TimeZone(zone) => panic!("not of this table: {zone:?}"),
        }
    }
}
