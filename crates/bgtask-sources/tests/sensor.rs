//! Sensors: an iio-sensor-proxy of our own on a private bus. The real one is asked in `real_sensors.rs`.

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bgtask_sources::{SENSOR_SETTLE, Status};
use common::listener::{Listener, fields, is_missing, until};
use common::{Sysroot, TestBus, is_available, is_degraded, pass};
use zbus::object_server::SignalEmitter;
use zbus::{fdo, interface};

const NAME: &str = "net.hadess.SensorProxy";
const PATH: &str = "/net/hadess/SensorProxy";

/// Measures for the first time when claimed, as the real one does.
#[derive(Default)]
struct Proxy {
    light: f64,
    /// What it measures first.
    measures: Option<f64>,
    vendor: bool,
    near: bool,
    orientation: &'static str,
    absent: bool,
    claims: u32,
    /// How often it was read since it was claimed.
    reads: AtomicU32,
    denies: bool,
}

impl Proxy {
    fn of(light: f64) -> Self {
        Self { light, orientation: "normal", ..Self::default() }
    }

    async fn claim(&mut self, emitter: &SignalEmitter<'_>) -> fdo::Result<()> {
        if self.denies {
            return Err(fdo::Error::AccessDenied("Not Authorized: claim-sensor".into()));
        }
        self.claims += 1;
        self.reads = AtomicU32::new(0);
        self.light = self.measures.take().unwrap_or(self.light);
        Ok(self.light_level_changed(emitter).await?)
    }
}

#[interface(name = "net.hadess.SensorProxy")]
impl Proxy {
    async fn claim_light(&mut self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) -> fdo::Result<()> {
        self.claim(&emitter).await
    }
    async fn claim_proximity(&mut self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) -> fdo::Result<()> {
        self.claim(&emitter).await
    }
    async fn claim_accelerometer(&mut self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) -> fdo::Result<()> {
        self.claim(&emitter).await
    }
    /// Nothing but a reading of everything asks for this.
    #[zbus(property)]
    fn has_ambient_light(&self) -> bool {
        self.reads.fetch_add(1, Ordering::Relaxed);
        !self.absent
    }
    #[zbus(property)]
    fn has_proximity(&self) -> bool {
        !self.absent
    }
    #[zbus(property)]
    fn has_accelerometer(&self) -> bool {
        !self.absent
    }
    #[zbus(property)]
    fn light_level(&self) -> f64 {
        self.light
    }
    #[zbus(property)]
    fn light_level_unit(&self) -> &str {
        if self.vendor { "vendor" } else { "lux" }
    }
    #[zbus(property)]
    fn proximity_near(&self) -> bool {
        self.near
    }
    #[zbus(property)]
    fn accelerometer_orientation(&self) -> &str {
        self.orientation
    }
}

/// One that lost its mind.
struct Nonsense;

#[interface(name = "net.hadess.SensorProxy")]
impl Nonsense {
    fn claim_light(&self) {}
    #[zbus(property)]
    fn has_ambient_light(&self) -> bool {
        true
    }
    #[zbus(property)]
    fn light_level(&self) -> &str {
        "bright"
    }
}

/// One that answers nothing.
struct Hung;

#[interface(name = "net.hadess.SensorProxy")]
impl Hung {
    #[zbus(property)]
    async fn has_ambient_light(&self) -> bool {
        std::future::pending().await
    }
}

async fn serve(bus: &TestBus, proxy: Proxy) -> zbus::Connection {
    let connection = bus.connect().await;
    connection.object_server().at(PATH, proxy).await.unwrap();
    connection.request_name(NAME).await.unwrap();
    connection
}

/// Changes what is measured, and says so.
async fn measure(service: &zbus::Connection, change: impl FnOnce(&mut Proxy)) {
    let proxy = service.object_server().interface::<_, Proxy>(PATH).await.unwrap();
    change(&mut *proxy.get_mut().await);
    proxy.get().await.light_level_changed(proxy.signal_emitter()).await.unwrap();
}

