use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{
    AppId, BootTime, ClassId, ClientId, Details, HostId, InstanceId, Now, OrderId, PushTicket, RequestId, SocketKey,
    TaskId, WallTime,
};
use serde_json::{Map, Value};

/// A core value that is written as JSON and read back.
pub trait Record: Sized {
    /// The value as JSON.
    fn to_json(&self) -> Value;

    /// # Errors
    ///
    /// The JSON is not of this type; the error names the path to the place.
    fn from_json(value: &Value) -> Result<Self, RecordError>;
}

/// JSON that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct RecordError {
    path: String,
    problem: String,
}

impl RecordError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    pub(crate) fn expected(what: &str, found: &Value) -> Self {
        let mut shown = found.to_string();
        if shown.len() > 80 {
            shown = format!("{}…", shown.chars().take(80).collect::<String>());
        }
        Self::new(format!("{what} expected, found {shown}"))
    }

    pub(crate) fn at(mut self, step: &str) -> Self {
        self.path = if self.path.is_empty() { step.to_owned() } else { format!("{step}.{}", self.path) };
        self
    }
}

/// Gives structs and enums their JSON form by listing their fields once.
///
/// A struct is an object; `field = value` is what a field was before it was written: records of older versions lack it. A variant with fields is an object of one key, its name; one without is its name.
macro_rules! record {
    ($(struct $name:ident { $($field:ident $(= $before:expr)?),* $(,)? })*) => {$(
        impl $crate::Record for $name {
            fn to_json(&self) -> serde_json::Value {
                let Self { $($field),* } = self;
                $crate::json::object(vec![$((stringify!($field), $crate::Record::to_json($field))),*])
            }

            fn from_json(value: &serde_json::Value) -> Result<Self, $crate::RecordError> {
                Ok(Self { $($field: {
                    let known = value.get(stringify!($field)).is_some();
                    match known {
                        $(false => $before,)?
                        _ => $crate::json::field(value, stringify!($field))?,
                    }
                }),* })
            }
        }
    )*};
    ($(enum $name:ident { $($variant:ident $({ $($field:ident),* })? $(( $($item:ident),* ))?),* $(,)? })*) => {$(
        impl $crate::Record for $name {
            fn to_json(&self) -> serde_json::Value {
                match self {$(
                    Self::$variant $({ $($field),* })? $(( $($item),* ))? => $crate::json::variant(
                        stringify!($variant),
                        vec![
                            $($((stringify!($field), $crate::Record::to_json($field))),*)?
                            $($((stringify!($item), $crate::Record::to_json($item))),*)?
                        ],
                    ),
                )*}
            }

            fn from_json(value: &serde_json::Value) -> Result<Self, $crate::RecordError> {
                let (name, _fields) = $crate::json::variant_of(value)?;
                match name {
                    $(stringify!($variant) => Ok(Self::$variant
                        $({ $($field: $crate::json::field(_fields, stringify!($field))?),* })?
                        $(( $($crate::json::field(_fields, stringify!($item))?),* ))?
                    ),)*
                    _ => Err($crate::RecordError::expected(concat!("a value of ", stringify!($name)), value)),
                }
            }
        }
    )*};
}
pub(crate) use record;

pub(crate) fn object(fields: Vec<(&str, Value)>) -> Value {
    let shown = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(shown.map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(crate) fn variant(name: &str, fields: Vec<(&str, Value)>) -> Value {
    if fields.is_empty() {
        return Value::from(name);
    }
    Value::Object(Map::from_iter([(name.to_owned(), object(fields))]))
}

pub(crate) fn field<T: Record>(object: &Value, name: &str) -> Result<T, RecordError> {
    T::from_json(object.get(name).unwrap_or(&Value::Null)).map_err(|error| error.at(name))
}

pub(crate) fn variant_of(value: &Value) -> Result<(&str, &Value), RecordError> {
    match value {
        Value::String(name) => Ok((name, &Value::Null)),
        Value::Object(map) if map.len() == 1 => {
            let (name, fields) = map.iter().next().expect("one entry");
            Ok((name, fields))
        }
        other => Err(RecordError::expected("a variant", other)),
    }
}

macro_rules! numbers {
    ($($type:ty: $read:ident),*) => {$(
        impl Record for $type {
            fn to_json(&self) -> Value {
                Value::from(*self)
            }

            fn from_json(value: &Value) -> Result<Self, RecordError> {
                let number = value.$read().and_then(|number| Self::try_from(number).ok());
                number.ok_or_else(|| RecordError::expected(stringify!($type), value))
            }
        }
    )*};
}
numbers!(u32: as_u64, u64: as_u64, i32: as_i64, i64: as_i64, bool: as_bool);

impl Record for usize {
    fn to_json(&self) -> Value {
        Value::from(*self as u64)
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        u64::from_json(value).and_then(|number| {
            Self::try_from(number).map_err(|_| RecordError::expected("a size of this machine", value))
        })
    }
}

impl Record for () {
    fn to_json(&self) -> Value {
        Value::Bool(true)
    }

    fn from_json(_: &Value) -> Result<Self, RecordError> {
        Ok(())
    }
}

impl Record for String {
    fn to_json(&self) -> Value {
        Value::from(self.as_str())
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        value.as_str().map(Self::from).ok_or_else(|| RecordError::expected("a text", value))
    }
}

impl Record for Arc<str> {
    fn to_json(&self) -> Value {
        Value::from(&**self)
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        value.as_str().map(Self::from).ok_or_else(|| RecordError::expected("a text", value))
    }
}

impl<T: Record> Record for Option<T> {
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Record::to_json)
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }
}

