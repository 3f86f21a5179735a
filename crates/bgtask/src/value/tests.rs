use std::collections::HashMap;

use proptest::prelude::*;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{LE, to_bytes};
use zbus::{OwnedVariant, Type};

use super::*;
use crate::storage::{MAX_COMPOSITE_BYTES, MAX_KEY_CHARS, MAX_VALUE_BYTES};

/// A moment or a span of whole microseconds, as it is kept.
fn duration() -> impl Strategy<Value = Duration> {
    (0..u64::MAX).prop_map(Duration::from_micros)
}

fn time() -> impl Strategy<Value = SystemTime> {
    (0..i64::MAX as u64, any::<bool>()).prop_map(|(micros, before)| {
        let distance = Duration::from_micros(micros);
        if before { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
    })
}

/// D-Bus has no text with a NUL in it.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', ""))
}

fn rect() -> impl Strategy<Value = Rect> {
    any::<[f32; 4]>().prop_map(|[x, y, width, height]| Rect { x, y, width, height })
}

macro_rules! one_or_several {
    ($($strategy:expr),* $(,)?) => {
        prop_oneof![$(
            $strategy.prop_map(PropertyValue::from),
            prop::collection::vec($strategy, 0..4).prop_map(PropertyValue::from),
        )*]
    };
}

fn value() -> impl Strategy<Value = PropertyValue> {
    let numbers = one_or_several![
        any::<bool>(),
        any::<u8>(),
        any::<i16>(),
        any::<u16>(),
        any::<i32>(),
        any::<u32>(),
        any::<i64>(),
        any::<u64>(),
    ];
    let others = one_or_several![
        any::<f32>(),
        any::<f64>(),
        any::<u16>().prop_map(Char16),
        text(),
        any::<u128>().prop_map(Uuid::from_u128),
        time(),
        duration(),
        rect(),
        rect().prop_map(|it| Point { x: it.x, y: it.y }),
        rect().prop_map(|it| Size { width: it.width, height: it.height }),
    ];
    prop_oneof![numbers, others].prop_recursive(3, 24, 4, |inner| {
        let set = prop::collection::btree_map(text(), inner.clone(), 0..4);
        prop_oneof![
            set.prop_map(|set| PropertyValue::Set(set.into_iter().collect())),
            prop::collection::vec(inner, 0..4).prop_map(PropertyValue::List),
        ]
    })
}

fn set() -> impl Strategy<Value = ValueSet> {
    prop::collection::btree_map(text(), value(), 0..6).prop_map(|set| set.into_iter().collect())
}

/// A set as it comes out at the other end of a socket.
fn travelled(set: &ValueSet) -> ValueSet {
    let bytes = to_bytes(Context::new(LE, 0), &set.to_wire().unwrap()).unwrap();
    let data: &Data<'_, '_> = &bytes;
    let (read, _): (HashMap<String, OwnedVariant>, _) = data.deserialize().unwrap();
    ValueSet::from_wire(&read).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// REQ-4, REQ-5: what is sent is what arrives.
    #[test]
    fn a_set_arrives_as_it_was_sent(set in set()) {
        prop_assert_eq!(travelled(&set), set);
    }

    #[test]
    fn a_value_comes_back_from_its_file(value in value(), key in any::<String>()) {
        prop_assert_eq!(from_file(to_file(&key, &value).as_bytes()), Ok((key, value)));
    }

    #[test]
    fn no_content_of_a_file_is_a_panic(content in any::<Vec<u8>>(), text in r#"\{("[a-z0-9\[\]]{0,8}":("[^"]*"|-?[0-9]{1,25}|\[\]),?)*\}"#) {
        let _ = from_file(&content);
        let _ = from_file(text.as_bytes());
    }
}

