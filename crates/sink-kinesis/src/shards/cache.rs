//! Which shards the partition keys that came lately go to: most streams have the same keys again and
//! again, and an MD5 takes longer than all else that a write does.

use std::{
    hash::Hasher as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use rustc_hash::FxHasher;

/// Slots: enough for some thousand keys, in 128 KiB, which is what a processor has near.
const SLOTS: usize = 1 << 14;
/// The bits of a slot that hold the shard's place, from 1; the others hold the key's hash.
const PLACE: u64 = 0xffff;

/// A place for each of so many hashes. Two keys with the same 48 bits would have each other's shard:
/// which, as with an old map, costs speed and not correctness.
#[derive(Debug)]
pub(super) struct Cache(Box<[AtomicU64]>);

impl Cache {
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }

    /// What `find` gives for this key, the place of a shard, or what it gave lately.
    pub(super) fn place(&self, key: &str, find: impl FnOnce() -> Option<usize>) -> Option<usize> {
        let mut hasher = FxHasher::default();
        hasher.write(key.as_bytes());
        let hash = hasher.finish();
        #[allow(clippy::cast_possible_truncation)] // the low bits choose the slot
        let slot = self.0.get(hash as usize % SLOTS)?;
        let tag = hash.rotate_left(u64::BITS - SLOTS.ilog2()) & !PLACE;
        let known = slot.load(Relaxed);
        if known & !PLACE == tag
            && let Some(place) = (known & PLACE).checked_sub(1)
        {
            return usize::try_from(place).ok();
        }
        let place = find()?;
        let from_1 = u64::try_from(place + 1).ok().filter(|from_1| *from_1 <= PLACE);
        if let Some(from_1) = from_1 {
            slot.store(tag | from_1, Relaxed);
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_looked_for_once_and_has_its_own_place() {
        let cache = Cache::new();
        for round in 0..2 {
            let mut looked = 0;
            for number in 0..1000_usize {
                let place = cache.place(&format!("key {number}"), || {
                    looked += 1;
                    Some(number)
                });
                assert_eq!(place, Some(number), "round {round}");
            }
            // Some share a slot.
            assert!(if round == 0 { looked == 1000 } else { looked < 200 }, "{looked}");
        }
    }

    #[test]
    fn what_is_not_found_is_looked_for_again() {
        let cache = Cache::new();
        assert_eq!(cache.place("key", || None), None);
        assert_eq!(cache.place("key", || Some(0)), Some(0));
        assert_eq!(cache.place("key", || None), Some(0));
    }

    #[test]
    fn a_place_that_does_not_fit_is_not_remembered() {
        let cache = Cache::new();
        assert_eq!(cache.place("key", || Some(65_535)), Some(65_535));
        assert_eq!(cache.place("key", || Some(65_534)), Some(65_534));
        assert_eq!(cache.place("key", || None), Some(65_534));
    }
}
