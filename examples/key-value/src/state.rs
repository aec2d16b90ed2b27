//! Pairs as bytes, for snapshots and files of dead letters.
//!
//! ```text
//! version (1 byte)  key length (1)  key  value length (4, little-endian)  value
//! ```

use sink_core::{Appender, Bytes, SnapshotEntry};

use crate::converter::KeyValueEntry;

/// A later version reads the earlier ones.
const VERSION: u8 = 1;

impl SnapshotEntry for KeyValueEntry {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(&[VERSION, self.key().len() as u8]); // at most 255
        bytes.extend_from_slice(self.key().as_bytes());
        bytes.extend_from_slice(&(self.value().len() as u32).to_le_bytes()); // at most 64 KiB
        bytes.extend_from_slice(self.value());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let [version, length, rest @ ..] = &bytes[..] else { return Err(cut_short()) };
        if *version != VERSION {
            return Err(format!("the pair has version {version}; this program reads {VERSION}"));
        }
        let (key, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(cut_short)?;
        let key = std::str::from_utf8(key).map_err(|error| format!("the key: {error}"))?;
        let (length, value) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let (length, found) = (u32::from_le_bytes(*length), value.len());
        if u32::try_from(found) != Ok(length) {
            return Err(format!("the value has {found} bytes, where {length} are announced"));
        }
        Self::new(key, bytes.slice_ref(value)).map_err(|error| error.to_string())
    }
}

fn cut_short() -> String {
    "the pair is cut short".to_owned()
}