/// The same, and waits until it was read.
async fn measure_and_read(service: &zbus::Connection, change: impl FnOnce(&mut Proxy)) {
    let (_, before) = known(service).await;
    measure(service, change).await;
    until("read again", || async { known(service).await.1 > before }).await;
}

/// How often it was claimed, and how often read since.
async fn known(service: &zbus::Connection) -> (u32, u32) {
    let proxy = service.object_server().interface::<_, Proxy>(PATH).await.unwrap();
    let proxy = proxy.get().await;
    (proxy.claims, proxy.reads.load(Ordering::Relaxed))
}

/// The listener has claimed the sensor, and taken its first reading.
async fn settled(service: &zbus::Connection, listener: &mut Listener) {
    listener.status_that(is_available).await;
    until("claimed and read", || async { known(service).await >= (1, 1) }).await;
}

fn bright() -> [(&'static str, &'static str); 2] {
    [("sensor", "light"), ("above", "500")]
}

const CLASS: &str = "SensorDataThresholdTrigger";

#[tokio::test]
async fn without_the_service_help_is_given() {
    let sysroot = Sysroot::new();
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    let Status::Missing { why, help } = listener.status_that(|_| true).await else { panic!("must be missing") };
    assert_eq!(why, "iio-sensor-proxy cannot be asked for the sensor of light: it is not running");
    assert_eq!(help, "install and start iio-sensor-proxy");
}

#[tokio::test]
async fn light_fires_each_time_it_crosses_the_threshold_and_not_for_wavering_there() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Proxy::of(100.0)).await;
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    settled(&service, &mut listener).await;
    measure(&service, |proxy| proxy.light = 600.0).await;
    assert_eq!(listener.event().await, fields([("sensor", "light".into()), ("value", 600.0.into())]));
    for lux in [480.0, 520.0, 100.0] {
        measure_and_read(&service, |proxy| proxy.light = lux).await;
    }
    measure(&service, |proxy| proxy.light = 700.0).await;
    assert_eq!(listener.event().await["value"], 700.0, "the wavering was no event");
    assert_eq!(known(&service).await.0, 1);
}

#[tokio::test]
async fn proximity_and_orientation_fire_on_each_change_and_lying_flat_is_none() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Proxy::of(100.0)).await;
    let mut near = Listener::of(&sysroot, CLASS, &[("sensor", "proximity")]);
    settled(&service, &mut near).await;
    let mut turned = Listener::of(&sysroot, CLASS, &[("sensor", "orientation")]);
    settled(&service, &mut turned).await;
    measure(&service, |proxy| proxy.near = true).await;
    assert_eq!(near.event().await, fields([("sensor", "proximity".into()), ("value", true.into())]));
    for orientation in ["undefined", "normal", "undefined", "left-up"] {
        measure_and_read(&service, |proxy| proxy.orientation = orientation).await;
    }
    assert_eq!(turned.event().await, fields([("sensor", "orientation".into()), ("value", "left-up".into())]));
    measure(&service, |proxy| proxy.near = false).await;
    assert_eq!(near.event().await["value"], false);
    assert_eq!(turned.waiting(), 0);
}

#[tokio::test]
async fn a_restart_is_claimed_again_and_only_a_real_change_over_it_is_an_event() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let mut service = serve(&bus, Proxy::of(100.0)).await;
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    settled(&service, &mut listener).await;
    for (light, fires) in [(110.0, false), (900.0, true), (800.0, false)] {
        service.close().await.unwrap();
        listener.status_that(is_missing).await;
        service = serve(&bus, Proxy { measures: Some(light), ..Proxy::of(0.0) }).await;
        settled(&service, &mut listener).await;
        match fires {
            true => assert_eq!(listener.event().await["value"], light),
            false => assert!(listener.is_silent(SENSOR_SETTLE * 3).await, "nothing changed at {light}"),
        }
    }
}

