//! The value of a setting: its types, and its text in a file.

use std::convert::Infallible;
use std::fmt;

use serde_json::{Map, Value as Json, json};

/// Bytes of a text or byte-string value.
pub const MAX_VALUE_BYTES: usize = 8 << 10;

/// Bytes of a file, all of which may be escapes (six for a byte), the key's among them.
pub(super) const MAX_FILE_BYTES: usize = 64 << 10;

/// A value, of one of the types every language has.
///
/// Made `from` the Rust types it can hold, and turned back with `try_from`; an integer turns into any integer type it fits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SettingValue {
    /// Yes or no.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A floating-point number; infinities and not-a-number are kept.
    F64(f64),
    /// A text of at most [`MAX_VALUE_BYTES`].
    Str(String),
    /// A byte string of at most [`MAX_VALUE_BYTES`].
    Bytes(Vec<u8>),
}

impl SettingValue {
    /// Bytes that count towards [`MAX_VALUE_BYTES`].
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Bool(_) => 1,
            Self::I64(_) | Self::U64(_) | Self::F64(_) => 8,
            Self::Str(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Writes the content of a file: the key, for keys too long to be a file name, and the value under the name of its type.
    pub(super) fn to_file(&self, key: &str) -> String {
        let (kind, value) = match self {
            Self::Bool(value) => ("bool", json!(value)),
            Self::I64(value) => ("i64", json!(value)),
            Self::U64(value) => ("u64", json!(value)),
            // As text: JSON numbers have no infinities, and not every reader of them is exact.
            Self::F64(value) => ("f64", json!(value.to_string())),
            Self::Str(value) => ("str", json!(value)),
            Self::Bytes(value) => ("bytes", json!(to_hex(value))),
        };
        format!("{}\n", json!({ "key": key, kind: value }))
    }

    /// Reads the content of a file, or says what is wrong with it.
    pub(super) fn from_file(content: &[u8]) -> Result<(String, Self), String> {
        if content.len() > MAX_FILE_BYTES {
            return Err(format!("it is larger than {MAX_FILE_BYTES} bytes"));
        }
        let mut fields: Map<String, Json> = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        let Some(Json::String(key)) = fields.remove("key") else {
            return Err("it names no key".to_owned());
        };
        let mut fields = fields.into_iter();
        let (Some((kind, json)), None) = (fields.next(), fields.next()) else {
            return Err("it does not hold exactly one value".to_owned());
        };
        match Self::from_json(&kind, json) {
            Some(value) => Ok((key, value)),
            None => Err(format!("its value is not a {kind:?}, or that type needs a newer bgtask")),
        }
    }

    fn from_json(kind: &str, json: Json) -> Option<Self> {
        Some(match (kind, json) {
            ("bool", Json::Bool(value)) => Self::Bool(value),
            ("i64", json) => Self::I64(json.as_i64()?),
            ("u64", json) => Self::U64(json.as_u64()?),
            ("f64", Json::String(text)) => Self::F64(text.parse().ok()?),
            ("str", Json::String(text)) => Self::Str(text),
            ("bytes", Json::String(text)) => Self::Bytes(from_hex(&text)?),
            _ => return None,
        })
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::I64(_) | Self::U64(_) => "an integer",
            Self::F64(_) => "a floating-point number",
            Self::Str(_) => "a text",
            Self::Bytes(_) => "a byte string",
        }
    }
}

/// A [`SettingValue`] is not of the wanted type, or is an integer outside its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongType {
    found: &'static str,
    wanted: &'static str,
}

impl fmt::Display for WrongType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, wanted } = self;
        write!(formatter, "holds {found} that is no {wanted}; read it as what it holds, or set it again")
    }
}

impl std::error::Error for WrongType {}

