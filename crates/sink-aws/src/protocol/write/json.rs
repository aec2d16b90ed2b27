//! awsJson1.1: the bytes that the SDK's own serializer writes.

use aws_smithy_schema::{
    Schema,
    serde::{SerdeError, SerializableStruct, ShapeSerializer},
};
use aws_smithy_types::{BigDecimal, BigInteger, Blob, DateTime, Document};
use base64_simd::STANDARD;

use super::no_other_shapes;

/// Appends a request. After an error the buffer holds nothing of use.
pub(in crate::protocol) fn write(
    out: &mut Vec<u8>,
    schema: &Schema<'_>,
    input: &dyn SerializableStruct,
) -> Result<(), SerdeError> {
    Writer { out, needs_comma: false, has_keys: true }.write_struct(schema, input)
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Something stands before in the same object or list.
    needs_comma: bool,
    /// In an object; the elements of a list have a member name too, which is not written.
    has_keys: bool,
}

impl Writer<'_> {
    fn key(&mut self, schema: &Schema<'_>) {
        if self.needs_comma {
            self.out.push(b',');
        }
        self.needs_comma = true;
        if self.has_keys
            && let Some(name) = schema.member_name()
        {
            // Names of members are identifiers: nothing to escape.
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
        }
    }

    /// Between brackets, with commas of their own.
    fn nested(
        &mut self,
        brackets: [u8; 2],
        has_keys: bool,
        content: impl FnOnce(&mut Self) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        let outer = (self.needs_comma, self.has_keys);
        (self.needs_comma, self.has_keys) = (false, has_keys);
        self.out.push(brackets[0]);
        content(self)?;
        self.out.push(brackets[1]);
        (self.needs_comma, self.has_keys) = outer;
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
        self.nested(*b"{}", true, |writer| value.serialize_members(writer))
    }

    fn write_list(
        &mut self,
        schema: &Schema<'_>,
        write_elements: &dyn Fn(&mut dyn ShapeSerializer) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        self.key(schema);
        self.nested(*b"[]", false, |writer| write_elements(writer))
    }

    fn write_boolean(&mut self, schema: &Schema<'_>, value: bool) -> Result<(), SerdeError> {
        self.key(schema);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn write_string(&mut self, schema: &Schema<'_>, value: &str) -> Result<(), SerdeError> {
        self.key(schema);
        text(self.out, value.as_bytes());
        Ok(())
    }

    fn write_blob(&mut self, schema: &Schema<'_>, value: Blob) -> Result<(), SerdeError> {
        self.key(schema);
        self.out.push(b'"');
        STANDARD.encode_append(value.as_ref(), self.out);
        self.out.push(b'"');
        Ok(())
    }

    no_other_shapes!();
}

fn must_be_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    // Without a branch, so that the compiler looks at many bytes at once.
    if text.iter().fold(false, |found, byte| found | must_be_escaped(*byte)) {
        text.iter().for_each(|byte| escaped(out, *byte));
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..=0x1f => {
            out.extend_from_slice(b"\\u00");
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
        }
        _ => out.push(byte),
    }
}
