//! What a trigger carries, between its two ends.
//!
//! The core keeps it as bytes it does not read. Those bytes are the D-Bus marshalling of one `a{sv}`: little endian, from
//! offset 0, keys in order. They are in the store while an activation waits, so this is a file format too.

use std::collections::{BTreeMap, HashMap};

use bgtask_core::{AppId, Details, Limit, limits};
use bgtask_wire::{Error, ErrorKind, app_service_names};
use serde_json::{Map, Value};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{Endian, to_bytes};
use zbus::{OwnedVariant, Str, Variant};

/// The arguments of a trigger as the core keeps them; none at all is nothing carried.
///
/// # Errors
///
/// They are too long, or there is a file descriptor in them.
pub fn details(given: HashMap<String, OwnedVariant>) -> Result<Option<Details>, Error> {
    if given.is_empty() {
        return Ok(None);
    }
    let ordered: BTreeMap<_, _> = given.into_iter().collect();
    let data = to_bytes(context(), &ordered)
        .map_err(|error| invalid(format!("the arguments of the trigger cannot be kept: {error}")))?;
    if !data.fds().is_empty() {
        let text = "the arguments of a trigger have a file descriptor in them, which cannot be kept until the task runs: \
                    pass the name of the file";
        return Err(invalid(text.into()));
    }
    if data.bytes().len() > limits::MAX_DETAILS_BYTES {
        let text = format!("{}: they take {} as they are marshalled", Limit::DetailsBytes, data.bytes().len());
        return Err(Error::new(ErrorKind::LimitReached, text));
    }
    Ok(Some(Details(data.bytes().into())))
}

/// What the task of an app service hears of its caller; one without an app is a program of the user.
///
/// # Errors
///
/// The name of the service is too long.
pub fn service_details(caller: Option<&AppId>, service: &str) -> Result<Option<Details>, Error> {
    let text = |text: &str| OwnedVariant::from(Str::from(text.to_owned()));
    let mut told = HashMap::from([(app_service_names::SERVICE.to_owned(), text(service))]);
    told.extend(caller.map(|app| (app_service_names::CALLER.to_owned(), text(app.as_str()))));
    details(told)
}

/// The same on the way to the task.
pub(crate) fn trigger_details(kept: &Details) -> zbus::Result<HashMap<String, OwnedVariant>> {
    Ok(Data::new(&*kept.0, context()).deserialize()?.0)
}

/// The device that the arguments of a `DeviceUseTrigger` name.
pub fn device_of(details: &Details) -> Option<String> {
    let arguments = trigger_details(details).ok()?;
    String::try_from(arguments.get(DEVICE)?.try_clone().ok()?).ok()
}

/// Where the arguments of a `DeviceUseTrigger` name the device.
const DEVICE: &str = "device_id";

/// The events that a trigger gathered, one line of JSON each, on the way to the task: `events` in their order, and how many more
/// were `lost`.
pub(crate) fn events(gathered: Option<&Details>, lost: u32) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let lines = gathered.map_or(&[][..], |details| &details.0).split(|byte| *byte == b'\n');
    let read = lines.filter_map(|line| serde_json::from_slice(line).ok());
    let events: Vec<HashMap<String, Variant<'static>>> = read.map(fields).collect();
    let own = |value: Variant<'static>| OwnedVariant::try_from(value);
    Ok(HashMap::from([("events".to_owned(), own(events.into())?), ("lost".to_owned(), own(lost.into())?)]))
}

/// How deep the lists and objects of an event go as such: what is within is a text of JSON. D-Bus takes 32 within one another,
/// with those that events are carried in.
const MAX_DEPTH: usize = 12;

fn fields(event: Map<String, Value>) -> HashMap<String, Variant<'static>> {
    inner(event, MAX_DEPTH)
}

fn inner(object: Map<String, Value>, deep: usize) -> HashMap<String, Variant<'static>> {
    object.into_iter().filter_map(|(name, value)| Some((name, variant(value, deep)?))).collect()
}

