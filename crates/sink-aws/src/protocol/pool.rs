//! Buffers for bodies, used again.
//!
//! A body of some 100 kB and more would be mapped for each request and given back to the system
//! after it, which costs a page fault for each 4 kB: more than writing the body.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes that wait for use, at most. Three times the budget that a sink has by default would do
/// nothing: what is in flight has buffers of its own.
const MOST_BYTES: usize = 32 << 20;

/// Buffers that wait for use, at most: a sink has 50 requests in flight by default.
const MOST_BUFFERS: usize = 64;

/// Buffers that no request uses now.
#[derive(Debug, Default)]
pub(super) struct Pool {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<Vec<u8>>,
    /// Their capacity.
    bytes: usize,
}

/// A buffer that goes back when it is dropped.
#[derive(Debug, Clone)]
pub(super) struct Pooled {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl Pool {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here panics; and a buffer more or less loses nothing.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer, with room for so many bytes.
    pub(super) fn take(self: &Arc<Self>, capacity: usize) -> Pooled {
        let mut kept = self.kept();
        // The last one is still in the processor's caches.
        let mut bytes = kept.buffers.pop().unwrap_or_default();
        kept.bytes -= bytes.capacity();
        drop(kept);
        bytes.reserve(capacity);
        Pooled { bytes, pool: Arc::clone(self) }
    }
}

impl Pooled {
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The buffer goes back when the last copy of these is dropped.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut kept = self.pool.kept();
        let room = MOST_BYTES - kept.bytes;
        if bytes.capacity() <= room && kept.buffers.len() < MOST_BUFFERS {
            kept.bytes += bytes.capacity();
            kept.buffers.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_every_copy_of_its_bytes_is_gone() {
        let pool = Arc::new(Pool::default());
        let mut buffer = pool.take(1000);
        buffer.bytes().extend_from_slice(b"body");
        let (at, body) = (buffer.as_ref().as_ptr(), buffer.freeze());
        let copy = body.clone();
        drop(body);
        assert_ne!(pool.take(1000).as_ref().as_ptr(), at, "a copy is still there");
        assert_eq!(copy, "body");
        drop(copy);
        let again = pool.take(10);
        assert_eq!((again.as_ref().as_ptr(), again.as_ref()), (at, &b""[..]));
    }

    #[test]
    fn no_more_is_kept_than_it_says() {
        let pool = Arc::new(Pool::default());
        let many: Vec<_> = (0..2 * MOST_BUFFERS).map(|_| pool.take(1)).collect();
        drop(many);
        assert_eq!(pool.kept().buffers.len(), MOST_BUFFERS);
        let pool = Arc::new(Pool::default());
        let large: Vec<_> = (0..3).map(|_| pool.take(MOST_BYTES / 2 - 1)).collect();
        drop(large);
        drop(pool.take(MOST_BYTES + 1));
        let kept = pool.kept();
        let bytes: usize = kept.buffers.iter().map(Vec::capacity).sum();
        assert_eq!(kept.bytes, bytes);
        assert!(bytes <= MOST_BYTES && !kept.buffers.is_empty(), "{bytes}");
    }
}
