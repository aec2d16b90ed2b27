//! Entries that were never sent, in admission order: most leave as they came, many at a time, and
//! are not moved on the way.

use std::collections::VecDeque;

use super::{finding::Finder, load::Load};
use crate::destination::{Lane, Queued};

/// Entries that came one after another. The inbox makes them as large as a request, where it can.
#[derive(Debug)]
pub(crate) struct Chunk<E> {
    pub(crate) entries: Vec<Queued<E>>,
    /// Sum of their sizes.
    pub(crate) bytes: usize,
    /// Whether all are in [`Lane::SHARED`], and none is tracked.
    pub(crate) is_plain: bool,
}

impl<E> Default for Chunk<E> {
    fn default() -> Self {
        Self::in_vec(Vec::new())
    }
}

impl<E> Chunk<E> {
    /// An empty one that uses this memory.
    pub(crate) fn in_vec(entries: Vec<Queued<E>>) -> Self {
        debug_assert!(entries.is_empty(), "memory that is used again must not hide entries");
        Self { entries, bytes: 0, is_plain: true }
    }

    #[cfg(feature = "tokio")] // chunks come from the inbox
    #[inline]
    pub(crate) fn push(&mut self, queued: Queued<E>) {
        self.bytes += queued.size;
        self.is_plain &= queued.lane == Lane::SHARED && !queued.tracked;
        self.entries.push(queued);
    }

    /// Asks for the lanes of its entries.
    pub(crate) fn find_lanes<F: FnMut(&E) -> Lane>(&mut self, finder: &mut Finder<'_, F>) {
        for queued in &mut self.entries {
            self.is_plain &= !finder.find(queued);
        }
    }

    pub(crate) fn load(&self) -> Load {
        Load { entries: self.entries.len(), bytes: self.bytes }
    }
}

/// What [`Fresh::cut`] gives.
#[derive(Debug)]
pub(super) struct Piece<E> {
    pub(super) batch: Vec<Queued<E>>,
    pub(super) bytes: usize,
    /// Whether all are in [`Lane::SHARED`], and none is tracked.
    pub(super) is_plain: bool,
}

/// The queue of fresh entries.
#[derive(Debug)]
pub(super) struct Fresh<E> {
    /// The first ones: those that came one by one, and what is left of a chunk.
    pub(super) head: VecDeque<Queued<E>>,
    /// Those behind them. None is empty.
    pub(super) chunks: VecDeque<Chunk<E>>,
    len: usize,
}

impl<E> Default for Fresh<E> {
    fn default() -> Self {
        Self { head: VecDeque::new(), chunks: VecDeque::new(), len: 0 }
    }
}