/// D-Bus has no nothing: such a field is left out.
fn variant(value: Value, deep: usize) -> Option<Variant<'static>> {
    let Some(within) = deep.checked_sub(1) else { return Some(value.to_string().into()) };
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), ..) => value.into(),
            (None, Some(value), _) => value.into(),
            (None, None, value) => value?.into(),
        },
        Value::String(text) => text.into(),
        Value::Array(values) => {
            values.into_iter().filter_map(|value| variant(value, within)).collect::<Vec<_>>().into()
        }
        Value::Object(values) => inner(values, within).into(),
    })
}

fn context() -> Context {
    Context::new(Endian::Little, 0)
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use zbus::{Fd, Variant};

    use super::*;

    fn given<'a>(arguments: impl IntoIterator<Item = (&'a str, Variant<'a>)>) -> HashMap<String, OwnedVariant> {
        let owned = |value: &Variant<'_>| value.try_to_owned().expect("it can be owned");
        arguments.into_iter().map(|(name, value)| (name.to_owned(), owned(&value))).collect()
    }

    /// REQ-4: what the app gives is what its task gets, whatever D-Bus has a type for.
    #[test]
    fn arguments_come_back_as_they_were_given() {
        let nested = given([("inner", 7u8.into())]);
        let arguments = given([
            ("text", "ä".into()),
            ("number", 1.5f64.into()),
            ("list", vec![1u32, 2].into()),
            ("nested", nested.into()),
        ]);
        let copy = arguments.iter().map(|(name, value)| (name.clone(), value.try_clone().expect("no descriptors")));
        let kept = details(copy.collect()).expect("they fit").expect("there are some");
        assert_eq!(trigger_details(&kept).expect("they are read"), arguments);
        assert_eq!(details(HashMap::new()), Ok(None), "no arguments are none");
    }

    #[test]
    fn the_same_arguments_are_the_same_bytes() {
        let names: Vec<_> = (0..50).map(|number| format!("name {number}")).collect();
        let arguments = || given(names.iter().map(|name| (name.as_str(), true.into())));
        assert_eq!(details(arguments()), details(arguments()));
        let one = details(given([("a", 1u32.into())])).expect("it fits").expect("there is one");
        let marshalled = [16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'a', 0, 1, b'u', 0, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(*one.0, marshalled, "the format of the store");
    }

    /// REQ-4: the bound is on what is marshalled, and the error says both numbers.
    #[test]
    fn too_many_bytes_are_refused_with_the_bound() {
        let long = |bytes: usize| details(given([("a", "x".repeat(bytes).into())]));
        let frame = 25;
        assert!(long(limits::MAX_DETAILS_BYTES - frame).is_ok());
        let error = long(limits::MAX_DETAILS_BYTES - frame + 1).expect_err("one byte too many");
        assert_eq!(error.kind, ErrorKind::LimitReached);
        assert!(error.message.contains("65536") && error.message.contains("65537"), "{error}");
    }

    /// A signal may nest as deep as its sender likes: that must not keep the others from the task.
    #[test]
    fn events_that_nest_deep_are_carried_all_the_same() {
        let deep = |levels: usize| format!("{{\"arguments\":{}7{}}}\n", "[".repeat(levels), "]".repeat(levels));
        for levels in [1, 11, 12, 13, 60, 120] {
            let kept = Details((deep(levels) + "{\"arguments\":[1]}\n").into_bytes().into());
            let told = events(Some(&kept), 0).expect("it can be sent");
            let all: Vec<HashMap<String, OwnedVariant>> =
                told["events"].try_clone().expect("no descriptors").try_into().expect("it is a list");
            assert_eq!(all.len(), 2, "{levels}");
            let order: BTreeMap<_, _> = told.into_iter().collect();
            assert!(to_bytes(context(), &order).is_ok(), "{levels} levels can be marshalled");
        }
    }

    #[test]
    fn a_file_descriptor_is_refused_wherever_it_is() {
        let file = std::fs::File::open("/dev/null").expect("it is there");
        let fd = || Variant::from(Fd::from(&file));
        let inside = Variant::from(given([("fd", fd())]));
        for value in [fd(), inside] {
            let error = details(given([("a", value)])).expect_err("a descriptor");
            assert_eq!(error.kind, ErrorKind::InvalidArgument);
            assert!(error.message.contains("file descriptor"), "{error}");
        }
    }
}
