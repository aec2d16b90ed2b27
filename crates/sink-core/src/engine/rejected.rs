//! Entries that the destination will never store: handed over to the dead letters, and kept until
//! they are safe there.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use super::{Engine, load::Load};
use crate::{
    destination::{Entry, Queued},
    error::{Error, ErrorKind},
    outcome::{Reason, Settled},
};

/// Rejected entries that are not yet safe with the dead-letter handler, by sequence.
#[derive(Debug)]
pub(super) struct Rejected<E> {
    pub(super) entries: BTreeMap<u64, (Queued<E>, Reason)>,
    /// Those that the handler was not given yet.
    to_hand_over: VecDeque<u64>,
    load: Load,
}

/// A rejected entry, as the dead-letter handler gets it.
#[derive(Debug)]
#[non_exhaustive]
pub struct RejectedEntry<'a, E> {
    /// What was rejected.
    pub entry: &'a E,
    /// Its admission number.
    pub sequence: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was admitted.
    pub admitted_at: Instant,
    /// Why it was rejected.
    pub reason: &'a Reason,
}

impl<E> Rejected<E> {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new(), to_hand_over: VecDeque::new(), load: Load::default() }
    }

    pub(super) fn load(&self) -> Load {
        self.load
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued<E>> {
        self.entries.values().map(|(queued, _)| queued)
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Queued<E>> {
        self.entries.into_values().map(|(queued, _)| queued)
    }
}

impl<E: Entry> Engine<E> {
    /// Rejects an entry: to the dead letters, or, without a handler for them, the sink stops and
    /// keeps it. Nothing is ever dropped silently.
    pub(super) fn reject(&mut self, queued: Queued<E>, reason: Reason, now: Instant) {
        if !self.has_dead_letters {
            self.stop(Error::new(
                ErrorKind::Fatal,
                "send",
                format!(
                    "entry {} was rejected at attempt {}: {reason}; it is kept, with all that is \
                     unsent (a dead-letter handler would take it, and the sink go on)",
                    queued.sequence, queued.attempts
                ),
            ));
            self.buffer.delay([queued].into(), now, false);
            return;
        }
        self.rejected.load.add(queued.size);
        self.rejected.to_hand_over.push_back(queued.sequence);
        self.rejected.entries.insert(queued.sequence, (queued, reason));
    }

    /// The sequence of the next rejected entry to hand to the dead-letter handler. Each is given
    /// once; [`rejected_entry`](Self::rejected_entry) shows it, and
    /// [`handle_dead_letter`](Self::handle_dead_letter) takes the handler's answer.
    pub fn poll_rejected(&mut self) -> Option<u64> {
        if self.fatal.is_some() {
            return None;
        }
        self.rejected.to_hand_over.pop_front()
    }

    /// A rejected entry that is not yet safe.
    pub fn rejected_entry(&self, sequence: u64) -> Option<RejectedEntry<'_, E>> {
        let (queued, reason) = self.rejected.entries.get(&sequence)?;
        Some(RejectedEntry {
            entry: &queued.entry,
            sequence,
            attempts: queued.attempts,
            admitted_at: queued.admitted_at,
            reason,
        })
    }

    /// Takes the dead-letter handler's answer: the entry is settled, or the engine stops and keeps
    /// it. An answer for an entry that is settled changes nothing.
    pub fn handle_dead_letter(&mut self, sequence: u64, answer: Result<(), Error>) {
        if let Err(error) = answer {
            return self.stop(error);
        }
        let Some((queued, reason)) = self.rejected.entries.remove(&sequence) else { return };
        self.rejected.load.remove(queued.size);
        self.counters.rejected.add(queued.size);
        self.settle(&queued, || Settled::Rejected(reason));
        self.note_progress();
        self.check();
    }
}
