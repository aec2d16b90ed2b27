//! Records as bytes: for snapshots, and for files of dead letters.
//!
//! ```text
//! version (1 byte)  data length (8)  data
//! ```
//!
//! Numbers are little-endian.

use bytes::Bytes;
use sink_aws::parts::{Parts, put_with_length};
use sink_core::SnapshotEntry;

use crate::converter::FirehoseEntry;

/// A later version reads the earlier ones.
const VERSION: u8 = 1;

impl SnapshotEntry for FirehoseEntry {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(VERSION);
        put_with_length(bytes, self.data());
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut parts = Parts::new("Firehose record", VERSION, bytes)?;
        let data = parts.with_length("the data")?;
        parts.end()?;
        Ok(Self::new(Bytes::copy_from_slice(data)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(entry: &FirehoseEntry) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        bytes
    }

    /// Snapshots that are on disks somewhere have exactly these bytes.
    #[test]
    fn version_1_stays_readable() {
        let bytes = b"\x01\x03\0\0\0\0\0\0\0abc";
        assert_eq!(FirehoseEntry::decode(bytes).unwrap(), FirehoseEntry::new("abc"));
        assert_eq!(encoded(&FirehoseEntry::new("abc")), bytes);
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_in_clear_words() {
        let whole = encoded(&FirehoseEntry::new("data"));
        for end in 0..whole.len() {
            let error = FirehoseEntry::decode(&whole[..end]).unwrap_err();
            assert!(error.starts_with("the Firehose record is cut short"), "at {end}: {error}");
        }
        for (bytes, expected) in [
            (vec![2], "the Firehose record has format version 2; this program reads version 1"),
            ([whole, vec![0]].concat(), "1 bytes stand after the end of the record"),
        ] {
            let error = FirehoseEntry::decode(&bytes).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let entry = FirehoseEntry::new(data);
            prop_assert_eq!(FirehoseEntry::decode(&encoded(&entry)), Ok(entry));
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(entry) = FirehoseEntry::decode(&bytes) {
                prop_assert_eq!(encoded(&entry), bytes);
            }
        }
    }
}
