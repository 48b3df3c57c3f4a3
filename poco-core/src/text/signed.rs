//! Signed orders: one flat object as JSON, the order and then the signature in binary formats.
//!
//! serde's own flattening can neither refuse unknown keys nor be written by binary formats, so
//! reading takes the signature out of the object while the order, which refuses what it does not
//! know, reads the rest of it.

use crate::order::Signed;
use alloc::string::String;
use alloy_primitives::Bytes;
use core::fmt;
use core::marker::PhantomData;
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The key beside the order's own.
const SIGN: &str = "sign";

impl<O: Serialize> Serialize for Signed<O> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a, O> {
            #[serde(flatten)]
            order: &'a O,
            sign: &'a Bytes,
        }

        let Self { order, sign } = self;
        if serializer.is_human_readable() {
            Flat { order, sign }.serialize(serializer)
        } else {
            (order, sign).serialize(serializer)
        }
    }
}

impl<'de, O: Deserialize<'de>> Deserialize<'de> for Signed<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_map(FlatVisitor(PhantomData));
        }
        let (order, sign) = Deserialize::deserialize(deserializer)?;
        Ok(Self { order, sign })
    }
}

struct FlatVisitor<O>(PhantomData<O>);

impl<'de, O: Deserialize<'de>> Visitor<'de> for FlatVisitor<O> {
    type Value = Signed<O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signed order")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Signed<O>, A::Error> {
        let mut sign = None;
        let order =
            O::deserialize(MapAccessDeserializer::new(OrderMembers { map, sign: &mut sign }))?;
        let sign = sign.ok_or_else(|| A::Error::missing_field(SIGN))?;
        Ok(Signed { order, sign })
    }
}

/// The members of a signed order as its order sees them: without the signature, which is put aside.
struct OrderMembers<'a, A> {
    map: A,
    sign: &'a mut Option<Bytes>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for OrderMembers<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        // The signature is met at most once, so this ends after two rounds.
        while let Some(key) = self.map.next_key::<String>()? {
            if key != SIGN {
                return seed.deserialize(StringDeserializer::new(key)).map(Some);
            }
            if self.sign.replace(self.map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(SIGN));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
