//! awsCbor1.1: maps and lists of unknown length, as the SDKs for Java and for Rust write them.

use crate::protocol::body::Record;

/// How the SDK writes that there are no records.
pub(super) const NO_RECORDS: &[u8] = b"\x67Records\x9f\xff";

const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;

/// Appends the elements of the list.
pub(in crate::protocol) fn records<'a>(
    out: &mut Vec<u8>,
    records: impl Iterator<Item = Record<'a>>,
) {
    for record in records {
        let key = record.partition_key.unwrap_or_default();
        out.reserve(record.data.len() + key.len() + 128);
        out.extend_from_slice(b"\xbf\x64Data");
        item(out, BYTES, record.data);
        if let Some(hash) = record.explicit_hash_key {
            out.extend_from_slice(b"\x6fExplicitHashKey");
            item(out, TEXT, hash.to_string().as_bytes());
        }
        if record.partition_key.is_some() {
            out.extend_from_slice(b"\x6cPartitionKey");
            item(out, TEXT, key.as_bytes());
        }
        out.push(0xff);
    }
}

/// Type, length in its shortest form, content.
fn item(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let length = (content.len() as u64).to_be_bytes();
    match content.len() {
        0..=23 => out.push(kind | length[7]),
        24..=0xff => out.extend_from_slice(&[kind | 24, length[7]]),
        0x100..=0xffff => out.extend_from_slice(&[kind | 25, length[6], length[7]]),
        0x1_0000..=0xffff_ffff => {
            out.push(kind | 26);
            out.extend_from_slice(&length[4..]);
        }
        _ => {
            out.push(kind | 27);
            out.extend_from_slice(&length);
        }
    }
    out.extend_from_slice(content);
}
