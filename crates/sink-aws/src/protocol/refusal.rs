//! The way back to JSON, for an endpoint that refuses CBOR.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use aws_smithy_schema::{
    Schema,
    serde::{SerdeError, ShapeDeserializer},
};
use aws_smithy_types::{BigDecimal, BigInteger, Blob, DateTime, Document};

/// The error code that a refused request gets, so that its records are sent again: ours, in place
/// of what the endpoint wrote. Nothing is known to be stored.
pub const CBOR_REFUSED: &str = "CborRefused";

/// Whether a client still writes CBOR. Once it does not, it never does again.
#[derive(Debug, Default)]
pub(super) struct Cbor {
    is_refused: AtomicBool,
}

impl Cbor {
    pub(super) fn is_spoken(&self) -> bool {
        !self.is_refused.load(Relaxed)
    }

    /// From now on JSON. Says so once, however many requests are refused.
    pub(super) fn refused(&self, why: &dyn Display) {
        if !self.is_refused.swap(true, Relaxed) {
            tracing::warn!(
                why = crate::text::one_line(&why.to_string()),
                "the endpoint refuses cbor; its records are sent again as json, and all others too"
            );
        }
    }
}

/// Whether an error answer to CBOR means that the endpoint does not speak it: it says so, or it
/// says nothing that we know and its status is one of those for what is not there.
pub(super) fn is_refusal(status: u16, code: Option<&str>) -> bool {
    match (status, code) {
        (
            _,
            Some(
                "SerializationException"
                | "UnknownOperationException"
                | "UnknownOperation"
                | "UnsupportedMediaType"
                | "UnsupportedMediaTypeException",
            ),
        ) => true,
        (404 | 405 | 406 | 415 | 501, code) => code != Some("ResourceNotFoundException"),
        (400, code) => code.is_none(),
        _ => false,
    }
}

/// An answer to CBOR, with an eye on whether it can be read at all.
pub(super) struct Watched<'a> {
    pub(super) answer: Box<dyn ShapeDeserializer + 'a>,
    pub(super) cbor: Arc<Cbor>,
}

impl Watched<'_> {
    fn seen<T>(&self, read: Result<T, SerdeError>) -> Result<T, SerdeError> {
        read.inspect_err(|error| self.cbor.refused(&format!("unreadable answer: {error}")))
    }
}

macro_rules! watch {
    ($($method:ident -> $value:ty),+ $(,)?) => {$(
        fn $method(&mut self, schema: &Schema<'_>) -> Result<$value, SerdeError> {
            let read = self.answer.$method(schema);
            self.seen(read)
        }
    )+};
}

/// An operation reads its answer with `read_struct`; the others belong to the trait.
impl ShapeDeserializer for Watched<'_> {
    fn read_struct(
        &mut self,
        schema: &Schema<'_>,
        member: &mut dyn FnMut(&Schema<'_>, &mut dyn ShapeDeserializer) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        let read = self.answer.read_struct(schema, member);
        self.seen(read)
    }

    fn read_list(
        &mut self,
        schema: &Schema<'_>,
        element: &mut dyn FnMut(&mut dyn ShapeDeserializer) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        let read = self.answer.read_list(schema, element);
        self.seen(read)
    }

    fn read_map(
        &mut self,
        schema: &Schema<'_>,
        entry: &mut dyn FnMut(String, &mut dyn ShapeDeserializer) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        let read = self.answer.read_map(schema, entry);
        self.seen(read)
    }

    watch! {
        read_boolean -> bool, read_byte -> i8, read_short -> i16, read_integer -> i32,
        read_long -> i64, read_float -> f32, read_double -> f64, read_string -> String,
        read_big_integer -> BigInteger, read_big_decimal -> BigDecimal, read_blob -> Blob,
        read_timestamp -> DateTime, read_document -> Document,
    }

    fn is_null(&self) -> bool {
        self.answer.is_null()
    }

    fn read_null(&mut self) -> Result<(), SerdeError> {
        let read = self.answer.read_null();
        self.seen(read)
    }

    fn container_size(&self) -> Option<usize> {
        self.answer.container_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tells_of_the_encoding_is_a_refusal() {
        for (status, code, expected) in [
            (400, Some("SerializationException"), true),
            (404, Some("UnknownOperationException"), true),
            (415, None, true),
            (415, Some("Whatever"), true),
            (404, None, true),
            (400, None, true),
            (500, Some("SerializationException"), true),
            (404, Some("ResourceNotFoundException"), false),
            (400, Some("ResourceNotFoundException"), false),
            (400, Some("ProvisionedThroughputExceededException"), false),
            (400, Some("BrandNewException"), false),
            (403, None, false),
            (413, None, false),
            (429, None, false),
            (500, None, false),
            (503, None, false),
        ] {
            assert_eq!(is_refusal(status, code), expected, "{status} {code:?}");
        }
    }
}