impl<E> Fresh<E> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&Queued<E>> {
        self.head.front().or_else(|| self.chunks.front()?.entries.first())
    }

    pub(super) fn back(&self) -> Option<&Queued<E>> {
        self.chunks.back().map_or_else(|| self.head.back(), |last| last.entries.last())
    }

    /// The entry with so many before it, if it came one by one.
    pub(super) fn get_mut(&mut self, position: usize) -> Option<&mut Queued<E>> {
        self.head.get_mut(position)
    }

    /// Takes in one entry, which comes after all that are here.
    #[inline]
    pub(super) fn push_back(&mut self, queued: Queued<E>) {
        if !self.chunks.is_empty() {
            self.open_chunks();
        }
        self.len += 1;
        self.head.push_back(queued);
    }

    #[cold]
    fn open_chunks(&mut self) {
        self.head.extend(self.chunks.drain(..).flat_map(|chunk| chunk.entries));
    }

    /// Takes in entries that come after all that are here; moves none but those of chunks that
    /// would waste memory, which goes to `spare`.
    #[cfg(feature = "tokio")] // chunks come from the inbox
    pub(super) fn append(&mut self, chunks: &mut VecDeque<Chunk<E>>, spare: &mut Spare<E>) {
        for mut chunk in chunks.drain(..) {
            self.len += chunk.entries.len();
            if chunk.entries.len() >= chunk.entries.capacity() / 4 {
                self.chunks.push_back(chunk);
                continue;
            }
            match self.chunks.back_mut() {
                None => self.head.extend(chunk.entries.drain(..)),
                Some(last) => chunk.entries.drain(..).for_each(|queued| last.push(queued)),
            }
            spare.put(chunk.entries);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Queued<E>> {
        if self.head.is_empty() {
            self.head = self.chunks.pop_front()?.entries.into();
        }
        self.len -= 1;
        self.head.pop_front()
    }

    /// Cuts up to so many entries and bytes off the front, but one at least; `None` where there is
    /// nothing.
    pub(super) fn cut(
        &mut self,
        max_entries: usize,
        max_bytes: usize,
        spare: &mut Spare<E>,
    ) -> Option<Piece<E>> {
        if self.is_next_chunk_whole(max_entries, max_bytes) {
            let Chunk { entries, bytes, is_plain } = self.chunks.pop_front()?;
            self.len -= entries.len();
            return Some(Piece { batch: entries, bytes, is_plain });
        }
        self.front()?;
        let (mut batch, mut bytes, mut is_plain) = (spare.take(), 0, true);
        loop {
            let mut count = 0;
            for queued in self.head.iter().take(max_entries - batch.len()) {
                if bytes + queued.size > max_bytes && (count > 0 || !batch.is_empty()) {
                    break;
                }
                count += 1;
                bytes += queued.size;
                is_plain &= queued.lane == Lane::SHARED && !queued.tracked;
            }
            batch.extend(self.head.drain(..count));
            if !self.head.is_empty() || batch.len() == max_entries {
                break;
            }
            let Some(next) = self.chunks.pop_front() else { break };
            spare.put(std::mem::replace(&mut self.head, next.entries.into()).into());
        }
        self.len -= batch.len();
        Some(Piece { batch, bytes, is_plain })
    }

    /// Whether the next chunk is what a request of these limits takes.
    fn is_next_chunk_whole(&self, max_entries: usize, max_bytes: usize) -> bool {
        let Some(first) = self.chunks.front().filter(|_| self.head.is_empty()) else {
            return false;
        };
        let Load { entries, bytes } = first.load();
        if entries > max_entries || (bytes > max_bytes && entries > 1) {
            return false;
        }
        let next = self.chunks.get(1).and_then(|next| next.entries.first());
        entries == max_entries || next.is_none_or(|next| bytes + next.size > max_bytes)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued<E>> {
        self.head.iter().chain(self.chunks.iter().flat_map(|chunk| &chunk.entries))
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Queued<E>> {
        self.head.into_iter().chain(self.chunks.into_iter().flat_map(|chunk| chunk.entries))
    }
}

/// Memory of batches and chunks that was used and will be again: at full speed nothing is allocated.
#[derive(Debug)]
pub(crate) struct Spare<E>(Vec<Vec<Queued<E>>>);

/// So much is kept: as much as is in flight by default.
const MOST_SPARE: usize = 64;

impl<E> Spare<E> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty vector.
    pub(crate) fn take(&mut self) -> Vec<Queued<E>> {
        self.0.pop().unwrap_or_default()
    }

    /// Keeps an emptied vector for the next one.
    pub(crate) fn put(&mut self, entries: Vec<Queued<E>>) {
        debug_assert!(entries.is_empty(), "memory that is used again must not hide entries");
        if self.0.len() < MOST_SPARE && entries.capacity() > 0 {
            self.0.push(entries);
        }
    }

    /// Hands over half of what it has.
    #[cfg(feature = "tokio")] // for the driver
    pub(crate) fn share(&mut self, other: &mut Self) {
        while self.0.len() > other.0.len()
            && let Some(entries) = self.0.pop()
        {
            other.0.push(entries);
        }
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        /// One entry of this size.
        Push(usize),
        /// A chunk of so many entries of this size, in memory for so many more.
        Append(usize, usize, usize),
        Pop,
        /// A request of up to so many entries and bytes.
        Cut(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..9_usize).prop_map(Step::Push),
            (1..9_usize, 1..9_usize, 0..40_usize)
                .prop_map(|(n, size, more)| Step::Append(n, size, more)),
            Just(Step::Pop),
            (1..9_usize, 1..40_usize).prop_map(|(entries, bytes)| Step::Cut(entries, bytes)),
        ]
    }

    #[allow(clippy::disallowed_methods)] // any time will do
    fn now() -> Instant {
        Instant::now()
    }

    fn queued(sequence: u64, size: usize, admitted_at: Instant) -> Queued<()> {
        let lane = if sequence.is_multiple_of(7) { Lane::new(1) } else { Lane::SHARED };
        let tracked = sequence.is_multiple_of(11);
        Queued {
            entry: (),
            sequence,
            size,
            lane,
            is_asked: true,
            attempts: 0,
            tracked,
            admitted_at,
        }
    }

    /// What a queue without chunks would cut.
    fn expected(model: &mut VecDeque<(u64, usize)>, entries: usize, bytes: usize) -> Vec<u64> {
        let (mut batch, mut sum) = (Vec::new(), 0);
        while let Some((sequence, size)) = model.front().copied()
            && batch.len() < entries
            && (batch.is_empty() || sum + size <= bytes)
        {
            model.pop_front();
            batch.push(sequence);
            sum += size;
        }
        batch
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_is_a_queue_however_its_entries_came(steps in prop::collection::vec(step(), 1..60)) {
            let (mut fresh, mut model) = (Fresh::default(), VecDeque::new());
            let (mut spare, mut last, now) = (Spare::new(), 0, now());
            for step in steps {
                match step {
                    Step::Push(size) => {
                        last += 1;
                        fresh.push_back(queued(last, size, now));
                        model.push_back((last, size));
                    }
                    Step::Append(entries, size, more) => {
                        let mut chunk = Chunk::in_vec(Vec::with_capacity(entries + more));
                        for _ in 0..entries {
                            last += 1;
                            chunk.push(queued(last, size, now));
                            model.push_back((last, size));
                        }
                        fresh.append(&mut [chunk].into(), &mut spare);
                    }
                    Step::Pop => {
                        let popped = fresh.pop_front().map(|queued| queued.sequence);
                        prop_assert_eq!(popped, model.pop_front().map(|(sequence, _)| sequence));
                    }
                    Step::Cut(entries, bytes) => {
                        let piece = fresh.cut(entries, bytes, &mut spare);
                        let found = piece.as_ref().map(|piece| &piece.batch[..]).unwrap_or_default();
                        let sequences: Vec<_> = found.iter().map(|queued| queued.sequence).collect();
                        prop_assert_eq!(&sequences, &expected(&mut model, entries, bytes));
                        if let Some(mut piece) = piece {
                            let sum: usize = piece.batch.iter().map(|queued| queued.size).sum();
                            prop_assert_eq!(piece.bytes, sum);
                            let is_plain = sequences.iter().all(|n| n % 7 != 0 && n % 11 != 0);
                            // A chunk that was opened may be called less plain than it is left.
                            prop_assert!(!piece.is_plain || is_plain);
                            piece.batch.clear();
                            spare.put(piece.batch);
                        }
                    }
                }
                prop_assert_eq!(fresh.len(), model.len());
                prop_assert_eq!(fresh.front().map(|queued| queued.sequence), model.front().map(|m| m.0));
                prop_assert_eq!(fresh.back().map(|queued| queued.sequence), model.back().map(|m| m.0));
                prop_assert!(fresh.iter().map(|queued| queued.sequence).eq(model.iter().map(|m| m.0)));
            }
        }
    }

    #[test]
    fn a_chunk_that_is_a_request_becomes_it_without_being_moved() {
        let now = now();
        let mut chunk = Chunk::in_vec(Vec::with_capacity(3));
        (1..=3).for_each(|sequence| chunk.push(queued(sequence, 1, now)));
        let place = chunk.entries.as_ptr();
        let (mut fresh, mut spare) = (Fresh::default(), Spare::new());
        fresh.append(&mut [chunk].into(), &mut spare);
        let piece = fresh.cut(3, 10, &mut spare).expect("three");
        assert!(std::ptr::eq(piece.batch.as_ptr(), place));
        assert!(piece.is_plain);
    }

    #[test]
    fn chunks_that_are_nearly_empty_hold_no_memory() {
        let (now, mut fresh, mut spare) = (now(), Fresh::default(), Spare::new());
        for sequence in 1..=1000 {
            let mut chunk = Chunk::in_vec(Vec::with_capacity(500));
            chunk.push(queued(sequence, 1, now));
            fresh.append(&mut [chunk].into(), &mut spare);
        }
        assert!(fresh.chunks.is_empty());
        assert_eq!((fresh.len(), fresh.head.len()), (1000, 1000));
        assert!(fresh.head.capacity() < 4000);
        assert_eq!(spare.0.len(), MOST_SPARE);
    }
}
