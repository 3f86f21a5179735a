//! Every source that asks a service on a bus, through everything that services and buses do to those who ask: they go and
//! come back, change hands, hang, talk nonsense, appear late, flood. Levels are right in the end, edges are neither lost
//! nor invented, and nobody is asked more often than often enough.

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod patient;

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use bgtask_sources::SERVICE_GRACE;
use common::service::{Mood, Service};
use common::{TestBus, bus_socket, pass};
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::cases::CASES;
use crate::patient::Patient;

/// The shortest time between two readings of any source.
const SHORTEST_SETTLE: Duration = Duration::from_millis(100);
/// How long a service that restarts is away: every source has looked for it in vain by then.
const ABSENCE: Duration = Duration::from_secs(1);
/// The most calls of one reading, of a service with one object.
const CALLS: u128 = 2;

const SIGNALS: usize = 10_000;

/// All patients, well and telling the one thing; nothing where no bus can be started.
async fn patients() -> Vec<Patient> {
    join_all(CASES.iter().map(Patient::well)).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_service_that_restarts_makes_no_edge() {
    join_all(patients().await.into_iter().map(async |mut patient| {
        // On a machine so slow that a restart outlasts the grace, it is one that should be noticed.
        loop {
            let since = Instant::now();
            patient.service.take().unwrap().stop().await;
            sleep(ABSENCE).await;
            patient.serve(patient.case.one).await;
            patient.asked().await;
            if since.elapsed() < SERVICE_GRACE {
                break;
            }
            patient.recovers_to(patient.case.told_one).await;
            patient.forget();
        }
        patient.hear_what_waits();
        assert_eq!(patient.told, [patient.case.told_one], "{patient}");
        assert!(patient.is_well(), "{patient}");
        patient.changes().await;
        assert_eq!(patient.told, [patient.case.told_one, patient.case.told_other], "{patient}");
    }))
    .await;
}

#[tokio::test]
async fn a_service_that_comes_back_different_is_believed() {
    join_all(patients().await.into_iter().map(async |mut patient| {
        patient.service.take().unwrap().stop().await;
        patient.serve(patient.case.other).await;
        patient.recovers_to(patient.case.told_other).await;
    }))
    .await;
}

#[tokio::test]
async fn another_owner_of_the_name_is_asked_and_the_first_again_when_it_leaves() {
    join_all(patients().await.into_iter().map(async |mut patient| {
        let case = patient.case;
        let second = Service::start(patient.bus.as_ref().unwrap(), case.identity, case.other).await;
        patient.recovers_to(case.told_other).await;
        second.stop().await;
        patient.recovers_to(case.told_one).await;
        assert_eq!(patient.told, [case.told_one, case.told_other, case.told_one], "{patient}");
    }))
    .await;
}

#[tokio::test]
async fn a_service_that_leaves_for_good_is_done_without_and_may_still_come_back() {
    join_all(patients().await.into_iter().map(async |mut patient| {
        patient.service.take().unwrap().stop().await;
        patient.falls_ill().await;
        patient.serve(patient.case.other).await;
        patient.recovers_to(patient.case.told_other).await;
    }))
    .await;
}

#[tokio::test]
async fn a_service_that_hangs_is_done_without_and_asked_again_a_minute_later() {
    let mut patients = patients().await;
    join_all(patients.iter_mut().map(async |patient| {
        patient.service().set(patient.case.one, Mood::Hung);
        patient.service().signal().await;
        patient.falls_ill().await;
        patient.service().set(patient.case.other, Mood::Well);
    }))
    .await;
    pass(Duration::from_secs(60)).await;
    join_all(patients.iter_mut().map(|patient| patient.recovers_to(patient.case.told_other))).await;
}

#[tokio::test]
async fn a_service_that_talks_nonsense_is_done_without_until_it_makes_sense() {
    join_all(patients().await.into_iter().map(async |mut patient| {
        patient.service().set(patient.case.one, Mood::Mad);
        patient.service().signal().await;
        patient.falls_ill().await;
        patient.changes().await;
        assert!(patient.is_well(), "{patient}");
    }))
    .await;
}

#[tokio::test]
async fn a_service_and_its_bus_that_appear_an_hour_later_are_found() {
    let mut patients: Vec<_> = CASES.iter().map(|case| Patient::born(Patient::world(case), case)).collect();
    join_all(patients.iter_mut().map(Patient::speaks)).await;
    pass(Duration::from_secs(60 * 60)).await;
    join_all(patients.iter_mut().map(async |patient| {
        let Some(bus) = TestBus::start_on(&patient.sysroot, patient.case.bus) else { return };
        patient.bus = Some(bus);
        patient.serve(patient.case.one).await;
        patient.recovers_to(patient.case.told_one).await;
    }))
    .await;
}

#[tokio::test]
async fn a_bus_that_restarts_is_found_again() {
    join_all(patients().await.into_iter().map(async |mut patient| {
        patient.service.take().unwrap().stop().await;
        patient.bus = None;
        patient.bus = TestBus::start_on(&patient.sysroot, patient.case.bus);
        patient.serve(patient.case.other).await;
        patient.recovers_to(patient.case.told_other).await;
    }))
    .await;
}

#[tokio::test]
async fn a_bus_that_does_not_answer_is_done_without() {
    let mut patients: Vec<_> = CASES
        .iter()
        .map(|case| {
            let sysroot = Patient::world(case);
            let socket = bus_socket(&sysroot, case.bus);
            std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
            let mute = UnixListener::bind(socket).unwrap();
            (Patient::born(sysroot, case), mute)
        })
        .collect();
    pass(Duration::from_secs(5)).await;
    join_all(patients.iter_mut().map(|(patient, _)| patient.speaks())).await;
}

#[tokio::test]
async fn ten_thousand_signals_are_few_questions_and_one_edge() {
    for case in CASES {
        let Some(mut patient) = Patient::well(case).await else { return };
        let (before, since) = (patient.service().asked(), Instant::now());
        for _ in 0..SIGNALS {
            patient.service().signal().await;
        }
        patient.changes().await;
        assert_eq!(patient.told, [case.told_one, case.told_other], "{patient}");
        let readings = since.elapsed().as_millis() / SHORTEST_SETTLE.as_millis() + 2;
        let asked = patient.service().asked() - before;
        assert!(asked as u128 <= CALLS * readings, "{asked} questions, {readings} readings at most: {patient}");
    }
}
