//! Messages on the wire: prost's, with small buffers.
//!
//! Each stream has two, for as long as it is open. Tonic's own are of 8 KiB; a pool has thousands of
//! streams on which something short is said now and then, and what is longer makes its buffer grow.

use prost::Message;
use std::marker::PhantomData;
use tonic::codec::BufferSettings;
use tonic_prost::ProstCodec;

/// Holds what is usually said.
const BUFFER_BYTES: usize = 512;
/// Messages that are ready are sent together up to this size.
const TOGETHER_BYTES: usize = 32 << 10;

/// Says `T` and hears `U`.
#[derive(Clone, Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as tonic::codec::Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as tonic::codec::Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_BYTES, TOGETHER_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER_BYTES, TOGETHER_BYTES))
    }
}
