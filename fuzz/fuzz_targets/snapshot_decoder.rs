//! The snapshot decoder takes any bytes: it never panics, and what it accepts is exactly what the
//! encoder would have written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sink_core::{Entry, Snapshot, SnapshotEntry};

/// Any bytes, but not those that begin with '!': so that a refused entry is met too.
struct Bytes(Vec<u8>);

impl Entry for Bytes {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl SnapshotEntry for Bytes {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(&self.0);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        match bytes.first() {
            Some(b'!') => Err("begins with a '!'".to_owned()),
            _ => Ok(Self(bytes.to_vec())),
        }
    }
}

fn check(bytes: &[u8]) {
    match Snapshot::<Bytes>::from_bytes(bytes) {
        Ok(snapshot) => assert_eq!(snapshot.to_bytes(), bytes),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

const CRC32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // No fuzzer guesses a checksum. With the right one at the end, it gets past it...
    let mut sealed = bytes.to_vec();
    sealed.extend(CRC32C.checksum(&sealed).to_le_bytes());
    check(&sealed);
    // ...and with the right beginning as well, all that it changes is contents.
    let mut contents = b"SINKSNAP\x01\0\0\0".to_vec();
    contents.extend(bytes);
    contents.extend(CRC32C.checksum(&contents).to_le_bytes());
    check(&contents);
});
