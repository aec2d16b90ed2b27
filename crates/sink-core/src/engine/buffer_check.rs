//! What the buffer's fields promise, asserted.

use std::collections::{BTreeSet, VecDeque};

use super::{buffer::Buffer, load::Load, merging::Hosts};
use crate::{destination::Queued, settings::Ordering};

impl<E> Buffer<E> {
    /// Asserts what the fields promise. Linear in the entries: for tests.
    pub(super) fn check(&self) {
        fn load<'a, E: 'a>(entries: impl IntoIterator<Item = &'a Queued<E>>) -> Load {
            entries.into_iter().fold(Load::default(), |mut load, queued| {
                load.add(queued.size);
                load
            })
        }
        let rising = |entries: &VecDeque<Queued<E>>| {
            entries.iter().zip(entries.iter().skip(1)).all(|(a, b)| a.sequence < b.sequence)
        };
        self.lanes.check();
        self.check_hosts();
        let fresh: Vec<_> = self.fresh.iter().collect();
        assert_eq!(self.fresh.len(), fresh.len(), "their number is known");
        assert!(
            fresh.is_sorted_by(|a, b| a.sequence < b.sequence),
            "fresh entries are in admission order"
        );
        assert!(self.ready.iter().all(|(sequence, queued)| *sequence == queued.sequence));
        for (first, half) in &self.halves {
            assert_eq!(half.front().map(|queued| queued.sequence), Some(*first));
            assert!(rising(half), "a half is in admission order");
        }
        for ((_, first), group) in &self.waiting {
            assert_eq!(group.entries.front().map(|queued| queued.sequence), Some(*first));
            assert!(rising(&group.entries), "a group is in admission order");
        }
        let halves = self.halves.values().flatten();
        assert_eq!(
            self.sendable,
            load(fresh) + load(self.ready.values()) + load(halves),
            "the sendable load is what is sendable"
        );
        let waiting = self.waiting.values().flat_map(|group| &group.entries);
        assert_eq!(
            self.delayed,
            load(waiting) + load(self.lanes.iter()),
            "the delayed load is what is delayed"
        );
        if self.ordering == Ordering::None {
            assert!(
                self.fresh.iter().all(|queued| !self.lanes.contains(queued.lane)),
                "what comes new in a held lane waits in it"
            );
        } else {
            let mut lanes = BTreeSet::new();
            let sendable = self.fresh.iter().chain(self.ready.values());
            assert!(
                sendable.into_iter().all(|queued| lanes.insert(queued.lane)),
                "I11: one entry of a lane may be sent"
            );
        }
    }

    fn check_hosts(&self) {
        let Hosts { newest, places, left } = &self.hosts;
        assert!(newest.len() <= places.len(), "each newest host has a place");
        assert!(places.len() <= self.fresh.len(), "hosts are fresh entries");
        assert!(places.iter().zip(places.iter().skip(1)).all(|(a, b)| a.0 < b.0), "rising");
        for (place, key) in places {
            let position = usize::try_from(place - left).unwrap_or(usize::MAX);
            let host = self.fresh.iter().nth(position);
            assert!(
                host.is_some_and(|host| host.lane == key.0 && host.attempts == 0),
                "a host is a fresh entry of its lane, and was never sent"
            );
            assert!(newest.get(key).is_some_and(|newest| newest >= place), "none is forgotten");
        }
    }
}