#[test]
fn numbers_that_are_none_are_kept() {
    let set = ValueSet::from([("wide", PropertyValue::F64(f64::NAN)), ("narrow", f32::NEG_INFINITY.into())]);
    let (_, PropertyValue::Set(read)) = from_file(to_file("a", &set.clone().into()).as_bytes()).unwrap() else {
        panic!()
    };
    for set in [travelled(&set), read] {
        assert!(set.get::<f64>("wide").unwrap().unwrap().is_nan());
        assert_eq!(set.get::<f64>("narrow").unwrap(), Some(f64::NEG_INFINITY));
    }
}

/// What programs in other languages write and read.
#[test]
fn on_the_wire_a_value_has_the_type_of_dbus_or_a_tag() {
    let guid = Uuid::from_u128(1);
    let cases: [(PropertyValue, &str, &str); 15] = [
        (true.into(), "b", "true"),
        (7_u8.into(), "y", "7"),
        ((-7_i16).into(), "n", "-7"),
        (7_u16.into(), "q", "7"),
        (7.into(), "i", "7"),
        (7_u64.into(), "t", "7"),
        (0.5.into(), "d", "0.5"),
        ("x".into(), "s", "\"x\""),
        (vec![1_u8, 2].into(), "ay", "01, 02"),
        (vec!["x".to_owned()].into(), "as", "\"x\""),
        (vec![true.into(), PropertyValue::from("x")].into(), "av", "<\"x\">"),
        (0.5_f32.into(), "(sv)", "\"f32\", <0.5>"),
        (guid.into(), "(sv)", "\"guid\", <\"00000000-0000-0000-0000-000000000001\">"),
        (Duration::from_millis(2).into(), "(sv)", "\"timespan\", <"),
        (vec![Size { width: 1.0, height: 2.0 }].into(), "(sv)", "\"size[]\", <"),
    ];
    for (value, signature, text) in cases {
        let wire = value.to_wire();
        assert_eq!(wire.value_signature().to_string(), signature, "{value:?}");
        assert!(wire.to_string().contains(text) || signature == "ay", "{value:?}: {wire}");
    }
    assert_eq!(PropertyValue::from(ValueSet::new()).to_wire().value_signature().to_string(), "a{sv}");
    assert_eq!(HashMap::<&str, OwnedVariant>::SIGNATURE.to_string(), "a{sv}");
}

#[test]
fn what_is_no_value_is_named() {
    let read = |value: Variant<'static>| {
        let value = OwnedVariant::try_from(value).unwrap();
        ValueSet::from_wire(&HashMap::from([("key".to_owned(), value)]))
    };
    assert_eq!(read(Variant::Variant(Box::new(5.into()))), Ok(ValueSet::from([("key", 5)])), "a variant in a variant");
    for (value, words) in [
        (Variant::from((1, 2)), "\"key\" is a value of the D-Bus type \"(ii)\""),
        (wire::one(&Char16(1)).try_clone().unwrap(), ""),
        (("guid", Variant::Variant(Box::new("x".into()))).into(), "tagged \"guid\""),
        (("point", Variant::Variant(Box::new(vec![1.0].into()))).into(), "tagged \"point\""),
        (("later", Variant::Variant(Box::new(1.into()))).into(), "newer bgtask"),
        (HashMap::from([(1, 2)]).into(), "keys are no texts"),
    ] {
        match read(value) {
            Ok(set) => assert!(words.is_empty(), "{set:?}"),
            Err(found) => assert!(!words.is_empty() && found.contains(words), "{found}"),
        }
    }
}

fn nested(depth: usize) -> ValueSet {
    (1..depth).fold(ValueSet::from([("a", 1)]), |set, _| ValueSet::from([("a", set)]))
}

/// Sets and lists of sets in turn.
fn listed(depth: usize) -> ValueSet {
    let list = |set| ValueSet::from([("a", vec![PropertyValue::Set(set)])]);
    (1..depth / 2).fold(ValueSet::from([("a", vec![PropertyValue::from(1)])]), |set, _| list(set))
}

