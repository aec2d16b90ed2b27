//! Records as bytes: for snapshots, and for files of dead letters.
//!
//! ```text
//! version (1 byte)  key length (8)  key  has hash key (1: 0 or 1)  [hash key (16)]  data length (8)  data
//! ```
//!
//! Numbers are little-endian.

use bytes::Bytes;
use sink_aws::parts::{Parts, put_with_length};
use sink_core::{Appender, SnapshotEntry};

use crate::converter::KinesisEntry;

/// A later version reads the earlier ones.
const VERSION: u8 = 1;

impl SnapshotEntry for KinesisEntry {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.push(VERSION);
        put_with_length(bytes, self.partition_key().as_bytes());
        match self.explicit_hash_key() {
            None => bytes.push(0),
            Some(hash_key) => {
                bytes.push(1);
                bytes.extend_from_slice(&hash_key.to_le_bytes());
            }
        }
        put_with_length(bytes, self.data());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let mut parts = Parts::new("Kinesis record", VERSION, &bytes)?;
        let key = std::str::from_utf8(parts.with_length("the partition key")?)
            .map_err(|error| format!("the partition key is no UTF-8: {error}"))?;
        let hash_key = match parts.array("the mark of an explicit hash key")? {
            [0] => None,
            [1] => Some(u128::from_le_bytes(parts.array("the explicit hash key")?)),
            [mark] => {
                return Err(format!("the mark of an explicit hash key is {mark}; it is 0 or 1"));
            }
        };
        let data = parts.shared("the data")?;
        parts.end()?;
        let entry = Self::new(key, data).map_err(|e| e.to_string())?;
        Ok(match hash_key {
            None => entry,
            Some(hash_key) => entry.with_explicit_hash_key(hash_key),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(key: &str, data: &'static str) -> KinesisEntry {
        KinesisEntry::new(key, data).unwrap()
    }

    /// Snapshots that are on disks somewhere have exactly these bytes.
    #[test]
    fn version_1_stays_readable() {
        let plain = b"\x01\x02\0\0\0\0\0\0\0\xc3\xa9\0\x03\0\0\0\0\0\0\0abc";
        let hashed =
            b"\x01\x01\0\0\0\0\0\0\0k\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        for (bytes, expected) in
            [(&plain[..], entry("é", "abc")), (hashed, entry("k", "").with_explicit_hash_key(258))]
        {
            assert_eq!(KinesisEntry::decode(Bytes::from_static(bytes)).unwrap(), expected);
            assert_eq!(expected.to_bytes(), bytes);
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_in_clear_words() {
        let with_key = |key: &[u8]| {
            let mut bytes = vec![1];
            let mut appender = Appender::new(&mut bytes);
            put_with_length(&mut appender, key);
            appender.push(0);
            put_with_length(&mut appender, b"data");
            bytes
        };
        let huge = |at: usize| {
            let mut bytes = with_key(b"k");
            bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            bytes
        };
        for (bytes, expected) in [
            (vec![], "the Kinesis record is cut short: the version needs 1 bytes, 0 are left"),
            (vec![0], "the Kinesis record has format version 0"),
            (
                vec![2, 1, 1],
                "the Kinesis record has format version 2; this program reads version 1",
            ),
            (vec![1, 5], "cut short: the length of the partition key needs 8 bytes, 1 are left"),
            (huge(1), "cut short: the partition key needs 18446744073709551615 bytes, 14 are left"),
            (huge(11), "cut short: the data needs 18446744073709551615 bytes, 4 are left"),
            (with_key(b""), "the partition key is empty"),
            (with_key(&[b'k'; 257]), "has 257 characters; Kinesis takes 1 to 256"),
            (with_key(b"k\xff"), "the partition key is no UTF-8"),
            ([with_key(b"k"), vec![0]].concat(), "1 bytes stand after the end of the record"),
            (vec![1, 1, 0, 0, 0, 0, 0, 0, 0, b'k', 7], "hash key is 7; it is 0 or 1"),
        ] {
            let error = KinesisEntry::decode(bytes.into()).unwrap_err();
            assert!(error.contains(expected), "{expected} is missing in: {error}");
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_refused() {
        let whole = Bytes::from(entry("key", "data").with_explicit_hash_key(7).to_bytes());
        for end in 0..whole.len() {
            let error = KinesisEntry::decode(whole.slice(..end)).unwrap_err();
            assert!(error.contains("cut short"), "at {end}: {error}");
        }
    }

    #[test]
    fn the_data_are_not_copied() {
        let bytes = Bytes::from(entry("k", "data").to_bytes());
        assert_eq!(
            KinesisEntry::decode(bytes.clone()).unwrap().data().as_ptr(),
            bytes[19..].as_ptr()
        );
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(
            key in ".{1,256}",
            data in prop::collection::vec(any::<u8>(), 0..300),
            hash_key in any::<Option<u128>>(),
        ) {
            let mut entry = KinesisEntry::new(key, data).unwrap();
            if let Some(hash_key) = hash_key {
                entry = entry.with_explicit_hash_key(hash_key);
            }
            prop_assert_eq!(KinesisEntry::decode(entry.to_bytes().into()), Ok(entry));
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(entry) = KinesisEntry::decode(bytes.clone().into()) {
                prop_assert_eq!(entry.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_record_with_changed_bytes_never_panics(
            at in 0_usize..41,
            byte in any::<u8>(),
        ) {
            let mut bytes = entry("key", "data").with_explicit_hash_key(7).to_bytes();
            bytes[at] = byte;
            if let Ok(entry) = KinesisEntry::decode(bytes.clone().into()) {
                prop_assert_eq!(entry.to_bytes(), bytes);
            }
        }
    }
}
