//! What devices nearby advertise.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};
use zbus::wire::{OwnedVariant, Variant};

use crate::bluetooth::{self, ADAPTER, Change, DEVICE, Tree, changes, hex, no_adapter, objects, properties};
use crate::bus::{CALL_RETRY, CallError, Properties};
use crate::event::EventTeller;
use crate::given::Given;
use crate::outbox::Happening;
use crate::report::Status;
use crate::service::{Follower, Heard, Service, Signals, Visit, follow};
use crate::world::World;

/// The weakest signal there is, in dBm: the default of both thresholds, and what an event says of a device that is out
/// of range.
pub const RSSI_NONE: i16 = -127;

/// The strongest signal that a threshold may name, in dBm.
pub const RSSI_MAX: i16 = 20;

/// How long a device may be silent, or weak, before it is out of range: at least a second, at most and by default a
/// minute.
pub const OUT_OF_RANGE_TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// Devices that are remembered. When there are more, the one that was silent longest is forgotten, one that is in range
/// last of all.
pub const MAX_ADVERTISERS: usize = 512;

/// What an advertisement must have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdvertisementFilter {
    /// A service of this UUID, of 128 bits, in small letters.
    Service(String),
    /// Data of the maker with this number of the Bluetooth SIG.
    Manufacturer(u16),
    /// A name that begins like this.
    Name(String),
}

/// Which devices count, and from where to where. Serves the `BluetoothLEAdvertisementWatcherTrigger`.
///
/// A device comes into range with the first advertisement that passes the filter and is as strong as `in_range`; it goes
/// out of range when for `timeout` nothing was heard of it that is as strong as `out_of_range`. Each of the two is an
/// event, and between them there is none (as on Windows without sampling).
///
/// The fields of an event are `state`, which is `InRange` or `OutOfRange`, `address`, `name` where there is one, `rssi`
/// in dBm, `manufacturer_data` (an object of hexadecimal bytes by the maker's number, as in `0x004c`) and `services`
/// (UUIDs).
///
/// The radio searches for as long as somebody listens, and the machine is woken by every advertisement that is heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdvertisementSpec {
    /// Exactly one, as on Windows.
    pub filter: AdvertisementFilter,
    /// In dBm, from [`RSSI_NONE`] to [`RSSI_MAX`].
    pub in_range: i16,
    /// The same, not above `in_range`.
    pub out_of_range: i16,
    /// Within [`OUT_OF_RANGE_TIMEOUT`].
    pub timeout: Duration,
}

impl AdvertisementSpec {
    /// Reads exactly one of `service` (a UUID, long or short), `manufacturer` (a number, as in `0x004c`) and `name` (how
    /// it begins), and `in_range`, `out_of_range` in dBm and `out_of_range_timeout` in seconds.
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let known = ["service", "manufacturer", "name", "in_range", "out_of_range", "out_of_range_timeout"];
        let given = Given::of(&known, properties)?;
        let strength = |name| {
            let range = f64::from(RSSI_NONE)..=f64::from(RSSI_MAX);
            Ok::<_, String>(given.number(name, range, "dBm")?.map_or(RSSI_NONE, |dbm| dbm as i16))
        };
        let (in_range, out_of_range) = (strength("in_range")?, strength("out_of_range")?);
        if out_of_range > in_range {
            return Err(format!("`out_of_range` ({out_of_range} dBm) must not be above `in_range` ({in_range} dBm)"));
        }
        let (least, most) = (OUT_OF_RANGE_TIMEOUT.start().as_secs_f64(), OUT_OF_RANGE_TIMEOUT.end().as_secs_f64());
        let timeout = given.number("out_of_range_timeout", least..=most, "seconds")?.unwrap_or(most);
        let timeout = Duration::from_secs_f64(timeout);
        Ok(Self { filter: filter(&given)?, in_range, out_of_range, timeout })
    }
}