impl From<Infallible> for WrongType {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

macro_rules! converts {
    ($($rust:ty => $variant:ident),*) => {$(
        impl From<$rust> for SettingValue {
            fn from(value: $rust) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

converts!(bool => Bool, i32 => I64, i64 => I64, u32 => U64, u64 => U64, f64 => F64);
converts!(&str => Str, String => Str, &[u8] => Bytes, Vec<u8> => Bytes);

macro_rules! converts_back {
    ($($rust:ty, $wanted:literal: $($pattern:pat => $value:expr),*;)*) => {$(
        impl TryFrom<SettingValue> for $rust {
            type Error = WrongType;

            fn try_from(value: SettingValue) -> Result<Self, WrongType> {
                let found = value.type_name();
                let converted: Option<Self> = match value {
                    $($pattern => $value,)*
                    _ => None,
                };
                converted.ok_or(WrongType { found, wanted: $wanted })
            }
        }
    )*};
}

converts_back! {
    bool, "bool": SettingValue::Bool(value) => Some(value);
    i32, "i32": SettingValue::I64(value) => value.try_into().ok(), SettingValue::U64(value) => value.try_into().ok();
    i64, "i64": SettingValue::I64(value) => Some(value), SettingValue::U64(value) => value.try_into().ok();
    u32, "u32": SettingValue::I64(value) => value.try_into().ok(), SettingValue::U64(value) => value.try_into().ok();
    u64, "u64": SettingValue::I64(value) => value.try_into().ok(), SettingValue::U64(value) => Some(value);
    f64, "f64": SettingValue::F64(value) => Some(value);
    String, "String": SettingValue::Str(value) => Some(value);
    Vec<u8>, "Vec<u8>": SettingValue::Bytes(value) => Some(value);
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("four bits are one digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_from_its_file() {
        let values: [SettingValue; 11] = [
            true.into(),
            i64::MIN.into(),
            u64::MAX.into(),
            0.1_f64.into(),
            f64::MIN_POSITIVE.into(),
            f64::NEG_INFINITY.into(),
            (-0.0_f64).into(),
            "".into(),
            "line\nline \0 \u{1f980}".into(),
            Vec::new().into(),
            (0..=255).collect::<Vec<u8>>().into(),
        ];
        for value in values {
            let (key, read) = SettingValue::from_file(value.to_file("a key").as_bytes()).unwrap();
            assert_eq!((key.as_str(), &read), ("a key", &value));
        }
        let nan = SettingValue::F64(f64::NAN).to_file("a");
        assert!(matches!(SettingValue::from_file(nan.as_bytes()), Ok((_, SettingValue::F64(value))) if value.is_nan()));
    }

    #[test]
    fn the_largest_value_fits_the_largest_file() {
        let worst = SettingValue::Str("\u{1}".repeat(MAX_VALUE_BYTES));
        let content = worst.to_file(&"\u{1}".repeat(super::super::MAX_KEY_CHARS));
        assert!(content.len() <= MAX_FILE_BYTES, "{}", content.len());
        assert!(SettingValue::from_file(&vec![b' '; MAX_FILE_BYTES + 1]).unwrap_err().contains("larger"));
    }

    #[test]
    fn whatever_else_a_file_holds_is_an_error() {
        let contents = [
            "",
            "{",
            "[]",
            "{}",
            r#"{"str":"a"}"#,
            r#"{"key":"a"}"#,
            r#"{"key":1,"str":"a"}"#,
            r#"{"key":"a","str":"a","bool":true}"#,
            r#"{"key":"a","str":1}"#,
            r#"{"key":"a","u64":-1}"#,
            r#"{"key":"a","bytes":"abc"}"#,
            r#"{"key":"a","bytes":"é0"}"#,
            r#"{"key":"a","list":[]}"#,
        ];
        for content in contents {
            assert!(SettingValue::from_file(content.as_bytes()).is_err(), "{content}");
        }
    }

    #[test]
    fn integers_turn_into_each_other_where_they_fit() {
        assert_eq!(u64::try_from(SettingValue::from(5)), Ok(5));
        assert_eq!(i32::try_from(SettingValue::from(5_u64)), Ok(5));
        let error = u32::try_from(SettingValue::from(-1)).unwrap_err();
        assert_eq!(error.to_string(), "holds an integer that is no u32; read it as what it holds, or set it again");
        assert!(bool::try_from(SettingValue::from("true")).is_err());
    }
}
