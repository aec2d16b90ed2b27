//! Records that look like one that was read: the same bytes but for the id and the place, which are as
//! long as there.

/// How a record stands in the answer.
#[derive(Debug)]
pub(super) struct Form<'a> {
    /// The one that was read.
    record: &'a [u8],
    /// Before, between and behind its strings, from its start.
    around: [(usize, usize); 3],
    /// From its start; empty where no place is named.
    place: (usize, usize),
}

impl<'a> Form<'a> {
    /// Of the record in these bytes of the answer, with the bytes of its id and its place.
    pub(super) fn new(
        body: &'a [u8],
        (start, end): (usize, usize),
        id: (usize, usize),
        place: Option<(usize, usize)>,
    ) -> Self {
        let from_start = |string: (usize, usize)| (string.0 - start, string.1 - start);
        let (id, length) = (from_start(id), end - start);
        let place = place.map(from_start);
        // Without a place, an empty one at the end.
        let other = place.unwrap_or((length, length));
        let (first, second) = if id.0 < other.0 { (id, other) } else { (other, id) };
        Self {
            record: body.get(start..end).unwrap_or_default(),
            around: [(0, first.0), (first.1, second.0), (second.1, length)],
            place: place.unwrap_or_default(),
        }
    }

    /// Whether a record stands here that looks the same. What its strings hold is not looked at.
    #[inline]
    pub(super) fn is_at(&self, rest: &[u8]) -> bool {
        let Some(record) = rest.get(..self.record.len()) else { return false };
        self.around.iter().all(|(start, end)| record[*start..*end] == self.record[*start..*end])
    }

    /// Bytes of the record.
    pub(super) fn length(&self) -> usize {
        self.record.len()
    }

    /// The two strings of the record, if it stands here.
    pub(super) fn strings(&self, at: usize) -> [(usize, usize); 2] {
        let [before, between, behind] = self.around;
        [(at + before.1, at + between.0), (at + between.1, at + behind.0)]
    }

    /// Where the place stands in the answer, if the record stands here; empty where none is named.
    pub(super) fn place(&self, at: usize) -> (u32, u32) {
        let (start, end) = self.place;
        if start == end { (0, 0) } else { super::place(at + start, at + end) }
    }
}