fn filter(given: &Given<'_>) -> Result<AdvertisementFilter, String> {
    match (given.text("service"), given.text("manufacturer"), given.text("name")) {
        (Some(text), None, None) => {
            let refused = || format!("`service` is `{text}`; write a UUID, or its four digits as in `180d`");
            bluetooth::uuid(text).map(AdvertisementFilter::Service).ok_or_else(refused)
        }
        (None, Some(text), None) => {
            let number = match text.strip_prefix("0x") {
                Some(digits) => u16::from_str_radix(digits, 16),
                None => text.parse(),
            };
            let refused = |_| format!("`manufacturer` is `{text}`; write its number, as in `0x004c` or `76`");
            number.map(AdvertisementFilter::Manufacturer).map_err(refused)
        }
        (None, None, Some("")) => Err("`name` is empty; write how it begins".to_owned()),
        (None, None, Some(text)) => Ok(AdvertisementFilter::Name(text.to_owned())),
        _ => Err("write exactly one of `service`, `manufacturer` and `name`: there is one filter".to_owned()),
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: AdvertisementSpec, world: &World, teller: EventTeller) -> Infallible {
    follow(Watcher { spec, devices: HashMap::new(), searching: Vec::new() }, world, teller).await
}

struct Watcher {
    spec: AdvertisementSpec,
    /// By the path of the object, which names the adapter and the device.
    devices: HashMap<String, Device>,
    /// The adapters that search for us.
    searching: Vec<String>,
}

/// What is known of a device.
#[derive(Debug)]
struct Device {
    address: String,
    name: Option<String>,
    rssi: i16,
    services: Vec<String>,
    makers: BTreeMap<u16, Vec<u8>>,
    in_range: bool,
    heard: Instant,
    /// When it was heard last as strong as it has to be to stay in range.
    strong: Instant,
}

/// What is heard.
enum News {
    /// A device, by its path, advertises this.
    Device(String, Properties),
    /// An adapter came, went, or was switched.
    Adapter,
}

impl News {
    /// That BlueZ forgets a device, which it does half a minute after it was heard last, is no news: our own time decides.
    fn of(change: Change) -> Option<Self> {
        match change {
            Change::Added(path, interfaces) => match properties(&interfaces, DEVICE) {
                Some(device) => Some(Self::Device(path, device)),
                None => interfaces.contains_key(ADAPTER).then_some(Self::Adapter),
            },
            Change::Changed(path, interface, properties) if interface == DEVICE => Some(Self::Device(path, properties)),
            Change::Changed(_, _, properties) => (!properties.is_without("Powered")).then_some(Self::Adapter),
            Change::Removed(path) => (!path.contains("/dev_")).then_some(Self::Adapter),
        }
    }
}

impl Happening for News {
    fn repeats(&self, before: &Self) -> bool {
        matches!((self, before), (Self::Adapter, Self::Adapter))
    }
}

impl Follower for Watcher {
    const SERVICE: Service = bluetooth::SERVICE;

    async fn follow(&mut self, visit: &Visit<'_>, teller: &EventTeller) -> Result<Infallible, CallError> {
        let signals = changes(visit, &[DEVICE, ADAPTER], News::of).await?;
        self.searching.clear();
        loop {
            let tree = objects(visit).await?;
            let refused = self.search(&tree, visit).await?;
            teller.status(self.heard(&tree, refused.as_ref()));
            self.learn(&tree);
            let again = (refused.is_some()).then(|| Instant::now() + CALL_RETRY);
            self.listen(again, &signals, teller).await?;
        }
    }

    fn missing(&self, error: &CallError) -> Status {
        bluetooth::missing(error)
    }
}

impl Watcher {
    /// Lets each adapter that is switched on search, and says what one answered that would not.
    async fn search(&mut self, tree: &Tree, visit: &Visit<'_>) -> Result<Option<CallError>, CallError> {
        let mut refused = None;
        let mut on = Vec::new();
        for (path, interfaces) in tree {
            if let Some(adapter) = properties(interfaces, ADAPTER)
                && adapter.require("Powered")?
            {
                on.push(path.as_str());
            }
        }
        self.searching.retain(|path| on.contains(&path.as_str()));
        for path in on {
            if self.searching.iter().any(|known| known == path) {
                continue;
            }
            let adapter = visit.object(path, ADAPTER);
            // Some versions refuse to search when they were not told for what.
            let () = adapter.call_with(visit.connection, "SetDiscoveryFilter", &(self.wanted(),)).await?;
            match adapter.call::<()>(visit.connection, "StartDiscovery", None).await {
                Err(error) if !error.to_string().contains("org.bluez.Error.InProgress") => refused = Some(error),
                _ => self.searching.push(path.to_owned()),
            }
            // What was heard before has as much time to be heard again.
            let now = Instant::now();
            self.devices.values_mut().for_each(|device| device.strong = now);
        }
        Ok(refused)
    }

    fn wanted(&self) -> HashMap<&'static str, Variant<'_>> {
        let mut wanted = HashMap::from([("Transport", Variant::from("le")), ("DuplicateData", Variant::from(true))]);
        if let AdvertisementFilter::Service(uuid) = &self.spec.filter {
            wanted.insert("UUIDs", Variant::from(vec![uuid.as_str()]));
        }
        wanted
    }

    fn heard(&self, tree: &Tree, refused: Option<&CallError>) -> Status {
        match refused {
            Some(error) => Status::Missing {
                why: format!("BlueZ does not search for devices: {error}"),
                help: "restart bluetoothd".to_owned(),
            },
            None => no_adapter(tree).unwrap_or_else(|| Status::Available { how: "BlueZ".to_owned() }),
        }
    }

    /// Remembers what BlueZ knows of devices, some of it from long ago: that is not heard now.
    fn learn(&mut self, tree: &Tree) {
        for (path, interfaces) in tree {
            if let Some(device) = properties(interfaces, DEVICE) {
                self.update(path.as_str(), &device);
            }
        }
    }

    /// Makes events of advertisements until an adapter changes, or until `again`.
    async fn listen(
        &mut self,
        again: Option<Instant>,
        signals: &Signals<News>,
        teller: &EventTeller,
    ) -> Result<(), CallError> {
        loop {
            let due = self.due().into_iter().chain(again).min();
            let heard = tokio::select! {
                heard = signals.next() => heard?,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if again.is_some_and(|again| again <= Instant::now()) {
                        return Ok(());
                    }
                    self.out_of_range(teller);
                    continue;
                }
            };
            match heard {
                // Of which devices it was is not known; the next advertisements of them say the same.
                Heard::Lost(_) => {}
                Heard::Signal(News::Device(path, device)) => self.advertised(&path, &device, teller),
                Heard::Signal(News::Adapter) => return Ok(()),
            }
        }
    }

    /// When the next device goes out of range, unless it is heard. Nobody does while nobody searches.
    fn due(&self) -> Option<Instant> {
        let in_range = self.devices.values().filter(|device| device.in_range);
        in_range.map(|device| device.strong + self.spec.timeout).min().filter(|_| !self.searching.is_empty())
    }

    fn advertised(&mut self, path: &str, properties: &Properties, teller: &EventTeller) {
        let news = ["RSSI", "ManufacturerData", "ServiceData"];
        let Some(device) = self.update(path, properties) else { return };
        if news.iter().all(|name| properties.is_without(name)) {
            return;
        }
        let now = Instant::now();
        device.heard = now;
        let rssi = device.rssi;
        if let Some(device) = self.devices.get_mut(path) {
            if rssi >= self.spec.out_of_range {
                device.strong = now;
            }
            if !device.in_range && rssi >= self.spec.in_range && device.passes(&self.spec.filter) {
                device.in_range = true;
                teller.event(device.fields("InRange", rssi));
            }
        }
    }

    fn out_of_range(&mut self, teller: &EventTeller) {
        let now = Instant::now();
        for device in self.devices.values_mut() {
            if device.in_range && device.strong + self.spec.timeout <= now {
                device.in_range = false;
                teller.event(device.fields("OutOfRange", RSSI_NONE));
            }
        }
    }

    /// Adds what is new to what is known. What is nonsense is passed over.
    fn update(&mut self, path: &str, news: &Properties) -> Option<&mut Device> {
        if !self.devices.contains_key(path) {
            // Its address is told when it appears, and is in its path ever after.
            let address = path.rsplit_once("/dev_")?.1.replace('_', ":");
            let address = bluetooth::address(&address)?;
            self.make_room();
            self.devices.insert(path.to_owned(), Device::of(address));
        }
        let device = self.devices.get_mut(path)?;
        if let Ok(Some(rssi)) = news.get("RSSI") {
            device.rssi = rssi;
        }
        if let Ok(Some(name)) = news.get("Name") {
            device.name = Some(name);
        }
        if let Ok(Some(services)) = news.get("UUIDs") {
            device.services = services;
        }
        if let Ok(Some(makers)) = news.get::<HashMap<u16, OwnedVariant>>("ManufacturerData") {
            let bytes = |(maker, data)| Some((maker, Vec::<u8>::try_from(data).ok()?));
            device.makers = makers.into_iter().filter_map(bytes).collect();
        }
        Some(device)
    }

    fn make_room(&mut self) {
        if self.devices.len() < MAX_ADVERTISERS {
            return;
        }
        let oldest = self.devices.iter().min_by_key(|(_, device)| (device.in_range, device.heard));
        if let Some(path) = oldest.map(|(path, _)| path.clone()) {
            self.devices.remove(&path);
        }
    }
}

