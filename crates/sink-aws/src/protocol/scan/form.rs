//! Records that look like one that was read: the same bytes but for the id and the place, which are as
//! long as there.

/// How a record stood in the answer.
#[derive(Debug)]
pub(super) struct Form {
    start: usize,
    /// Id and place, in the order in which they stand. Without a place: the id, and nothing at the
    /// record's end.
    strings: [(usize, usize); 2],
    end: usize,
    /// The place; empty where it is not named.
    place: (usize, usize),
}

impl Form {
    /// Of a record in these bytes of the answer.
    pub(super) fn new(
        (start, end): (usize, usize),
        id: (usize, usize),
        place: Option<(usize, usize)>,
    ) -> Self {
        let other = place.unwrap_or((end, end));
        let strings = if id.0 < other.0 { [id, other] } else { [other, id] };
        Self { start, strings, end, place: place.unwrap_or_default() }
    }

    /// How much further on the next record stands, if it begins here and looks the same. What its
    /// strings hold is not looked at.
    pub(super) fn again(&self, body: &[u8], at: usize) -> Option<usize> {
        let by = at - self.start;
        let next = body.get(at..self.end + by)?;
        let first = &body[self.start..self.end];
        let [a, b] = self.strings.map(|(start, end)| (start - self.start, end - self.start));
        let is_same = next[..a.0] == first[..a.0]
            && next[a.1..b.0] == first[a.1..b.0]
            && next[b.1..] == first[b.1..];
        is_same.then_some(by)
    }

    /// The strings of a record so much further on.
    pub(super) fn strings(&self, by: usize) -> [(usize, usize); 2] {
        self.strings.map(|(start, end)| (start + by, end + by))
    }

    /// The place of a record so much further on; empty where it is not named.
    pub(super) fn place(&self, by: usize) -> (u32, u32) {
        let (start, end) = self.place;
        if start == end { (0, 0) } else { super::place(start + by, end + by) }
    }

    /// Where a record so much further on ends.
    pub(super) fn end(&self, by: usize) -> usize {
        self.end + by
    }
}
