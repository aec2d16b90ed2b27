//! What must be true of merging, whatever happens: nothing is lost by it, and nothing is merged that
//! must not be.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    model::{Entry as Known, Model},
    *,
};

/// What was merged into what, as it should be, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// What each unsettled entry has taken in.
    taken: BTreeMap<u64, Vec<u64>>,
    /// Delivered, or safe with the dead letters, in whichever entry.
    settled: BTreeSet<u64>,
}

impl Merged {
    /// How many an entry has taken in.
    fn taken(&self, host: u64) -> usize {
        self.taken.get(&host).map_or(0, Vec::len)
    }

    /// An entry is settled, with all that it has taken in.
    pub(super) fn settle(&mut self, number: u64) {
        for number in self.taken.remove(&number).unwrap_or_default().into_iter().chain([number]) {
            assert!(self.settled.insert(number), "{number} is settled twice");
        }
    }

    /// Each entry that was ever admitted is settled, or in exactly one of the unsent ones: the one
    /// that took it in.
    pub(super) fn check(&self, unsent: &[&Item], last_sequence: u64) {
        let mut found = self.settled.clone();
        for item in unsent {
            let taken = self.taken.get(&item.number).map_or(&[][..], Vec::as_slice);
            assert_eq!(item.taken, taken, "{} holds what it took in", item.number);
            for number in item.numbers() {
                assert!(found.insert(number), "{number} is in two places");
            }
        }
        assert!(found.into_iter().eq(1..=last_sequence), "nothing is lost by merging");
    }
}

impl Model {
    /// Pushes an entry that may be merged, and sees whether it was, rightly.
    pub(super) fn push_named(&mut self, item: Item, entry: Known) {
        let (number, size, now) = (item.number, item.size, self.bench.now);
        let (name, lane) = (item.name, Lane::new(entry.lane));
        // Of this lane and key, never sent.
        let newest = self.unsettled.iter().rev().find_map(|(number, other)| {
            let is_host = other.lane == entry.lane
                && other.name.is_some_and(|name| name % 2 == item.key())
                && !other.was_sent;
            is_host.then_some((*number, other.name))
        });
        let host = newest.filter(|(host, other)| {
            let unsent = self.bench.engine.unsent();
            let host_size = unsent.iter().find(|item| item.number == *host).expect("unsent").size;
            *other == Some(name)
                && self.setup.ordering == Ordering::None
                && self.bench.engine.fatal().is_none()
                && !entry.tracked
                && self.merged.taken(*host) < Item::MOST
                && host_size + size <= self.bench.engine.config().max_record_size_in_bytes
        });

        let before = self.bench.engine.counters.merged.entries;
        let (key, tracked) = (item.key(), entry.tracked);
        let sequence = self.bench.engine.push_keyed(item, size, lane, key, tracked, now);
        assert_eq!(sequence, number);
        let was_merged = self.bench.engine.counters.merged.entries > before;
        match host {
            Some((host, _)) if was_merged => {
                self.merged.taken.entry(host).or_default().push(number);
            }
            // What waits in a throttled lane, or was swept from there, takes nothing in.
            Some((host, _)) if self.throttled.iter().all(|lane| *lane == 0) => {
                panic!("{number} was not merged into {host}");
            }
            _ => {
                assert!(!was_merged, "{number} was merged, and must not be");
                self.unsettled.insert(number, entry);
            }
        }
    }
}