impl<T: Record> Record for Vec<T> {
    fn to_json(&self) -> Value {
        Value::Array(self.iter().map(Record::to_json).collect())
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        let items = value.as_array().ok_or_else(|| RecordError::expected("a list", value))?;
        items.iter().enumerate().map(|(i, item)| T::from_json(item).map_err(|e| e.at(&i.to_string()))).collect()
    }
}

impl<T: Record> Record for Arc<[T]> {
    fn to_json(&self) -> Value {
        Value::Array(self.iter().map(Record::to_json).collect())
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        Vec::from_json(value).map(Self::from)
    }
}

impl<T: Record> Record for Box<T> {
    fn to_json(&self) -> Value {
        (**self).to_json()
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        T::from_json(value).map(Self::new)
    }
}

impl Record for Arc<bgtask_core::Command> {
    fn to_json(&self) -> Value {
        (**self).to_json()
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        bgtask_core::Command::from_json(value).map(Self::new)
    }
}

impl<A: Record, B: Record> Record for (A, B) {
    fn to_json(&self) -> Value {
        Value::Array(vec![self.0.to_json(), self.1.to_json()])
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        match value.as_array().map(Vec::as_slice) {
            Some([a, b]) => Ok((A::from_json(a)?, B::from_json(b)?)),
            _ => Err(RecordError::expected("a pair", value)),
        }
    }
}

/// A list of pairs: keys need not be texts.
impl<K: Record + Ord, V: Record> Record for BTreeMap<K, V> {
    fn to_json(&self) -> Value {
        Value::Array(self.iter().map(|(key, value)| Value::Array(vec![key.to_json(), value.to_json()])).collect())
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        Vec::<(K, V)>::from_json(value).map(|pairs| pairs.into_iter().collect())
    }
}

/// Hexadecimal: what it means is known to the two ends only.
impl Record for Details {
    fn to_json(&self) -> Value {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Value::from(digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect::<String>())
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        let wrong = || RecordError::expected("bytes in hexadecimal", value);
        let text = value.as_str().filter(|text| text.len() % 2 == 0 && text.is_ascii()).ok_or_else(wrong)?;
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong());
        let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect::<Result<_, _>>()?;
        Ok(Self(bytes.into()))
    }
}

impl<T: Record, E: Record> Record for Result<T, E> {
    fn to_json(&self) -> Value {
        match self {
            Ok(value) => variant("Ok", vec![("value", value.to_json())]),
            Err(error) => variant("Err", vec![("error", error.to_json())]),
        }
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        match variant_of(value)? {
            ("Ok", fields) => field(fields, "value").map(Ok),
            ("Err", fields) => field(fields, "error").map(Err),
            _ => Err(RecordError::expected("Ok or Err", value)),
        }
    }
}

macro_rules! texts {
    ($($type:ty: $parse:expr),* $(,)?) => {$(
        impl Record for $type {
            fn to_json(&self) -> Value {
                Value::from(self.to_string())
            }

            fn from_json(value: &Value) -> Result<Self, RecordError> {
                let text = value.as_str().ok_or_else(|| RecordError::expected("an id", value))?;
                $parse(text).map_err(|error| RecordError::new(error.to_string()))
            }
        }
    )*};
}
texts!(AppId: AppId::new, OrderId: OrderId::new, TaskId: TaskId::from_str, InstanceId: InstanceId::from_str, ClassId: ClassId::from_str);

macro_rules! wrapped {
    ($($type:ty: $inner:ty, $wrap:expr, $unwrap:expr);* $(;)?) => {$(
        impl Record for $type {
            fn to_json(&self) -> Value {
                let unwrap: fn(&$type) -> $inner = $unwrap;
                unwrap(self).to_json()
            }

            fn from_json(value: &Value) -> Result<Self, RecordError> {
                <$inner>::from_json(value).map($wrap)
            }
        }
    )*};
}
wrapped! {
    HostId: u64, HostId, |id| id.0;
    SocketKey: u64, SocketKey, |key| key.0;
    PushTicket: u64, PushTicket, |ticket| ticket.0;
    ClientId: u64, ClientId, |id| id.0;
    RequestId: u64, RequestId, |id| id.0;
    BootTime: u64, BootTime::from_micros, |time| time.as_micros();
    WallTime: i64, WallTime::from_micros, |time| time.as_micros();
    Duration: u64, Duration::from_micros, |it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
    Now: (BootTime, WallTime), |(boot, wall)| Now { boot, wall }, |now| (now.boot, now.wall);
}
