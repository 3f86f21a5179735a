//! Fences: the real GeoClue, fed by a receiver of satellites that is a socket.

mod common;

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bgtask_sources::Status;
use common::listener::{Listener, until};
use common::{Sysroot, TestBus, is_available};
use zbus::interface;

/// Where Debian and others put it.
const PLACES: [&str; 3] = ["/usr/libexec/geoclue", "/usr/lib/geoclue-2.0/geoclue", "/usr/lib/geoclue"];

/// The daemon, and where its receiver is: minutes north of 52°, in thousandths.
struct GeoClue {
    daemon: Child,
    north: Arc<AtomicU32>,
}

impl GeoClue {
    fn start(sysroot: &Sysroot) -> Option<Self> {
        let Some(program) = PLACES.into_iter().find(|place| Path::new(place).exists()) else {
            common::skip("geoclue not installed");
            return None;
        };
        let (receiver, bus) = (sysroot.path("nmea"), sysroot.path("run/dbus/system_bus_socket"));
        let north = Arc::new(AtomicU32::new(30_000));
        receive(UnixListener::bind(&receiver).unwrap(), north.clone());
        let daemon = Command::new(program)
            .args(["-t", "0", "-u"])
            .arg(&receiver)
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", bus.display()))
            // It would ask a service on the internet about the networks around: here nothing leaves the machine.
            .env("https_proxy", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { daemon, north })
    }

    fn go(&self, north: u32) {
        self.north.store(north, Ordering::Relaxed);
    }
}

impl Drop for GeoClue {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Tells everybody who connects, five times a second, where it is.
fn receive(socket: UnixListener, north: Arc<AtomicU32>) {
    std::thread::spawn(move || {
        for connection in socket.incoming() {
            let Ok(mut connection) = connection else { return };
            let north = north.clone();
            std::thread::spawn(move || {
                let sentence = || sentence(north.load(Ordering::Relaxed));
                while connection.write_all(sentence().as_bytes()).is_ok() {
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
    });
}

/// A fix in the words of NMEA 0183, with the time of day that GeoClue compares with its own.
fn sentence(north: u32) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (hours, minutes, seconds) = (now / 3600 % 24, now / 60 % 60, now % 60);
    let (minute, thousandths) = (north / 1000, north % 1000);
    let body = format!(
        "GPGGA,{hours:02}{minutes:02}{seconds:02},52{minute:02}.{thousandths:03},N,01325.0000,E,1,08,0.9,34.0,M,46.9,M,,"
    );
    let checksum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${body}*{checksum:02X}\r\n")
}

/// The user, who says yes.
struct Agent;

#[interface(name = "org.freedesktop.GeoClue2.Agent")]
impl Agent {
    fn authorize_app(&self, desktop: &str, level: u32) -> (bool, u32) {
        (desktop == "org.bgtask.Broker", level)
    }
    #[zbus(property)]
    fn max_accuracy_level(&self) -> u32 {
        8
    }
}

/// Becomes the agent under a name that GeoClue's configuration allows.
async fn agree(bus: &TestBus) -> zbus::Connection {
    let user = bus.connect().await;
    user.object_server().at("/org/freedesktop/GeoClue2/Agent", Agent).await.unwrap();
    let add = || {
        user.call_method(
            Some("org.freedesktop.GeoClue2"),
            "/org/freedesktop/GeoClue2/Manager",
            Some("org.freedesktop.GeoClue2.Manager"),
            "AddAgent",
            &"geoclue-demo-agent",
        )
    };
    until("the agent is accepted", || async { add().await.is_ok() }).await;
    user
}

#[tokio::test]
async fn the_real_service_tells_of_a_fence_that_is_left_and_entered() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let fence = [("latitude", "52.5"), ("longitude", "13.416667"), ("radius", "100")];
    let Some(geoclue) = GeoClue::start(&sysroot) else { return };
    let _user = agree(&bus).await;
    let mut listener = Listener::of(&sysroot, "LocationTrigger", &fence);
    let status = listener.status_that(is_available).await;
    assert_eq!(status, Status::Available { how: "GeoClue".into() });
    geoclue.go(31_000);
    let left = listener.event().await;
    assert_eq!(left["state"], "Exited");
    let latitude = left["latitude"].as_f64().unwrap();
    assert!((latitude - 52.516_667).abs() < 0.000_1, "{latitude}");
    geoclue.go(30_005);
    assert_eq!(listener.event().await["state"], "Entered");
}
