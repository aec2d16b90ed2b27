//! Answers that call every record stored, counted without taking them apart.
//!
//! A scan knows one grammar, exactly: the answer of an operation in which no record failed, without
//! white space, escapes, nulls or members that we do not know, each member at most once, and nothing
//! behind it. Every record must have an id that is not empty, and may have a place. Whatever is
//! otherwise in a single byte gives `None`, and the SDK's parser decides. So a scan can be wrong in
//! one direction only, and the price of that is time.
//!
//! The first record is read member by member, and so is each that looks otherwise than the one before.
//! All others are only compared with it.

mod cbor;
mod form;
mod json;

pub(super) use cbor::scan as cbor;
pub(super) use json::scan as json;

/// Where in the answer stands the place of each record; empty where it is not named.
pub(super) type Places = Vec<(u32, u32)>;

/// Bytes of the shortest answer for one record, rounded down: what a list is made for at most.
const SHORTEST_RECORD: usize = 48;

fn places(body: &[u8]) -> Option<Places> {
    // Positions are u32: no service answers with 4 GiB.
    u32::try_from(body.len()).ok()?;
    Some(Vec::with_capacity((body.len() / SHORTEST_RECORD).min(500)))
}

/// A position in an answer, whose length is a u32: see [`places`].
#[allow(clippy::cast_possible_truncation)]
fn place(start: usize, end: usize) -> (u32, u32) {
    (start as u32, end as u32)
}

/// Only printable ASCII without backslashes: what ids and shards are made of, and all between them.
/// In a form that the compiler makes many bytes at a time of.
fn is_plain(bytes: &[u8]) -> bool {
    let odd = |byte: u8| u8::from(byte.wrapping_sub(b' ') > b'~' - b' ') | u8::from(byte == b'\\');
    bytes.iter().fold(0, |found, byte| found | odd(*byte)) == 0
}
