//! Values on D-Bus: as the type D-Bus has, or as `(sv)`, the name of the type and what it is written as.

use zbus::wire::StructureBuilder;
use zbus::{Array, Dict, Signature, Type, Variant};

use super::element::Element;
use super::{PropertyValue, ValueSet};

pub(super) fn one<E: Element>(value: &E) -> Variant<'static> {
    tagged::<E>(E::NAME, value.to_wire().into())
}

pub(super) fn list<E: Element>(list: &[E]) -> Variant<'static> {
    let mut array = Array::new(E::Wire::SIGNATURE);
    for value in list {
        array.append(value.to_wire().into()).expect("every element has the type of the list");
    }
    tagged::<E>(E::LIST_NAME, array.into())
}

pub(super) fn set(set: &ValueSet) -> Variant<'static> {
    let mut dict = Dict::new(String::SIGNATURE, Variant::SIGNATURE);
    for (key, value) in set.iter() {
        let value = Variant::Variant(Box::new(value.to_wire()));
        dict.append(key.to_owned().into(), value).expect("every entry has the type of the set");
    }
    Variant::Dict(dict)
}

pub(super) fn any_list(list: &[PropertyValue]) -> Variant<'static> {
    let mut array = Array::new(Variant::SIGNATURE);
    for value in list {
        array.append(Variant::Variant(Box::new(value.to_wire()))).expect("every element is a variant");
    }
    Variant::Array(array)
}

fn tagged<E: Element>(name: &'static str, value: Variant<'static>) -> Variant<'static> {
    if E::NATIVE {
        return value;
    }
    let pair = StructureBuilder::new().append_field(name.into()).append_field(Variant::Variant(Box::new(value)));
    Variant::Structure(pair.build().expect("it has two fields"))
}

pub(super) fn is_one<E: Element>(variant: &Variant<'_>) -> bool {
    variant.value_signature() == E::Wire::SIGNATURE
}

pub(super) fn is_list<E: Element>(variant: &Variant<'_>) -> bool {
    matches!(variant.value_signature(), Signature::Array(child) if child.signature() == E::Wire::SIGNATURE)
}

pub(super) fn read_one<E: Element>(variant: &Variant<'_>) -> Option<E> {
    let owned = variant.try_to_owned().ok()?;
    E::from_wire(E::Wire::try_from(owned.into()).ok()?)
}

pub(super) fn read_list<E: Element>(variant: &Variant<'_>) -> Option<Vec<E>> {
    let Variant::Array(array) = variant else { return None };
    array.inner().iter().map(read_one).collect()
}

/// Reads a value, or says which type it has that no value has.
pub(super) fn read(variant: &Variant<'_>) -> Result<PropertyValue, String> {
    let unknown = || format!("a value of the D-Bus type {:?}", variant.value_signature().to_string());
    match variant {
        Variant::Variant(inner) => read(inner),
        Variant::Dict(dict) => read_set(dict).map(PropertyValue::Set),
        Variant::Structure(pair) => match pair.fields() {
            [Variant::Str(name), Variant::Variant(value)] => PropertyValue::from_tagged(name.as_str(), value)
                .ok_or_else(|| format!("a value tagged {name:?} that is none, or needs a newer bgtask")),
            _ => Err(unknown()),
        },
        Variant::Array(array) if matches!(array.element_signature(), Signature::Variant | Signature::Dict { .. }) => {
            array.inner().iter().map(read).collect::<Result<_, _>>().map(PropertyValue::List)
        }
        native => PropertyValue::from_native(native).ok_or_else(unknown),
    }
}

fn read_set(dict: &Dict<'_, '_>) -> Result<ValueSet, String> {
    let mut set = ValueSet::new();
    for (key, value) in dict.iter() {
        let Variant::Str(key) = key else { return Err("a nested set whose keys are no texts".into()) };
        set.insert(key.as_str(), read(value)?);
    }
    Ok(set)
}
