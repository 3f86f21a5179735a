//! Sensors: the real iio-sensor-proxy, with devices that umockdev makes it believe in.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgtask_sources::Status;
use common::listener::Listener;
use common::{DEADLINE, Sysroot, TestBus, is_available};
use serde_json::{Map, Value};

const DEVICES: &str = "\
P: /devices/iio:device0
E: SUBSYSTEM=iio
E: IIO_SENSOR_PROXY_TYPE=iio-poll-als
A: name=als
A: in_illuminance_input=10

P: /devices/iio:device1
E: SUBSYSTEM=iio
E: IIO_SENSOR_PROXY_TYPE=iio-poll-accel
A: name=accel_3d
A: in_accel_x_raw=0
A: in_accel_y_raw=0
A: in_accel_z_raw=-256
A: in_accel_scale=0.038307

P: /devices/iio:device2
E: SUBSYSTEM=iio
E: IIO_SENSOR_PROXY_TYPE=iio-poll-proximity
E: PROXIMITY_NEAR_LEVEL=100
A: name=prox
A: in_proximity_raw=10
";

/// Twice as long as the daemon waits between two measures.
const PERIOD: Duration = Duration::from_millis(1600);

/// The daemon and the devices it sees.
struct Machine {
    daemon: Child,
    devices: PathBuf,
}

impl Machine {
    fn start(sysroot: &Sysroot) -> Option<Self> {
        let places = ["/usr/libexec/iio-sensor-proxy", "/usr/sbin/iio-sensor-proxy"];
        let Some(program) = places.into_iter().find(|place| Path::new(place).exists()) else {
            common::skip("iio-sensor-proxy not installed");
            return None;
        };
        sysroot.write("devices.umockdev", DEVICES);
        let (told, bus) = (sysroot.path("testbed"), sysroot.path("run/dbus/system_bus_socket"));
        let spawned = Command::new("umockdev-run")
            .arg("-d")
            .arg(sysroot.path("devices.umockdev"))
            .args(["--", "sh", "-c", "echo \"$UMOCKDEV_DIR\" > \"$1.new\"; mv \"$1.new\" \"$1\"; exec \"$2\"", "sh"])
            .arg(&told)
            .arg(program)
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", bus.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(daemon) = spawned else {
            common::skip("umockdev not installed");
            return None;
        };
        Some(Self { daemon, devices: told })
    }

    /// Changes an attribute to and fro until that is heard: the first change may have been what was measured first.
    async fn event_of(&self, listener: &mut Listener, attribute: &str, values: [&str; 2]) -> Map<String, Value> {
        let deadline = Instant::now() + DEADLINE;
        for value in values.into_iter().cycle() {
            self.set(attribute, value);
            if !listener.is_silent(PERIOD).await {
                break;
            }
            assert!(Instant::now() < deadline, "no event of {attribute}");
        }
        listener.event().await
    }

    fn set(&self, attribute: &str, value: &str) {
        let testbed = fs::read_to_string(&self.devices).unwrap();
        // In one step, as the kernel does: half of a number is another number.
        let attribute = Path::new(testbed.trim()).join("sys/devices").join(attribute);
        let new = attribute.with_extension("new");
        fs::write(&new, value).unwrap();
        fs::rename(new, attribute).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // umockdev-run passes a polite end on to its child; killed, it would leave it running.
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        let _ = self.daemon.wait();
    }
}

#[tokio::test]
async fn what_the_real_service_measures_is_told_and_its_beginnings_are_not() {
    let sysroot = Sysroot::new();
    let Some(_bus) = TestBus::start(&sysroot) else { return };
    let Some(machine) = Machine::start(&sysroot) else { return };
    let listener = |properties: &[_]| Listener::of(&sysroot, "SensorDataThresholdTrigger", properties);
    let mut light = listener(&[("sensor", "light"), ("above", "100")]);
    let mut dark = listener(&[("sensor", "light"), ("below", "5")]);
    let mut near = listener(&[("sensor", "proximity")]);
    let mut turned = listener(&[("sensor", "orientation")]);
    for listener in [&mut light, &mut dark, &mut near, &mut turned] {
        let status = listener.status_that(is_available).await;
        assert_eq!(status, Status::Available { how: "iio-sensor-proxy".into() });
    }
    let light = machine.event_of(&mut light, "iio:device0/in_illuminance_input", ["10", "500"]).await;
    assert_eq!(light["value"], 500.0);
    let dark = machine.event_of(&mut dark, "iio:device0/in_illuminance_input", ["500", "1"]).await;
    assert_eq!(dark["value"], 1.0);
    let near = machine.event_of(&mut near, "iio:device2/in_proximity_raw", ["10", "200"]).await;
    assert!(near["value"].is_boolean(), "{near:?}");
    let turned = machine.event_of(&mut turned, "iio:device1/in_accel_x_raw", ["256", "-256"]).await;
    assert!(turned["value"] == "left-up" || turned["value"] == "right-up", "{turned:?}");
}
