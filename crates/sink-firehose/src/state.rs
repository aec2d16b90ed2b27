//! Records as bytes: for snapshots, and for files of dead letters.
//!
//! ```text
//! version (1 byte)  data length (8)  data
//! ```
//!
//! Numbers are little-endian.

use bytes::Bytes;
use sink_aws::parts::{Parts, put_with_length};
use sink_core::{Appender, SnapshotEntry};

use crate::converter::FirehoseEntry;

/// A later version reads the earlier ones.
const VERSION: u8 = 1;

impl SnapshotEntry for FirehoseEntry {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.push(VERSION);
        put_with_length(bytes, self.data());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let mut parts = Parts::new("Firehose record", VERSION, &bytes)?;
        let data = parts.shared("the data")?;
        parts.end()?;
        Ok(Self::new(data))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Snapshots that are on disks somewhere have exactly these bytes.
    #[test]
    fn version_1_stays_readable() {
        let bytes = b"\x01\x03\0\0\0\0\0\0\0abc";
        assert_eq!(
            FirehoseEntry::decode(Bytes::from_static(bytes)).unwrap(),
            FirehoseEntry::new("abc")
        );
        assert_eq!(FirehoseEntry::new("abc").to_bytes(), bytes);
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_in_clear_words() {
        let whole = Bytes::from(FirehoseEntry::new("data").to_bytes());
        for end in 0..whole.len() {
            let error = FirehoseEntry::decode(whole.slice(..end)).unwrap_err();
            assert!(error.starts_with("the Firehose record is cut short"), "at {end}: {error}");
        }
        for (bytes, expected) in [
            (vec![2], "the Firehose record has format version 2; this program reads version 1"),
            ([&whole[..], &[0]].concat(), "1 bytes stand after the end of the record"),
        ] {
            let error = FirehoseEntry::decode(bytes.into()).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_data_are_not_copied() {
        let bytes = Bytes::from(FirehoseEntry::new("data").to_bytes());
        assert_eq!(
            FirehoseEntry::decode(bytes.clone()).unwrap().data().as_ptr(),
            bytes[9..].as_ptr()
        );
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let entry = FirehoseEntry::new(data);
            prop_assert_eq!(FirehoseEntry::decode(entry.to_bytes().into()), Ok(entry));
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(entry) = FirehoseEntry::decode(bytes.clone().into()) {
                prop_assert_eq!(entry.to_bytes(), bytes);
            }
        }
    }
}
