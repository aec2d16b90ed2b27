//! Entries and bytes, always counted together, and the budget that bounds them.

/// So many entries with so many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// How many entries.
    pub entries: usize,
    /// Sum of their [`size_bytes`](crate::Entry::size_bytes).
    pub bytes: usize,
}

impl Load {
    pub(crate) fn add(&mut self, size: usize) {
        self.entries += 1;
        self.bytes += size;
    }

    pub(crate) fn remove(&mut self, size: usize) {
        debug_assert!(self.entries > 0 && self.bytes >= size, "more taken off than was put on");
        self.entries -= 1;
        self.bytes -= size;
    }
}

impl std::ops::Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { entries: self.entries + other.entries, bytes: self.bytes + other.bytes }
    }
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Load {
    fn sub_assign(&mut self, other: Self) {
        debug_assert!(
            self.entries >= other.entries && self.bytes >= other.bytes,
            "more taken off than was put on"
        );
        self.entries -= other.entries;
        self.bytes -= other.bytes;
    }
}

/// The bound on what a sink holds. An entry counts from its admission until it is settled, in
/// flight and between retries too, so an entry that must be sent again always has its place (I6).
#[derive(Debug)]
pub struct Budget {
    max: Load,
    held: Load,
}

impl Budget {
    /// An empty budget of so many entries and bytes.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { max: Load { entries: max_entries, bytes: max_bytes }, held: Load::default() }
    }

    /// Whether an entry of this size may be admitted now.
    #[inline]
    pub fn has_room(&self, size: usize) -> bool {
        // `held` may exceed the bound after a restore, so no subtraction here.
        self.held.entries < self.max.entries && self.held.bytes + size <= self.max.bytes
    }

    /// Counts an entry. Restored entries are counted even when there is no room: refusing them
    /// would lose them.
    #[inline]
    pub fn take(&mut self, size: usize) {
        self.held.add(size);
    }

    /// Gives back what was settled.
    pub fn give_back(&mut self, settled: Load) {
        self.held -= settled;
    }

    /// What is held now.
    pub fn held(&self) -> Load {
        self.held
    }
}
