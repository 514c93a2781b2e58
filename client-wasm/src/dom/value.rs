//! What JavaScript hands over, as the types of this program: the browser reads JSON, serde fills the
//! fields. It says only that something does not fit, not where: words for each way to be wrong would be a
//! third of what reading costs to download.

use std::fmt;

use js_sys::{Array, JsString, Object};
use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use wasm_bindgen::{JsCast, JsValue};

/// Not what was expected.
#[derive(Debug)]
pub(crate) struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("not what was expected")
    }
}

impl std::error::Error for Unfit {}

impl Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Reads a value.
pub(crate) fn read<'de, T: Deserialize<'de>>(value: JsValue) -> Result<T, Unfit> {
    T::deserialize(Value(value))
}

/// Reads a text of JSON.
pub(crate) fn read_json<'de, T: Deserialize<'de>>(json: &str) -> Result<T, Unfit> {
    read(js_sys::JSON::parse(json).map_err(|_| Unfit)?)
}

struct Value(JsValue);

impl Value {
    fn is_nothing(&self) -> bool {
        self.0.is_null() || self.0.is_undefined()
    }
}

impl IntoDeserializer<'_, Unfit> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.is_nothing() {
            return visitor.visit_unit();
        }
        if let Some(it) = self.0.as_bool() {
            return visitor.visit_bool(it);
        }
        if let Some(number) = self.0.as_f64() {
            return visit_number(number, visitor);
        }
        if let Some(text) = self.0.as_string() {
            return visitor.visit_string(text);
        }
        if let Some(list) = self.0.dyn_ref::<Array>() {
            let items = list.iter().map(Value);
            return visitor.visit_seq(SeqDeserializer::new(items));
        }
        let object: Object = self.0.dyn_into().map_err(|_| Unfit)?;
        visitor.visit_map(MapDeserializer::new(members(&object)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.is_nothing() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    /// Only names: what else an enum may be is read as a value of any type, with its tag inside.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let name = self.0.as_string().ok_or(Unfit)?;
        visitor.visit_enum(StringDeserializer::new(name))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

/// JavaScript has one kind of number.
fn visit_number<'de, V: Visitor<'de>>(number: f64, visitor: V) -> Result<V::Value, Unfit> {
    if number.fract() != 0.0 || number.abs() > js_sys::Number::MAX_SAFE_INTEGER {
        return visitor.visit_f64(number);
    }
    match number >= 0.0 {
        true => visitor.visit_u64(number as u64),
        false => visitor.visit_i64(number as i64),
    }
}

/// What is undefined is not there, as in JSON.
fn members(object: &Object) -> impl Iterator<Item = (String, Value)> {
    let entries = Object::entries(object).iter().collect::<Vec<_>>();
    entries.into_iter().filter_map(|entry| {
        let entry: Array = entry.unchecked_into();
        let name: JsString = entry.get(0).unchecked_into();
        let value = Value(entry.get(1));
        (!value.0.is_undefined()).then(|| (String::from(name), value))
    })
}
