//! The snapshot decoder takes any bytes: it never panics, and what it accepts is exactly what the
//! encoder would have written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sink_core::{Appender, Bytes, Entry, Snapshot, SnapshotEntry};

/// Any bytes, but not those that begin with '!': so that a refused entry is met too.
struct Blob(Bytes);

impl Entry for Blob {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl SnapshotEntry for Blob {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(&self.0);
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        match bytes.first() {
            Some(b'!') => Err("begins with a '!'".to_owned()),
            _ => Ok(Self(bytes)),
        }
    }
}

fn check(bytes: &[u8]) {
    match Snapshot::<Blob>::from_bytes(bytes.to_vec()) {
        Ok(snapshot) => assert_eq!(snapshot.to_bytes(), bytes),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // No fuzzer guesses a checksum. With the right one at the end, it gets past it...
    let mut sealed = bytes.to_vec();
    sealed.extend(crc32c::crc32c(&sealed).to_le_bytes());
    check(&sealed);
    // ...and with the right beginning as well, all that it changes is contents.
    let mut contents = b"SINKSNAP\x01\0\0\0".to_vec();
    contents.extend(bytes);
    contents.extend(crc32c::crc32c(&contents).to_le_bytes());
    check(&contents);
});
