//! Finds numbers that JSON cannot hold: `serde_json` writes NaN and infinities as `null`.

use serde::ser::{self, Error as _, Serialize};
use std::{fmt::Display, mem};

/// Serializes to nothing, and fails at a NaN or an infinity, with the path to it.
#[derive(Default)]
pub(super) struct Finite {
    path: Vec<String>,
}

type Checked = Result<(), serde_json::Error>;

impl Finite {
    fn number(&self, number: f64) -> Checked {
        if number.is_finite() {
            return Ok(());
        }
        let place = self.path.join(".");
        let place = if place.is_empty() { String::new() } else { format!(" in `{place}`") };
        Err(serde_json::Error::custom(format!(
            "the number{place} is {number}, which JSON cannot hold; use an `Option`, an enum or a string for it"
        )))
    }

    /// Checks `value`, which is at `step`.
    fn at<T: Serialize + ?Sized>(&mut self, step: &dyn Display, value: &T) -> Checked {
        self.path.push(step.to_string());
        value.serialize(&mut *self)?;
        self.path.pop();
        Ok(())
    }
}

macro_rules! fine {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, _: $type) -> Checked { Ok(()) })*
    };
}

impl<'a> ser::Serializer for &'a mut Finite {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fine! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, number: f32) -> Checked {
        self.number(number.into())
    }

    fn serialize_f64(self, number: f64) -> Checked {
        self.number(number)
    }

    fn serialize_none(self) -> Checked {
        Ok(())
    }

    fn serialize_unit(self) -> Checked {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Checked {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Checked {
        self.at(&variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, serde_json::Error> {
        Ok(Items { finite: self, place: 0 })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, serde_json::Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, serde_json::Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Items<'a>, serde_json::Error> {
        self.serialize_seq(None)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>, serde_json::Error> {
        Ok(Entries { finite: self, key: String::new() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, serde_json::Error> {
        Ok(Fields(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, serde_json::Error> {
        Ok(Fields(self))
    }
}

/// The items of a sequence or a tuple.
pub(super) struct Items<'a> {
    finite: &'a mut Finite,
    place: usize,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        self.finite.at(&self.place, value)?;
        self.place += 1;
        Ok(())
    }
}

macro_rules! items {
    ($($kind:ident: $method:ident,)*) => {
        $(impl ser::$kind for Items<'_> {
            type Ok = ();
            type Error = serde_json::Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
                self.item(value)
            }
            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}
items! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

/// The entries of a map.
pub(super) struct Entries<'a> {
    finite: &'a mut Finite,
    key: String,
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Checked {
        // A key that is not text or a number was an error already.
        let key = serde_json::to_string(key)?;
        key.trim_matches('"').clone_into(&mut self.key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        let key = mem::take(&mut self.key);
        self.finite.at(&key, value)
    }

    fn end(self) -> Checked {
        Ok(())
    }
}

/// The fields of a struct.
pub(super) struct Fields<'a>(&'a mut Finite);

macro_rules! fields {
    ($($kind:ident,)*) => {
        $(impl ser::$kind for Fields<'_> {
            type Ok = ();
            type Error = serde_json::Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Checked {
                self.0.at(&name, value)
            }
            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}
fields! { SerializeStruct, SerializeStructVariant, }
