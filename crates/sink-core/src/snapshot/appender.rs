//! Where an entry writes its bytes.

use std::{fmt, io};

/// Takes the bytes that an entry appends, and can do nothing else: the entries before it, which
/// stand in the same memory, are out of its reach.
///
/// It is an [`io::Write`] that never fails, for serializers that write into one.
pub struct Appender<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Appender<'a> {
    /// Appends to this vector.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Appends one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Appends these bytes. For numbers: `extend_from_slice(&number.to_le_bytes())`.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl io::Write for Appender<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shows no bytes: they are the user's data.
impl fmt::Debug for Appender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").finish_non_exhaustive()
    }
}