/// The real service answers zero until it has measured: that is no darkness.
#[tokio::test]
async fn what_is_answered_before_the_first_measure_is_not_believed() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Proxy { measures: Some(1000.0), ..Proxy::of(0.0) }).await;
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    settled(&service, &mut listener).await;
    assert!(listener.is_silent(SENSOR_SETTLE * 5).await, "it was as bright before");
}

#[tokio::test]
async fn a_sensor_that_is_pulled_out_and_put_back_is_claimed_again() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Proxy { absent: true, ..Proxy::of(100.0) }).await;
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    for claimed in 1..=2 {
        let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!() };
        assert_eq!(why, "iio-sensor-proxy knows no sensor of light on this machine");
        measure(&service, |proxy| proxy.absent = false).await;
        listener.status_that(is_available).await;
        until("claimed", || async { known(&service).await >= (claimed, 1) }).await;
        measure(&service, |proxy| proxy.absent = true).await;
    }
}

#[tokio::test]
async fn who_may_not_claim_is_told_what_polkit_should_allow() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Proxy { denies: true, ..Proxy::of(100.0) }).await;
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    let Status::Missing { help, .. } = listener.status_that(is_missing).await else { panic!() };
    assert_eq!(help, "let polkit allow net.hadess.SensorProxy.claim-sensor to this user");
    measure(&service, |proxy| proxy.denies = false).await;
    pass(Duration::from_secs(60)).await;
    listener.status_that(is_available).await;
}

#[tokio::test]
async fn a_unit_of_the_maker_is_said_to_be_no_lux() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let _service = serve(&bus, Proxy { vendor: true, ..Proxy::of(100.0) }).await;
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    let status = listener.status_that(is_degraded).await;
    assert!(status.to_string().contains("not in lux"), "{status}");
}

#[tokio::test]
async fn nonsense_is_named_and_what_comes_after_it_is_heard() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let mad = bus.connect().await;
    mad.object_server().at(PATH, Nonsense).await.unwrap();
    mad.request_name(NAME).await.unwrap();
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!() };
    assert!(why.contains("its property LightLevel has the type 's'"), "{why}");
    mad.close().await.unwrap();
    let service = serve(&bus, Proxy::of(100.0)).await;
    settled(&service, &mut listener).await;
    measure(&service, |proxy| proxy.light = 600.0).await;
    assert_eq!(listener.event().await["value"], 600.0);
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_on_and_another_owner_found() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let hung = bus.connect().await;
    hung.object_server().at(PATH, Hung).await.unwrap();
    hung.request_name(NAME).await.unwrap();
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!() };
    assert!(why.contains("it does not answer: GetAll took more than 3 s"), "{why}");
    hung.close().await.unwrap();
    let service = serve(&bus, Proxy::of(100.0)).await;
    settled(&service, &mut listener).await;
}

#[tokio::test]
async fn a_bus_that_appears_later_and_restarts_is_found() {
    let sysroot = Sysroot::new();
    let mut listener = Listener::of(&sysroot, CLASS, &bright());
    for _ in 0..2 {
        listener.status_that(is_missing).await;
        let Some(bus) = TestBus::start(&sysroot) else { return };
        let service = serve(&bus, Proxy::of(100.0)).await;
        settled(&service, &mut listener).await;
    }
}

#[tokio::test]
async fn ten_thousand_signals_are_few_readings_and_the_last_is_right() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Proxy::of(100.0)).await;
    let mut listener = Listener::of(&sysroot, CLASS, &[("sensor", "light"), ("above", "500"), ("below", "10")]);
    settled(&service, &mut listener).await;
    for n in 0..10_000 {
        measure(&service, |proxy| proxy.light = 100.0 + f64::from(n % 7)).await;
    }
    measure(&service, |proxy| proxy.light = 3.0).await;
    assert_eq!(listener.event().await["value"], 3.0);
}
