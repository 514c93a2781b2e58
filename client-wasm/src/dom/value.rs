//! What JavaScript hands over, as the types of this program: the browser reads JSON, serde fills the
//! fields. It says only that something does not fit, not where: words for each way to be wrong would be a
//! third of what reading costs to download.

use std::fmt;

use js_sys::{Array, JsString, Object, Reflect};
use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, VariantAccess, Visitor,
};
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

    /// Which variant of an enum an object is.
    fn tag(&self) -> Option<String> {
        Reflect::get(&self.0, &"type".into()).ok()?.as_string()
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
        match self.0.has_type::<Array>() {
            true => self.deserialize_seq(visitor),
            false => self.deserialize_map(visitor),
        }
    }

    // Where it is known what has to come, there is no code for what else there is: of a struct, say, for a list of its
    // fields.

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let list: Array = self.0.dyn_into().map_err(|_| Unfit)?;
        visitor.visit_seq(SeqDeserializer::new(list.iter().map(Value)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_map(MapDeserializer::new(members(self.0)?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_map(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_string(self.0.as_string().ok_or(Unfit)?)
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

    /// A name, or an object with the name in it. What derives `tag = "type"` does not come by here, but is read as
    /// any value first and picked apart then: that works, and takes more code.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_enum(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str bytes byte_buf unit unit_struct tuple tuple_struct
        identifier
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

/// Of an object, and no list. What is undefined is not there, as in JSON.
fn members(object: JsValue) -> Result<impl Iterator<Item = (String, Value)>, Unfit> {
    if object.has_type::<Array>() {
        return Err(Unfit);
    }
    let object: Object = object.dyn_into().map_err(|_| Unfit)?;
    let entries = Object::entries(&object).iter().collect::<Vec<_>>();
    Ok(entries.into_iter().filter_map(|entry| {
        let entry: Array = entry.unchecked_into();
        let name: JsString = entry.get(0).unchecked_into();
        let value = Value(entry.get(1));
        (!value.0.is_undefined()).then(|| (String::from(name), value))
    }))
}

impl<'de> EnumAccess<'de> for Value {
    type Error = Unfit;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Unfit> {
        let name = self.0.as_string().or_else(|| self.tag()).ok_or(Unfit)?;
        let name: StringDeserializer<Unfit> = name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Value {
    type Error = Unfit;

    /// A name, and no object: the fields of one would be lost.
    fn unit_variant(self) -> Result<(), Unfit> {
        self.0.is_string().then_some(()).ok_or(Unfit)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Unfit> {
        Err(Unfit)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Unfit> {
        Err(Unfit)
    }

    /// The tag among its fields is one that is not known, and left out like others.
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_map(visitor)
    }
}
