//! The screen: displays that are files, and a Mutter and a screen saver of our own on a private session bus.

mod common;

use bgtask_sources::{BusKind, SCREEN_REREAD, SourceKind, Status};
use common::service::{Answer, Identity, Mood, Service, Value};
use common::{Sysroot, TestBus, pass};

const MUTTER: Identity = Identity {
    name: "org.gnome.Mutter.DisplayConfig",
    path: "/org/gnome/Mutter/DisplayConfig",
    interface: "org.gnome.Mutter.DisplayConfig",
    signal: None,
};
const SAVER: Identity = Identity {
    name: "org.freedesktop.ScreenSaver",
    path: "/org/freedesktop/ScreenSaver",
    interface: "org.freedesktop.ScreenSaver",
    signal: Some("ActiveChanged"),
};

fn display(sysroot: &Sysroot, dpms: &str) {
    sysroot.write("sys/class/drm/card0-eDP-1/status", "connected\n");
    sysroot.write("sys/class/drm/card0-eDP-1/enabled", "enabled\n");
    sysroot.write("sys/class/drm/card0-eDP-1/dpms", dpms);
}

#[tokio::test]
async fn a_machine_without_a_display_has_it_on() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::Screen);
    let how = "/sys/class/drm; there is no display, so it always holds".to_owned();
    assert_eq!(inbox.status().await, Status::Available { how });
    assert!(inbox.holds().await);
}

#[tokio::test]
async fn mutter_decides_where_it_runs() {
    const MODES: [(Answer, bool); 4] = [
        (Answer::Properties(&[("PowerSaveMode", Value::I32(3))]), false),
        (Answer::Properties(&[("PowerSaveMode", Value::I32(0))]), true),
        (Answer::Properties(&[("PowerSaveMode", Value::I32(1))]), false),
        (Answer::Properties(&[("PowerSaveMode", Value::I32(0))]), true),
    ];
    let sysroot = Sysroot::new();
    display(&sysroot, "Off\n");
    let Some(bus) = TestBus::start_on(&sysroot, BusKind::Session) else { return };
    let mutter = Service::start(&bus, MUTTER, MODES[3].0).await;
    let mut inbox = sysroot.watch(SourceKind::Screen);
    assert_eq!(inbox.status().await, Status::Available { how: "Mutter".into() });
    assert!(inbox.holds().await);
    for (mode, on) in MODES {
        mutter.set(mode, Mood::Well);
        mutter.signal().await;
        assert_eq!(inbox.holds().await, on);
    }
}

#[tokio::test]
async fn a_mutter_that_switches_nothing_leaves_it_to_the_kernel() {
    let sysroot = Sysroot::new();
    display(&sysroot, "Off\n");
    let Some(bus) = TestBus::start_on(&sysroot, BusKind::Session) else { return };
    let answer = Answer::Properties(&[("PowerSaveMode", Value::I32(-1))]);
    let _mutter = Service::start(&bus, MUTTER, answer).await;
    let mut inbox = sysroot.watch(SourceKind::Screen);
    let Status::Degraded { how, why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "/sys/class/drm, read every 30 s");
    assert!(why.contains("its property PowerSaveMode is -1: it switches no display"), "{why}");
    assert!(!inbox.holds().await);
}

/// A file of the kernel changes without a word.
#[tokio::test]
async fn a_display_that_is_switched_off_without_a_word_is_seen_by_time() {
    let sysroot = Sysroot::new();
    display(&sysroot, "On\n");
    let mut inbox = sysroot.watch(SourceKind::Screen);
    assert!(inbox.holds().await);
    // Changed through another name, of which the watch hears nothing, as the kernel's own changes make none.
    let dpms = sysroot.path("sys/class/drm/card0-eDP-1/dpms");
    std::fs::hard_link(&dpms, sysroot.path("dpms")).unwrap();
    std::fs::write(sysroot.path("dpms"), "Off\n").unwrap();
    pass(SCREEN_REREAD).await;
    assert!(!inbox.holds().await);
}

#[tokio::test]
async fn a_display_that_is_plugged_in_is_seen_at_once() {
    let sysroot = Sysroot::new();
    std::fs::create_dir_all(sysroot.path("sys/class/drm")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::Screen);
    assert!(inbox.holds().await);
    display(&sysroot, "Off\n");
    assert!(!inbox.holds().await);
}

/// The saver is only a nudge where the displays can be seen, and decides where they cannot.
#[tokio::test]
async fn a_screen_saver_decides_where_no_display_is_seen() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_on(&sysroot, BusKind::Session) else { return };
    let _saver = Service::start(&bus, SAVER, Answer::Method(true)).await;
    let mut inbox = sysroot.watch(SourceKind::Screen);
    let Status::Degraded { how, why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "screen saver");
    assert!(why.contains("/sys/class/drm shows no display; one whose saver is active counts as off"), "{why}");
    assert!(!inbox.holds().await);
    display(&sysroot, "On\n");
    let mut other = sysroot.watch(SourceKind::Screen);
    assert!(other.holds().await, "it shows something, even if that is a saver");
}
