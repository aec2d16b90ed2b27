//! Entries as bytes, part by part: what their `SnapshotEntry` is written with.
//!
//! The first byte is the format's version. Numbers are little-endian.

use bytes::Bytes;
use sink_core::Appender;

/// Writes a part of any length: its length (8 bytes), and the part.
#[inline]
pub fn put_with_length(bytes: &mut Appender<'_>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
    bytes.extend_from_slice(part);
}

const LENGTH_LEN: usize = size_of::<u64>();

/// What is not read yet of an entry. Nothing is allocated before it is known to be there.
#[derive(Debug)]
pub struct Parts<'a> {
    entry: &'static str,
    whole: &'a Bytes,
    /// The part of `whole` that is not read yet.
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads the version; `entry` is the entry's name in messages, such as `"Kinesis record"`.
    ///
    /// # Errors
    ///
    /// When there is nothing, or when it is of another version.
    pub fn new(entry: &'static str, version: u8, whole: &'a Bytes) -> Result<Self, String> {
        let mut parts = Self { entry, whole, rest: whole };
        match parts.array("the version")? {
            [found] if found == version => Ok(parts),
            [found] => Err(format!(
                "the {entry} has format version {found}; this program reads version {version}: use \
                 a newer one"
            )),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    ///
    /// When there are fewer; `what` says in the message what they should have been.
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let (array, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.cut_short(what, N as u64))?;
        self.rest = rest;
        Ok(*array)
    }

    /// The next part of any length, as [`put_with_length`] writes it.
    ///
    /// # Errors
    ///
    /// When fewer bytes are left; `what` says in the message what they should have been.
    pub fn with_length(&mut self, what: &str) -> Result<&'a [u8], String> {
        let Some((length, rest)) = self.rest.split_first_chunk::<LENGTH_LEN>() else {
            return Err(self.cut_short(&format!("the length of {what}"), LENGTH_LEN as u64));
        };
        self.rest = rest;
        let length = u64::from_le_bytes(*length);
        let (part, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or_else(|| self.cut_short(what, length))?;
        self.rest = rest;
        Ok(part)
    }

    /// As [`with_length`](Self::with_length), but shared and not borrowed: it copies nothing, and
    /// keeps the memory that the entry was read from for as long as it lives.
    ///
    /// # Errors
    ///
    /// As [`with_length`](Self::with_length).
    pub fn shared(&mut self, what: &str) -> Result<Bytes, String> {
        // Never panics: what is read is a part of `whole`.
        self.with_length(what).map(|part| self.whole.slice_ref(part))
    }

    /// To be called after the last part.
    ///
    /// # Errors
    ///
    /// When something is left.
    pub fn end(self) -> Result<(), String> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(format!("{left} bytes stand after the end of the record")),
        }
    }

    #[cold]
    fn cut_short(&self, what: &str, needed: u64) -> String {
        let (entry, left) = (self.entry, self.rest.len());
        format!("the {entry} is cut short: {what} needs {needed} bytes, {left} are left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the text as a slice and, again, as a part that is shared: they are the same memory.
    fn read(bytes: &[u8]) -> Result<(u8, Vec<u8>), String> {
        let bytes = Bytes::copy_from_slice(bytes);
        let mut parts = Parts::new("letter", 2, &bytes)?;
        let [mark] = parts.array("the mark")?;
        let mut again = Parts { rest: parts.rest, whole: parts.whole, entry: parts.entry };
        let (text, shared) = (parts.with_length("the text"), again.shared("the text"));
        assert_eq!(text.as_deref(), shared.as_deref());
        let (text, shared) = (text?, shared?);
        assert!(text.is_empty() || text.as_ptr() == shared.as_ptr(), "copied");
        parts.end()?;
        Ok((mark, text.to_vec()))
    }

    #[test]
    fn parts_come_back_as_they_were_written() {
        for text in [&b""[..], b"a", &[0xff; 300]] {
            let mut bytes = vec![2, 7];
            put_with_length(&mut Appender::new(&mut bytes), text);
            assert_eq!(read(&bytes), Ok((7, text.to_vec())));
            for end in 0..bytes.len() {
                let error = read(&bytes[..end]).unwrap_err();
                assert!(error.starts_with("the letter is cut short: "), "at {end}: {error}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_clear_words() {
        let with_length =
            |length: u64, rest: &[u8]| [&[2, 7][..], &length.to_le_bytes(), rest].concat();
        for (bytes, expected) in [
            (vec![], "the letter is cut short: the version needs 1 bytes, 0 are left"),
            (
                vec![3, 7],
                "the letter has format version 3; this program reads version 2: use a newer one",
            ),
            (vec![2], "the letter is cut short: the mark needs 1 bytes, 0 are left"),
            (
                vec![2, 7, 1],
                "the letter is cut short: the length of the text needs 8 bytes, 1 are left",
            ),
            (with_length(2, b"a"), "the letter is cut short: the text needs 2 bytes, 1 are left"),
            (
                with_length(u64::MAX, b"a"),
                "the letter is cut short: the text needs 18446744073709551615 bytes, 1 are left",
            ),
            (with_length(1, b"abc"), "2 bytes stand after the end of the record"),
        ] {
            assert_eq!(read(&bytes), Err(expected.to_owned()));
        }
    }
}
