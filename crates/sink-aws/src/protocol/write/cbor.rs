//! awsCbor1.1: maps and lists of unknown length, as the SDKs for Java and for Rust write them.

use aws_smithy_schema::{
    Schema,
    serde::{SerdeError, SerializableStruct, ShapeSerializer},
};
use aws_smithy_types::{BigDecimal, BigInteger, Blob, DateTime, Document};

use super::no_other_shapes;

const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;
const LIST: u8 = 0x9f;
const MAP: u8 = 0xbf;
const END: u8 = 0xff;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// Appends a request. After an error the buffer holds nothing of use.
pub(in crate::protocol) fn write(
    out: &mut Vec<u8>,
    schema: &Schema<'_>,
    input: &dyn SerializableStruct,
) -> Result<(), SerdeError> {
    Writer { out, has_keys: true }.write_struct(schema, input)
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// In a map; the elements of a list have a member name too, which is not written.
    has_keys: bool,
}

impl Writer<'_> {
    fn key(&mut self, schema: &Schema<'_>) {
        if self.has_keys
            && let Some(name) = schema.member_name()
        {
            self.item(TEXT, name.as_bytes());
        }
    }

    /// Type, length in its shortest form, content.
    fn item(&mut self, kind: u8, content: &[u8]) {
        let length = (content.len() as u64).to_be_bytes();
        match content.len() {
            0..=23 => self.out.push(kind | length[7]),
            24..=0xff => self.out.extend([kind | 24, length[7]]),
            0x100..=0xffff => self.out.extend([kind | 25, length[6], length[7]]),
            0x1_0000..=0xffff_ffff => {
                self.out.push(kind | 26);
                self.out.extend_from_slice(&length[4..]);
            }
            _ => {
                self.out.push(kind | 27);
                self.out.extend_from_slice(&length);
            }
        }
        self.out.extend_from_slice(content);
    }

    fn nested(
        &mut self,
        begin: u8,
        has_keys: bool,
        content: impl FnOnce(&mut Self) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        let outer = std::mem::replace(&mut self.has_keys, has_keys);
        self.out.push(begin);
        content(self)?;
        self.out.push(END);
        self.has_keys = outer;
        Ok(())
    }
}

impl ShapeSerializer for Writer<'_> {
    fn write_struct(
        &mut self,
        schema: &Schema<'_>,
        value: &dyn SerializableStruct,
    ) -> Result<(), SerdeError> {
        self.key(schema);
        self.nested(MAP, true, |writer| value.serialize_members(writer))
    }

    fn write_list(
        &mut self,
        schema: &Schema<'_>,
        write_elements: &dyn Fn(&mut dyn ShapeSerializer) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        self.key(schema);
        self.nested(LIST, false, |writer| write_elements(writer))
    }

    fn write_boolean(&mut self, schema: &Schema<'_>, value: bool) -> Result<(), SerdeError> {
        self.key(schema);
        self.out.push(if value { TRUE } else { FALSE });
        Ok(())
    }

    fn write_string(&mut self, schema: &Schema<'_>, value: &str) -> Result<(), SerdeError> {
        self.key(schema);
        self.item(TEXT, value.as_bytes());
        Ok(())
    }

    fn write_blob(&mut self, schema: &Schema<'_>, value: Blob) -> Result<(), SerdeError> {
        self.key(schema);
        self.item(BYTES, value.as_ref());
        Ok(())
    }

    no_other_shapes!();
}
