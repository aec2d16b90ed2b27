//! What stands around everything that is kept as bytes: eight bytes that say what it is, a version,
//! the contents, and a checksum over all of it.
//!
//! Lengths are fixed eight bytes, not a shorter variable-length code: so each item costs at least
//! eight bytes of input, and bytes made to do harm cannot ask for many empty items with few bytes.

use bytes::Bytes;
use crc32c::crc32c;

use super::appender::Appender;
use crate::error::{Error, ErrorKind};

const CHECKSUM_LEN: usize = size_of::<u32>();
const LENGTH_LEN: usize = size_of::<u64>();

/// One kind of kept bytes.
pub(crate) struct Format {
    /// What it is called in errors.
    pub(crate) what: &'static str,
    pub(crate) magic: [u8; 8],
    /// What is written. Everything from 1 to this can be read.
    pub(crate) version: u32,
}

impl Format {
    /// Writes after what the vector holds already, which may be the beginning of another kind.
    pub(crate) fn writer<'a>(&self, bytes: &'a mut Vec<u8>) -> Writer<'a> {
        let start = bytes.len();
        bytes.extend(self.magic);
        bytes.extend(self.version.to_le_bytes());
        Writer { bytes, start }
    }

    /// Checks magic, version and checksum, in this order: each is trusted only as far as the one
    /// before it holds, and what is corrupt is called corrupt, not too long or of a wrong kind.
    pub(crate) fn reader<'a>(&self, whole: &'a Bytes) -> Result<Reader<'a>, Error> {
        let (what, bytes) = (self.what, &whole[..]);
        let Some(rest) = bytes.strip_prefix(&self.magic) else {
            let found = bytes.get(..self.magic.len().min(bytes.len())).unwrap_or_default();
            return Err(error(if self.magic.starts_with(bytes) {
                format!("the {what} is truncated: it ends after {} bytes", bytes.len())
            } else {
                format!(
                    "this is no {what}: it begins with \"{}\", a {what} with \"{}\"",
                    found.escape_ascii(),
                    self.magic.escape_ascii()
                )
            }));
        };
        let Some((version, rest)) = rest.split_first_chunk() else {
            let length = bytes.len();
            return Err(error(format!("the {what} is truncated: it ends after {length} bytes")));
        };
        let version = u32::from_le_bytes(*version);
        if version == 0 || version > self.version {
            return Err(error(format!(
                "the {what} has format version {version}; this program reads 1 to {}",
                self.version
            )));
        }
        check(bytes)
            .map_err(|words| error(format!("the {what} is corrupt or truncated: {words}")))?;
        let rest = rest.get(..rest.len().saturating_sub(CHECKSUM_LEN)).unwrap_or_default();
        Ok(Reader { whole, rest, what })
    }
}

/// Whether the bytes end with the checksum of those before them, as all that is written here does.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    let Some((contents, found)) = bytes.split_last_chunk() else {
        return Err(format!("{} bytes cannot hold a checksum", bytes.len()));
    };
    let (found, expected) = (u32::from_le_bytes(*found), crc32c(contents));
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "its {} bytes end with the checksum {found:08x}, those before it give {expected:08x}",
        bytes.len()
    ))
}

/// What this writes, in a vector with room for about so many bytes from the start.
pub(crate) fn written(expected: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Where the guess is too low, or the allocator refuses it, the vector grows as it is written.
    drop(bytes.try_reserve(expected));
    write(&mut bytes);
    // Where it was far too high, the memory is not kept from others as long as the bytes live.
    if bytes.len() < bytes.capacity() / 2 {
        bytes.shrink_to_fit();
    }
    bytes
}

pub(crate) struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where the magic is.
    start: usize,
}

impl Writer<'_> {
    pub(crate) fn number(&mut self, number: usize) {
        self.bytes.extend((number as u64).to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, item: &[u8]) {
        self.number(item.len());
        self.bytes.extend_from_slice(item);
    }

    /// Bytes whose length is known only once they are written: it is filled in then.
    pub(crate) fn bytes_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let length_at = self.bytes.len();
        self.number(0);
        let start = self.bytes.len();
        write(self.bytes);
        // Never less: the vector is given to our own code alone, which only appends.
        let length = self.bytes.len() - start;
        self.bytes[length_at..start].copy_from_slice(&(length as u64).to_le_bytes());
    }

    /// As [`bytes_with`](Self::bytes_with), for what a connector writes: it could cut a vector.
    pub(crate) fn appended_with(&mut self, write: impl FnOnce(&mut Appender<'_>)) {
        self.bytes_with(|bytes| write(&mut Appender::new(bytes)));
    }

    pub(crate) fn finish(self) {
        let checksum = crc32c(&self.bytes[self.start..]);
        self.bytes.extend(checksum.to_le_bytes());
    }
}

/// Reads what a [`Writer`] wrote. Trusts no length: it gives parts of its input, and asks for no
/// memory itself.
pub(crate) struct Reader<'a> {
    whole: &'a Bytes,
    /// The part of `whole` that is not read yet.
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn number(&mut self, name: &'static str) -> Result<u64, Error> {
        let Some((number, rest)) = self.rest.split_first_chunk::<LENGTH_LEN>() else {
            return Err(error(format!(
                "the {} ends within its {name}: {} bytes are left, {LENGTH_LEN} are needed",
                self.what,
                self.rest.len()
            )));
        };
        self.rest = rest;
        Ok(u64::from_le_bytes(*number))
    }

    pub(crate) fn bytes(&mut self, name: &'static str) -> Result<&'a [u8], Error> {
        let length = self.number(name)?;
        let split = usize::try_from(length).ok().and_then(|at| self.rest.split_at_checked(at));
        let Some((item, rest)) = split else {
            return Err(error(format!(
                "the {} says that its {name} has {length} bytes, but {} are left",
                self.what,
                self.rest.len()
            )));
        };
        self.rest = rest;
        Ok(item)
    }

    /// As [`bytes`](Self::bytes), not borrowed but shared: a handle, and no copy.
    pub(crate) fn shared(&mut self, name: &'static str) -> Result<Bytes, Error> {
        // Never panics: what is read is a part of `whole`.
        self.bytes(name).map(|item| self.whole.slice_ref(item))
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<&'a str, Error> {
        str::from_utf8(self.bytes(name)?).map_err(|source| {
            error(format!("the {}'s {name} is not UTF-8", self.what)).with_source(source)
        })
    }

    /// There must be nothing left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(error(format!("{left} bytes follow the end of the {}", self.what))),
        }
    }
}

fn error(message: String) -> Error {
    Error::new(ErrorKind::Snapshot, "decode", message)
}
