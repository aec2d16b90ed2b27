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

/// What stands between the quotation marks.
fn text(out: &mut Vec<u8>, text: &[u8]) {
    let (words, rest) = text.as_chunks();
    let must_be_escaped = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    if words.iter().any(|word| has_escapes(*word)) || rest.iter().any(must_be_escaped) {
        text.iter().for_each(|byte| escaped(out, *byte));
    } else {
        out.extend_from_slice(text);
    }
}

/// Whether a byte of these must be escaped. All are looked at in one number: the highest bit of a byte
/// that was small is set where something larger was taken from it.
fn has_escapes(bytes: [u8; 8]) -> bool {
    const EACH: u64 = u64::MAX / 0xff;
    let word = u64::from_ne_bytes(bytes);
    let has_below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
    let found = has_below(word, b' ')
        | has_below(word ^ (EACH * u64::from(b'"')), 1)
        | has_below(word ^ (EACH * u64::from(b'\\')), 1);
    found & (EACH << 7) != 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_must_be_escaped_is_seen_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for around in [b'a', b' ', b'!', b'#', b']', 0x7f, 0x80, 0xff] {
                for at in 0..8 {
                    let mut bytes = [around; 8];
                    bytes[at] = byte;
                    let expected = byte < b' ' || byte == b'"' || byte == b'\\';
                    assert_eq!(has_escapes(bytes), expected, "{bytes:?}");
                }
            }
        }
    }
}
