//! How requests are cut out of the buffer.

use std::{collections::VecDeque, time::Instant};

use super::{
    buffer::Buffer,
    fresh::{Piece, Spare},
    load::Load,
};
use crate::{destination::Queued, settings::Ordering};

/// What [`Buffer::cut`] made.
#[derive(Debug)]
pub(super) struct Cut<E> {
    pub(super) batch: Vec<Queued<E>>,
    pub(super) bytes: usize,
    /// Whether it is a half of a request that was refused as a whole.
    pub(super) alone: bool,
    /// First and last sequence, where none between is missing, no order is asked for, and no entry has
    /// a lane of its own or is tracked: then they can be settled together.
    pub(super) plain: Option<(u64, u64)>,
}

enum Source {
    Fresh,
    Ready,
    Half,
}

impl<E> Buffer<E> {
    /// Where the entry with the lowest sequence is, of those that may be sent.
    #[inline]
    fn next(&self) -> Option<(u64, Source)> {
        let fresh = self.fresh.front().map(|queued| (queued.sequence, Source::Fresh));
        if self.ready.is_empty() && self.halves.is_empty() {
            return fresh;
        }
        let ready = self.ready.first_key_value().map(|(first, _)| (*first, Source::Ready));
        let half = self.halves.first_key_value().map(|(first, _)| (*first, Source::Half));
        [half, ready, fresh].into_iter().flatten().min_by_key(|(sequence, _)| *sequence)
    }

    /// Sequence and admission of the oldest entry that may be sent.
    #[inline]
    pub(super) fn oldest_sendable(&self) -> Option<(u64, Instant)> {
        let queued = match self.next()?.1 {
            Source::Fresh => self.fresh.front(),
            Source::Ready => self.ready.first_key_value().map(|(_, queued)| queued),
            Source::Half => self.halves.first_key_value().and_then(|(_, half)| half.front()),
        };
        queued.map(|queued| (queued.sequence, queued.admitted_at))
    }

    /// Whether the next request is a half, which need not wait for more to join it.
    pub(super) fn is_half_next(&self) -> bool {
        matches!(self.next(), Some((_, Source::Half)))
    }

    /// Cuts a batch of up to so many entries and bytes, lowest sequences first; it is empty where
    /// nothing may be sent. The first entry is taken whatever its size: the settings let no record
    /// be larger than a request.
    pub(super) fn cut(
        &mut self,
        max_entries: usize,
        max_bytes: usize,
        spare: &mut Spare<E>,
    ) -> Cut<E> {
        let cut = if self.is_half_next()
            && let Some((_, half)) = self.halves.pop_first()
        {
            self.cut_half(half, max_entries, spare)
        } else if self.ready.is_empty() {
            self.cut_fresh(max_entries, max_bytes, spare)
        } else {
            self.cut_mixed(max_entries, max_bytes, spare)
        };
        self.sendable -= Load { entries: cut.batch.len(), bytes: cut.bytes };
        cut
    }

    /// The bytes fit: they did in the request that was halved.
    fn cut_half(
        &mut self,
        mut half: VecDeque<Queued<E>>,
        max_entries: usize,
        spare: &mut Spare<E>,
    ) -> Cut<E> {
        let mut batch = spare.take();
        batch.extend(half.drain(..max_entries.min(half.len())));
        if let Some(first) = half.front() {
            self.halves.insert(first.sequence, half);
        }
        let bytes = batch.iter().map(|queued| queued.size).sum();
        Cut { batch, bytes, alone: true, plain: None }
    }

    /// While nothing but fresh entries may be sent: nearly always.
    fn cut_fresh(&mut self, max_entries: usize, max_bytes: usize, spare: &mut Spare<E>) -> Cut<E> {
        let Some(piece) = self.fresh.cut(max_entries, max_bytes, spare) else {
            return Cut { batch: spare.take(), bytes: 0, alone: false, plain: None };
        };
        let Piece { batch, bytes, is_plain } = piece;
        self.hosts.leave(batch.len());
        let is_plain = is_plain && self.ordering == Ordering::None;
        let ends = batch.first().zip(batch.last()).map(|(a, b)| (a.sequence, b.sequence));
        let plain = ends.filter(|(first, last)| is_plain && last - first + 1 == batch.len() as u64);
        Cut { batch, bytes, alone: false, plain }
    }

    fn cut_mixed(&mut self, max_entries: usize, max_bytes: usize, spare: &mut Spare<E>) -> Cut<E> {
        let mut batch = spare.take();
        let mut bytes = 0;
        let fresh = self.fresh.len();
        while batch.len() < max_entries {
            let Some((_, source)) = self.next() else { break };
            let next = match source {
                Source::Fresh => self.fresh.front(),
                Source::Ready => self.ready.first_key_value().map(|(_, next)| next),
                Source::Half => None,
            };
            let Some(size) = next.map(|next| next.size) else { break };
            if bytes + size > max_bytes && !batch.is_empty() {
                break;
            }
            // Two calls, so that the usual one moves the entry once.
            match source {
                Source::Ready => batch.extend(self.ready.pop_first().map(|(_, queued)| queued)),
                _ => batch.extend(self.fresh.pop_front()),
            }
            bytes += size;
        }
        self.hosts.leave(fresh - self.fresh.len());
        Cut { batch, bytes, alone: false, plain: None }
    }
}