#[test]
fn a_set_is_bounded_in_size_and_depth_before_it_is_sent() {
    let bytes = |bytes| ValueSet::from([("a", vec![0_u8; bytes])]);
    let overhead = 64;
    assert_eq!(travelled(&bytes(MAX_VALUE_SET_BYTES - overhead)).len(), 1);
    let error = bytes(MAX_VALUE_SET_BYTES).to_wire().unwrap_err();
    assert!(error.is_limit_reached() && error.to_string().contains("at most 65536 travel"), "{error}");

    assert_eq!(travelled(&nested(MAX_SET_DEPTH)), nested(MAX_SET_DEPTH));
    let error = nested(MAX_SET_DEPTH + 1).to_wire().unwrap_err();
    assert!(error.is_limit_reached() && error.to_string().contains("17 deep"), "{error}");
    assert_eq!(travelled(&listed(MAX_SET_DEPTH)), listed(MAX_SET_DEPTH));
    assert!(listed(MAX_SET_DEPTH + 2).to_wire().unwrap_err().is_limit_reached(), "a list is a level too");
    let text = PropertyValue::from("a\0");
    let row = PropertyValue::List(vec![text.clone()]);
    let inner = ValueSet::from([("b", vec!["a\0".to_owned()])]);
    for set in [
        ValueSet::from([("a", text)]),
        ValueSet::from([("a", row)]),
        ValueSet::from([("a\0", 1)]),
        ValueSet::from([("a", inner)]),
    ] {
        let error = set.to_wire().unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains("NUL"), "{error}");
    }
}

#[test]
fn the_largest_value_fits_the_largest_file() {
    let key = "\u{1}".repeat(MAX_KEY_CHARS);
    let text = PropertyValue::from("\u{1}".repeat(MAX_VALUE_BYTES));
    let floats = PropertyValue::from(vec![-f64::MIN_POSITIVE; MAX_VALUE_BYTES / 8]);
    let long = ValueSet::from([("a", "\u{1}".repeat(MAX_COMPOSITE_BYTES - 17))]);
    let many: ValueSet = (0..MAX_COMPOSITE_BYTES / 22).map(|number| (format!("\u{1}{number:04}"), false)).collect();
    let row: Vec<_> = (0..MAX_COMPOSITE_BYTES / 17).map(|_| PropertyValue::from(false)).collect();
    for value in [text, floats, long.into(), many.into(), row.into()] {
        assert!(value.size() <= MAX_COMPOSITE_BYTES);
        let content = to_file(&key, &value);
        assert!(content.len() <= MAX_FILE_BYTES, "{}", content.len());
    }
    assert!(from_file(&vec![b' '; MAX_FILE_BYTES + 1]).unwrap_err().contains("larger"));
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
        r#"{"key":"a","u8":256}"#,
        r#"{"key":"a","bytes":"abc"}"#,
        r#"{"key":"a","bytes":"é0"}"#,
        r#"{"key":"a","list":{}}"#,
        r#"{"key":"a","list":[1]}"#,
        r#"{"key":"a","i32[]":[1,"2"]}"#,
        r#"{"key":"a","set":{"b":1}}"#,
        r#"{"key":"a","set":{"b":{"i32":1,"u32":1}}}"#,
    ];
    for content in contents {
        assert!(from_file(content.as_bytes()).is_err(), "{content}");
    }
    // A file of the first version.
    assert_eq!(from_file(br#"{"key":"a","f64":"0.000001"}"#), Ok(("a".into(), 0.000_001.into())));
}

#[test]
fn integers_turn_into_each_other_where_they_fit() {
    assert_eq!(u64::try_from(PropertyValue::from(5)), Ok(5));
    assert_eq!(i32::try_from(PropertyValue::from(5_u64)), Ok(5));
    let error = u32::try_from(PropertyValue::from(-1)).unwrap_err();
    assert_eq!(error.to_string(), "holds an integer that is no u32; read it as what it holds, or set it again");
    assert!(bool::try_from(PropertyValue::from("true")).is_err());
    assert!(u8::try_from(PropertyValue::from(256)).is_err());
}
