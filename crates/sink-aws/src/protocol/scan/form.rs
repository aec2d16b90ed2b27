//! Records that look like one that was read: the same bytes but for the id and the place, which are as
//! long as there. They are compared many bytes at a time.

use super::is_odd;

/// Bytes that are compared at once.
const WIDTH: usize = 16;

/// How a record stands in the answer.
#[derive(Debug)]
pub(super) struct Form {
    length: usize,
    /// From the record's start; empty where no place is named.
    place: (usize, usize),
    parts: Vec<Part>,
}

/// Some bytes of the record.
#[derive(Debug, Default)]
struct Part {
    bytes: [u8; WIDTH],
    /// All bits of those that are the same in each record.
    same: [u8; WIDTH],
    /// All bits of those within the id or the place. What is neither stands behind the record.
    free: [u8; WIDTH],
}

impl Form {
    /// Of the record in these bytes of the answer, with the bytes of its id and its place.
    pub(super) fn new(
        body: &[u8],
        (start, end): (usize, usize),
        id: (usize, usize),
        place: Option<(usize, usize)>,
    ) -> Self {
        let record = body.get(start..end).unwrap_or_default();
        let is_free = |at: usize| {
            let within = |(begin, end): (usize, usize)| (begin..end).contains(&(start + at));
            within(id) || place.is_some_and(within)
        };
        let part = |(number, bytes): (usize, &[u8])| {
            let mut part = Part::default();
            for (at, byte) in bytes.iter().enumerate() {
                let is_free = is_free(number * WIDTH + at);
                part.bytes[at] = *byte;
                (part.same[at], part.free[at]) = if is_free { (0, u8::MAX) } else { (u8::MAX, 0) };
            }
            part
        };
        Self {
            length: record.len(),
            place: place.map_or((0, 0), |place| (place.0 - start, place.1 - start)),
            parts: record.chunks(WIDTH).enumerate().map(part).collect(),
        }
    }

    /// Whether a record stands here that looks the same. It may say no of one with fewer than [`WIDTH`]
    /// bytes behind it: the last one of an answer.
    pub(super) fn is_at(&self, rest: &[u8]) -> bool {
        let (rest, _) = rest.as_chunks();
        let record = rest.get(..self.parts.len());
        record
            .is_some_and(|record| self.parts.iter().zip(record).all(|(part, bytes)| part.is(bytes)))
    }

    /// Bytes of the record.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Where the place stands in the answer, if the record stands here; empty where none is named.
    pub(super) fn place(&self, at: usize) -> (u32, u32) {
        let (start, end) = self.place;
        if start == end { (0, 0) } else { super::place(at + start, at + end) }
    }
}

impl Part {
    /// Without branches, so that the compiler looks at all bytes at once.
    fn is(&self, bytes: &[u8; WIDTH]) -> bool {
        let mut wrong = [0; WIDTH];
        for at in 0..WIDTH {
            let odd = if is_odd(bytes[at]) { self.free[at] } else { 0 };
            wrong[at] = (bytes[at] ^ self.bytes[at]) & self.same[at] | odd;
        }
        u128::from_ne_bytes(wrong) == 0
    }
}
