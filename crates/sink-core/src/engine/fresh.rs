//! Entries that were never sent, in admission order: most leave as they came, many at a time, and
//! are not moved on the way.

use std::collections::VecDeque;

use super::load::Load;
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
    head: VecDeque<Queued<E>>,
    /// Those behind them. None is empty.
    chunks: VecDeque<Chunk<E>>,
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
