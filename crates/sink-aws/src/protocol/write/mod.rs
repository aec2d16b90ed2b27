//! The records of a body, written into one buffer: the bytes that the SDK's serializers write.

pub(super) mod cbor;
pub(super) mod json;

use memchr::memmem;

/// What stands around the records of a request that was written without any: up to the bracket that
/// opens their list, and from the one that closes it. `None` where there is no such list.
pub(super) fn around(without_records: &[u8], is_cbor: bool) -> Option<(&[u8], &[u8])> {
    // Neither can stand within a text: JSON escapes quotation marks, and 0xff is in no UTF-8.
    around_list(without_records, if is_cbor { cbor::NO_RECORDS } else { json::NO_RECORDS })
}

/// The body before and from the last byte of these, which stand for an empty list in it. `None` where
/// they are not there.
pub(super) fn around_list<'a>(body: &'a [u8], empty: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(body, empty)?;
    body.split_at_checked((at + empty.len()).checked_sub(1)?)
}

/// Bytes that so many records take, whose data and keys have so many. With hash keys and with
/// characters to escape they are more, and the buffer grows.
pub(super) fn room(records: usize, size: usize, is_cbor: bool) -> usize {
    let (content, around) = if is_cbor { (size, 32) } else { (size / 3 * 4, 40) };
    content + records * around + 512 // the other members
}
