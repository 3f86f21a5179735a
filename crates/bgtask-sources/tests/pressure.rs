//! The sources of pressure: averages in files below a root, and what this machine's own kernel offers.
//!
//! To be really short of something is more than a test may ask of a machine. That the kernel's alarm is heard is tested
//! beside the code, with another descriptor that becomes urgent.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bgtask_sources::{
    CPU_STALL, MEMORY_STALL, PRESSURE_REREAD, PRESSURE_WINDOW, Report, SourceKind, Status, World, start,
};
use common::{DEADLINE, Inbox, Sysroot, is_available, pass};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// One pressure, and percentages around its bounds.
struct Pressure {
    kind: SourceKind,
    file: &'static str,
    stall: Duration,
    /// As low as it begins.
    high: &'static str,
    /// Lower than that, and not yet its end.
    middle: &'static str,
    /// As high as it has ended.
    low: &'static str,
}

const ALL: [Pressure; 2] = [
    Pressure {
        kind: SourceKind::MemoryPressure,
        file: "proc/pressure/memory",
        stall: MEMORY_STALL,
        high: "07.50",
        middle: "05.00",
        low: "00.99",
    },
    Pressure {
        kind: SourceKind::CpuPressure,
        file: "proc/pressure/cpu",
        stall: CPU_STALL,
        high: "50.00",
        middle: "30.00",
        low: "24.99",
    },
];

fn averages(percent: &str) -> String {
    let rest = "avg60=0.00 avg300=0.00 total=1";
    format!("some avg10={percent} {rest}\nfull avg10=0.00 {rest}\n")
}

impl Pressure {
    fn world(&self, percent: &str) -> Sysroot {
        let sysroot = Sysroot::new();
        self.write(&sysroot, percent);
        sysroot
    }

    fn write(&self, sysroot: &Sysroot, percent: &str) {
        sysroot.write(self.file, averages(percent));
    }

    async fn holds(&self, inbox: &mut Inbox) -> bool {
        match inbox.level().await {
            Report::Level(kind, short) if kind == self.kind => short,
            other => panic!("expected {:?}, got {other:?}", self.kind),
        }
    }
}

#[tokio::test]
async fn pressure_comes_and_goes() {
    for pressure in ALL {
        let sysroot = pressure.world("0.00");
        let mut inbox = sysroot.watch(pressure.kind);
        assert_eq!(inbox.status().await, Status::Available { how: format!("/{}", pressure.file) });
        assert!(!pressure.holds(&mut inbox).await);
        for _ in 0..2 {
            pressure.write(&sysroot, pressure.high);
            assert!(pressure.holds(&mut inbox).await);
            pressure.write(&sysroot, pressure.low);
            assert!(!pressure.holds(&mut inbox).await);
        }
    }
}

#[tokio::test]
async fn a_machine_that_is_under_pressure_already_is_said_to_be() {
    for pressure in ALL {
        let sysroot = pressure.world(pressure.high);
        let mut inbox = sysroot.watch(pressure.kind);
        assert!(is_available(&inbox.status().await));
        assert!(pressure.holds(&mut inbox).await);
    }
}

/// The kernel says nothing when it is over. A file that is kept open tells nobody either.
#[tokio::test]
async fn while_it_lasts_the_average_is_read_by_the_clock() {
    for pressure in ALL {
        let sysroot = pressure.world(pressure.high);
        let file = OpenOptions::new().write(true).open(sysroot.path(pressure.file)).unwrap();
        let mut inbox = sysroot.watch(pressure.kind);
        assert!(pressure.holds(&mut inbox).await);
        file.write_all_at(averages(pressure.middle).as_bytes(), 0).unwrap();
        pass(PRESSURE_REREAD).await;
        assert!(timeout(Duration::from_millis(100), inbox.next()).await.is_err(), "still above the relief");
        file.write_all_at(averages(pressure.low).as_bytes(), 0).unwrap();
        pass(PRESSURE_REREAD).await;
        assert!(!pressure.holds(&mut inbox).await);
    }
}

#[tokio::test]
async fn nothing_to_read_is_said_and_healed() {
    for pressure in ALL {
        let sysroot = Sysroot::new();
        let mut inbox = sysroot.watch(pressure.kind);
        let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
        assert_eq!(why, format!("/{} is not there", pressure.file));
        assert_eq!(help, "boot a kernel with CONFIG_PSI=y, and with psi=1 on its command line");
        assert!(!pressure.holds(&mut inbox).await);
        pressure.write(&sysroot, "60.00");
        assert!(pressure.holds(&mut inbox).await);
        fs::remove_file(sysroot.path(pressure.file)).unwrap();
        assert!(!pressure.holds(&mut inbox).await);
    }
}

#[tokio::test]
async fn nonsense_is_named_and_is_no_pressure() {
    let [memory, _] = ALL;
    for nonsense in ["", "some\n", "some avg10=much\n", "full avg10=99.00\n", "some avg10=-1.00\n", "\u{fffd}\0"] {
        let sysroot = Sysroot::new();
        sysroot.write(memory.file, nonsense);
        let mut inbox = sysroot.watch(memory.kind);
        let Status::Missing { why, .. } = inbox.status().await else { panic!("{nonsense:?} must be missing") };
        assert!(why.ends_with("it does not say the average over ten seconds"), "{why}");
        assert!(!memory.holds(&mut inbox).await);
        memory.write(&sysroot, "0.00");
        inbox.status_that(is_available).await;
    }
}

/// A file below another root is read and never written to.
#[tokio::test]
async fn a_plain_file_stays_as_it_is() {
    for pressure in ALL {
        let sysroot = pressure.world("0.00");
        let mut inbox = sysroot.watch(pressure.kind);
        assert!(!pressure.holds(&mut inbox).await);
        assert_eq!(fs::read_to_string(sysroot.path(pressure.file)).unwrap(), averages("0.00"));
    }
}

/// What the status says of this machine is what its kernel does.
#[tokio::test]
async fn the_machine_says_what_its_kernel_can() {
    for Pressure { kind, file, stall, .. } in ALL {
        let file = format!("/{file}");
        let alarm = format!("some {} {}\0", stall.as_micros(), PRESSURE_WINDOW.as_micros());
        let open = OpenOptions::new().read(true).write(true).open(&file);
        let takes_a_trigger = open.and_then(|mut opened| opened.write_all(alarm.as_bytes()));
        let (sender, mut reports) = mpsc::channel(4);
        let _source = start(kind, &World::new("/"), sender);
        let first = timeout(DEADLINE, reports.recv()).await.expect("the source says nothing");
        let Some(Report::Status(_, status)) = first else { panic!("no status but {first:?}") };
        match takes_a_trigger {
            Ok(()) => assert_eq!(status, Status::Available { how: file }),
            Err(error) => {
                println!("this kernel takes no trigger of ours: {error}");
                let (Status::Degraded { why, .. } | Status::Missing { why, .. }) = status else { panic!("{status}") };
                assert!(why.contains(&format!("{file} takes no trigger: {error}")), "{why}");
            }
        }
        let level = timeout(DEADLINE, reports.recv()).await.expect("the source tells no level");
        assert!(matches!(level, Some(Report::Level(of, _)) if of == kind), "{level:?}");
    }
}
