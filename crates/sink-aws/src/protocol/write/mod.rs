//! Bodies, written into one buffer.
//!
//! The SDK walks the request and says what it meets; a writer appends it. A shape that no request
//! of ours has is an error, and the SDK's own serializer then writes that request.

pub(super) mod cbor;
pub(super) mod json;

/// The methods for shapes that neither `PutRecords` nor `PutRecordBatch` has.
macro_rules! no_other_shapes {
    ($($method:ident($value:ty)),+ $(,)?) => {$(
        fn $method(&mut self, _: &Schema<'_>, _: $value) -> Result<(), SerdeError> {
            Err(SerdeError::unsupported(concat!("no batch has a ", stringify!($method))))
        }
    )+};
    () => {
        $crate::protocol::write::no_other_shapes! {
            write_byte(i8), write_short(i16), write_integer(i32), write_long(i64),
            write_float(f32), write_double(f64), write_big_integer(&BigInteger),
            write_big_decimal(&BigDecimal), write_timestamp(&DateTime), write_document(&Document),
        }

        fn write_null(&mut self, _: &Schema<'_>) -> Result<(), SerdeError> {
            Err(SerdeError::unsupported("no batch has a null"))
        }

        fn write_map(
            &mut self,
            _: &Schema<'_>,
            _: &dyn Fn(&mut dyn ShapeSerializer) -> Result<(), SerdeError>,
        ) -> Result<(), SerdeError> {
            Err(SerdeError::unsupported("no batch has a map"))
        }
    };
}
use no_other_shapes;
