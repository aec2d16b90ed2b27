//! The key of a record, which chooses its shard.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher as _, RandomState},
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sink_aws::shortened;
use smol_str::{SmolStr, format_smolstr};

/// Characters (not bytes) that a partition key may have.
const MAX_CHARS: usize = 256;

/// A partition key, cheap to clone. It is made of any string; see
/// [`KinesisEntry::new`](crate::KinesisEntry::new) for those that Kinesis takes.
///
/// Up to 23 bytes, it stands in the record itself, so that making a record with a key from a `&str`
/// takes no memory for the key. Longer ones are shared by their clones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey(SmolStr);

impl PartitionKey {
    /// Whether Kinesis takes it, and if not, why.
    pub(crate) fn check(&self) -> Result<(), String> {
        // Most keys are short in bytes, and then need not be counted.
        let chars = if self.len() <= MAX_CHARS { self.len() } else { self.chars().count() };
        match chars {
            0 => Err("the partition key is empty; Kinesis takes 1 to 256 characters".to_owned()),
            1..=MAX_CHARS => Ok(()),
            _ => Err(format!(
                "the partition key {} has {chars} characters; Kinesis takes 1 to 256",
                shortened(self)
            )),
        }
    }
}

impl Deref for PartitionKey {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PartitionKey {
    #[inline]
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

impl From<&String> for PartitionKey {
    fn from(key: &String) -> Self {
        Self(key.into())
    }
}

impl From<String> for PartitionKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}

impl From<Box<str>> for PartitionKey {
    fn from(key: Box<str>) -> Self {
        Self(key.into())
    }
}

impl From<Cow<'_, str>> for PartitionKey {
    fn from(key: Cow<'_, str>) -> Self {
        Self(key.into())
    }
}

impl From<Arc<str>> for PartitionKey {
    fn from(key: Arc<str>) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Keys of 32 random bits as hexadecimal digits, for records whose shard does not matter: Kinesis
/// hashes them, so that is enough to spread records evenly, and a longer key would count against
/// the throughput.
pub struct RandomKeys(AtomicU64);

impl RandomKeys {
    /// The same keys for the same seed. The default has a seed of its own each time.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): a counter, and so shared without a lock.
    #[must_use]
    pub fn next(&self) -> PartitionKey {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        PartitionKey(format_smolstr!("{:08x}", (bits ^ (bits >> 31)) >> 32))
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

    use proptest::prelude::*;

    use super::*;

    fn first(keys: &RandomKeys) -> Vec<PartitionKey> {
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

    proptest! {
        #[test]
        fn a_key_is_the_string_it_was_made_of(text in ".{0,60}") {
            let keys: [PartitionKey; 6] = [
                text.as_str().into(),
                (&text).into(),
                text.clone().into(),
                text.clone().into_boxed_str().into(),
                Cow::Borrowed(text.as_str()).into(),
                Arc::<str>::from(text.as_str()).into(),
            ];
            for key in &keys {
                prop_assert_eq!(&**key, text.as_str());
                prop_assert_eq!(key.to_string(), text.as_str());
                prop_assert_eq!(key, &keys[0]);
            }
        }
    }
}
