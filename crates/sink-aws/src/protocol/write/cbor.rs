//! awsCbor1.1: maps and lists of unknown length, as the SDKs for Java and for Rust write them.

use crate::{cbor, protocol::body::Record};

/// How the SDK writes that there are no records.
pub(super) const NO_RECORDS: &[u8] = b"\x67Records\x9f\xff";

/// Appends the elements of the list.
pub(in crate::protocol) fn records<'a>(
    out: &mut Vec<u8>,
    records: impl Iterator<Item = Record<'a>>,
) {
    for record in records {
        let key = record.partition_key.unwrap_or_default();
        out.reserve(record.data.len() + key.len() + 128);
        out.extend_from_slice(b"\xbf\x64Data");
        cbor::bytes(out, record.data);
        if let Some(hash) = record.explicit_hash_key {
            out.extend_from_slice(b"\x6fExplicitHashKey");
            cbor::text(out, &hash.to_string());
        }
        if record.partition_key.is_some() {
            out.extend_from_slice(b"\x6cPartitionKey");
            cbor::text(out, key);
        }
        out.push(cbor::END);
    }
}