impl Device {
    fn of(address: String) -> Self {
        let now = Instant::now();
        Self {
            address,
            name: None,
            rssi: RSSI_NONE,
            services: Vec::new(),
            makers: BTreeMap::new(),
            in_range: false,
            heard: now,
            strong: now,
        }
    }

    fn passes(&self, filter: &AdvertisementFilter) -> bool {
        match filter {
            AdvertisementFilter::Service(uuid) => self.services.iter().any(|known| known.eq_ignore_ascii_case(uuid)),
            AdvertisementFilter::Manufacturer(number) => self.makers.contains_key(number),
            AdvertisementFilter::Name(begin) => self.name.as_ref().is_some_and(|name| name.starts_with(begin)),
        }
    }

    fn fields(&self, state: &'static str, rssi: i16) -> Vec<(&'static str, Value)> {
        let makers = self.makers.iter().map(|(maker, data)| (format!("{maker:#06x}"), hex(data).into()));
        let mut fields = vec![
            ("state", state.into()),
            ("address", self.address.clone().into()),
            ("rssi", rssi.into()),
            ("manufacturer_data", Value::Object(Map::from_iter(makers))),
            ("services", self.services.clone().into()),
        ];
        fields.extend(self.name.clone().map(|name| ("name", name.into())));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<AdvertisementSpec, String> {
        AdvertisementSpec::read(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    /// The rules of the signal-strength filter: -127 to +20 dBm, 1 to 60 s, out of range not above in range.
    #[test]
    fn strengths_and_times_have_the_ranges_and_defaults_of_windows() {
        let spec = read(&[("service", "180d")]).unwrap();
        assert_eq!((spec.in_range, spec.out_of_range, spec.timeout.as_secs()), (-127, -127, 60));
        let spec = read(&[("name", "T"), ("in_range", "-60"), ("out_of_range", "-80"), ("out_of_range_timeout", "1")]);
        let spec = spec.unwrap();
        assert_eq!((spec.in_range, spec.out_of_range, spec.timeout.as_secs()), (-60, -80, 1));
        for (name, bad) in [("in_range", "-128"), ("in_range", "21"), ("out_of_range_timeout", "0")] {
            assert!(read(&[("name", "T"), (name, bad)]).is_err(), "{name} {bad}");
        }
        let refused = read(&[("name", "T"), ("in_range", "-80"), ("out_of_range", "-60")]).unwrap_err();
        assert_eq!(refused, "`out_of_range` (-60 dBm) must not be above `in_range` (-80 dBm)");
    }

    #[test]
    fn there_is_exactly_one_filter() {
        let refused = "write exactly one of `service`, `manufacturer` and `name`: there is one filter";
        assert_eq!(read(&[]).unwrap_err(), refused);
        assert_eq!(read(&[("service", "180d"), ("name", "T")]).unwrap_err(), refused);
        for number in ["0x004c", "76"] {
            assert_eq!(read(&[("manufacturer", number)]).unwrap().filter, AdvertisementFilter::Manufacturer(76));
        }
        assert!(read(&[("manufacturer", "Apple")]).unwrap_err().contains("write its number"));
        assert!(read(&[("name", "")]).unwrap_err().contains("write how it begins"));
    }

    #[tokio::test]
    async fn of_too_many_devices_the_one_silent_longest_is_forgotten() {
        let spec = read(&[("name", "T")]).unwrap();
        let mut watcher = Watcher { spec, devices: HashMap::new(), searching: Vec::new() };
        let path = |n: usize| format!("/org/bluez/hci0/dev_00_00_00_00_{:02X}_{:02X}", n / 256, n % 256);
        for n in 0..MAX_ADVERTISERS {
            watcher.update(&path(n), &Properties::of(HashMap::new())).unwrap().in_range = n == 0;
        }
        watcher.update(&path(MAX_ADVERTISERS), &Properties::of(HashMap::new())).unwrap();
        assert_eq!(watcher.devices.len(), MAX_ADVERTISERS);
        assert!(watcher.devices.contains_key(&path(0)), "it is in range");
        assert!(!watcher.devices.contains_key(&path(1)));
    }
}
