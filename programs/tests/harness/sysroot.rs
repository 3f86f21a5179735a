use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The zones of the world, with their hours east of UTC.
const ZONES: &[(&str, i32)] =
    &[("Etc/UTC", 0), ("Europe/Berlin", 1), ("Europe/Paris", 1), ("Asia/Tokyo", 9), ("America/Lima", -5)];

/// The system facts of a private world: its time zone, its routes, its terminals.
pub(crate) struct SysRoot {
    path: PathBuf,
}

impl SysRoot {
    /// A world in Berlin, online, with nobody at a terminal.
    pub(super) fn new(path: PathBuf) -> Self {
        let world = Self { path };
        fs::create_dir_all(world.path("dev/pts")).unwrap();
        for (name, hours_east) in ZONES {
            world.write(&format!("usr/share/zoneinfo/{name}"), &tzif(*hours_east));
        }
        world.zone("Europe/Berlin");
        world.online(true);
        world
    }

    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path.join(below)
    }

    /// Changes the zone as careful tools do: a new link, renamed over the old.
    pub(crate) fn zone(&self, name: &str) {
        let new = self.path("etc/localtime.new");
        fs::create_dir_all(self.path("etc")).unwrap();
        symlink(format!("/usr/share/zoneinfo/{name}"), &new).unwrap();
        fs::rename(new, self.path("etc/localtime")).unwrap();
    }

    /// Sets or removes the default route.
    pub(crate) fn online(&self, online: bool) {
        self.route(online.then_some("eth0"));
    }

    /// The default route, by this interface.
    pub(crate) fn route(&self, interface: Option<&str>) {
        let header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let line = |by| format!("{by}\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
        self.write("proc/net/route", (header.to_owned() + &interface.map(line).unwrap_or_default()).as_bytes());
    }

    /// The percent of the last ten seconds in which somebody waited for memory, as the kernel tells it.
    pub(crate) fn memory_pressure(&self, percent: u32) {
        self.pressure("memory", percent);
    }

    /// The same for those who waited for a processor.
    pub(crate) fn cpu_pressure(&self, percent: u32) {
        self.pressure("cpu", percent);
    }

    fn pressure(&self, of: &str, percent: u32) {
        let line = |who| format!("{who} avg10={percent}.00 avg60=0.00 avg300=0.00 total=0\n");
        self.write(&format!("proc/pressure/{of}"), (line("some") + &line("full")).as_bytes());
    }

    /// A power supply, as the kernel shows it: the text of each of its files.
    fn supply(&self, name: &str, attributes: &[(&str, &str)]) {
        for (attribute, text) in attributes {
            self.write(&format!("sys/class/power_supply/{name}/{attribute}"), format!("{text}\n").as_bytes());
        }
    }

    /// The mains and a battery: whether the machine is plugged in, and how full the battery is.
    pub(crate) fn power(&self, plugged: bool, percent: u8) {
        let (online, status) = if plugged { ("1", "Charging") } else { ("0", "Discharging") };
        self.supply("BAT0", &[("type", "Battery"), ("capacity", &percent.to_string()), ("status", status)]);
        self.supply("AC", &[("type", "Mains"), ("online", online)]);
    }

    /// The machine's display, as the kernel shows it.
    pub(crate) fn screen(&self, on: bool) {
        let (enabled, dpms) = if on { ("enabled", "On") } else { ("disabled", "Off") };
        for (attribute, text) in [("status", "connected"), ("enabled", enabled), ("dpms", dpms)] {
            self.write(&format!("sys/class/drm/card0-eDP-1/{attribute}"), format!("{text}\n").as_bytes());
        }
    }

    /// A file of the machine owner's policy.
    pub(crate) fn policy(&self, name: &str) -> PathBuf {
        self.path("etc/bgtask/policy.d").join(name)
    }

    /// Puts such a file in its place, as careful tools do.
    pub(crate) fn set_policy(&self, name: &str, text: &str) {
        self.write(&format!("etc/bgtask/policy.d/{name}"), text.as_bytes());
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, path).unwrap();
    }
}

/// A zone file with one fixed offset (RFC 8536, version 2).
fn tzif(hours_east: i32) -> Vec<u8> {
    let mut file = Vec::new();
    for _version in 1..=2 {
        file.extend(b"TZif2");
        file.extend([0; 15]);
        for count in [0u32, 0, 0, 0, 1, 4] {
            file.extend(count.to_be_bytes());
        }
        file.extend((hours_east * 3_600).to_be_bytes());
        file.extend([0, 0]);
        file.extend(b"XXX\0");
    }
    file.extend(format!("\nXXX{}\n", -hours_east).bytes());
    file
}
