//! Keys for records whose place does not matter.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Keys of 32 random bits as hexadecimal digits: services hash them, so that is enough to spread
/// records evenly, and a longer key would count against the throughput.
pub struct RandomKeys(AtomicU64);

impl RandomKeys {
    /// The same keys for the same seed. The default has a seed of its own in each program.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): a counter, and so shared without a lock.
    #[must_use]
    pub fn next(&self) -> Arc<str> {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:08x}", (bits ^ (bits >> 31)) >> 32).into()
    }
}

impl Default for RandomKeys {
    fn default() -> Self {
        Self::new(RandomState::new().hash_one(0))
    }
}

impl fmt::Debug for RandomKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn first(keys: &RandomKeys) -> Vec<Arc<str>> {
        (0..1000).map(|_| keys.next()).collect()
    }

    #[test]
    fn keys_repeat_with_their_seed_and_hardly_otherwise() {
        let seven = first(&RandomKeys::new(7));
        assert_eq!(seven, first(&RandomKeys::new(7)));
        assert_ne!(seven, first(&RandomKeys::new(8)));
        assert_ne!(first(&RandomKeys::default()), first(&RandomKeys::default()));
        assert!(seven.iter().collect::<HashSet<_>>().len() > 990);
        assert!(seven.iter().all(|key| key.len() == 8), "{seven:?}");
    }
}
