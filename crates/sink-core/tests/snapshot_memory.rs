//! Bytes made to do harm cannot make the snapshot decoder ask for much memory. In a file of its
//! own, because it counts what the whole program allocates.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use peak_alloc::PeakAlloc;
use sink_core::{Appender, Bytes, Entry, Snapshot, SnapshotEntry};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

struct Blob(#[allow(dead_code)] Vec<u8>);

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
        Ok(Self(bytes.to_vec()))
    }
}

/// A frame whose checksum is right, around contents that lie.
fn sealed(contents: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [b"SINKSNAP\x01\0\0\0", &contents.concat()[..]].concat();
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// The most that was held at once while these bytes were decoded, beyond what was held before.
fn most_held(bytes: Bytes) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let decoded = Snapshot::<Blob>::from_bytes(bytes);
    let most = MEMORY.peak_usage() - before;
    drop(decoded);
    most
}

// One test: they would count each other's allocations.
#[test]
fn hostile_bytes_ask_for_no_more_than_a_small_multiple_of_their_length() {
    let kind = [&3_u64.to_le_bytes()[..], b"log"].concat();
    let huge = [u64::MAX, u64::MAX / 2, 1 << 60, 1 << 40, 1 << 32, 1 << 31];
    let empty_entries = vec![0; 8 * 100_000];
    let mut hostile =
        vec![vec![0xff; 1 << 20], [b"SINKSNAP".to_vec(), vec![0xff; 1 << 20]].concat()];
    for number in huge {
        let number = number.to_le_bytes();
        hostile.extend([
            sealed(&[&number]),
            sealed(&[&number, b"log"]),
            sealed(&[&kind, &number]),
            sealed(&[&kind, &number, &1_u64.to_le_bytes(), b"x"]),
            sealed(&[&kind, &number, &number, b"xyz"]),
            sealed(&[&kind, &1_u64.to_le_bytes(), &number, b"xyz"]),
            sealed(&[&kind, &number, &empty_entries]),
        ]);
    }
    for bytes in hostile.into_iter().map(Bytes::from) {
        let most = most_held(bytes.clone());
        // An empty entry costs eight bytes of input and its 24 bytes in a vector, which holds its
        // old memory while it doubles: 9 times; the rest is for the error's message.
        let allowed = 10 * bytes.len() + 1000;
        assert!(most <= allowed, "{most} bytes held for {} bytes of input", bytes.len());
    }
}
