//! awsJson1.1: the bytes that the SDK's own serializer writes.

use std::io::Write as _;

use base64_simd::STANDARD;

use crate::protocol::body::Record;

/// How the SDK writes that there are no records.
pub(super) const NO_RECORDS: &[u8] = br#""Records":[]"#;

/// Appends the elements of the list.
pub(in crate::protocol) fn records<'a>(
    out: &mut Vec<u8>,
    records: impl Iterator<Item = Record<'a>>,
) {
    for (at, record) in records.enumerate() {
        // At once and with room to spare, or the buffer would grow by a few bytes at a time.
        let key = record.partition_key.unwrap_or_default();
        out.reserve(record.data.len() / 3 * 4 + key.len() + 128);
        out.extend_from_slice(if at == 0 { br#"{"Data":""#.as_slice() } else { br#",{"Data":""# });
        STANDARD.encode_append(record.data, out);
        if let Some(hash) = record.explicit_hash_key {
            out.extend_from_slice(br#"","ExplicitHashKey":""#);
            let _infallible = write!(out, "{hash}");
        }
        if record.partition_key.is_some() {
            out.extend_from_slice(br#"","PartitionKey":""#);
            text(out, key.as_bytes());
        }
        out.extend_from_slice(br#""}"#);
    }
}

fn must_be_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// What stands between the quotation marks.
fn text(out: &mut Vec<u8>, text: &[u8]) {
    // Some at a time without a branch, so that the compiler looks at them at once.
    let (many, few) = text.as_chunks::<16>();
    let has_any = many.iter().any(|bytes| bytes.map(must_be_escaped) != [false; 16]);
    if has_any || few.iter().any(|byte| must_be_escaped(*byte)) {
        text.iter().for_each(|byte| escaped(out, *byte));
    } else {
        out.extend_from_slice(text);
    }
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
