//! Splits a stream of bytes into lines, in bounded memory whatever comes.

use std::io::{self, BufRead as _, BufReader, Read};

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// A line longer than the limit, passed over: its beginning, and its length.
    TooLong {
        start: &'a [u8],
        length: u64,
    },
}

/// Reads lines of up to `limit` bytes; longer ones are passed over, not kept.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: BufReader<R>, limit: usize) -> Self {
        Self { reader, limit, line: Vec::new(), number: 0 }
    }

    /// Number of the line last read, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the next line is here already: reading it does not wait for more input.
    pub(crate) fn is_next_here(&self) -> bool {
        memchr::memchr(b'\n', self.reader.buffer()).is_some()
    }

    /// The next line, without `\n` or `\r\n`; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut length = 0_u64;
        let mut last = None;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() && length == 0 {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', available);
            let part = &available[..end.unwrap_or(available.len())];
            // One byte more than the limit is kept: it may be the `\r` that is no part of the line.
            let room = (self.limit + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len() as u64;
            last = part.last().copied().or(last);
            let is_end = end.is_some() || available.is_empty();
            let read = part.len() + usize::from(end.is_some());
            self.reader.consume(read);
            if is_end {
                break;
            }
        }
        self.number += 1;
        if last == Some(b'\r') {
            length -= 1;
        }
        if length > self.limit as u64 {
            self.line.truncate(self.limit.min(100));
            return Ok(Some(Line::TooLong { start: &self.line, length }));
        }
        // Drops the `\r`, if there is one: no more than that is kept beyond the line.
        self.line.truncate(self.limit.min(usize::try_from(length).unwrap_or(usize::MAX)));
        Ok(Some(Line::Whole(&self.line)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(bytes: &[u8], chunk: usize, limit: usize) -> Vec<Result<Vec<u8>, u64>> {
        let mut lines = Lines::new(BufReader::with_capacity(chunk, bytes), limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                Line::Whole(line) => Ok(line.to_vec()),
                Line::TooLong { length, .. } => Err(length),
            });
        }
        assert_eq!(lines.number(), all.len() as u64);
        all
    }

    #[test]
    fn lines_end_with_a_newline_or_with_the_input() {
        for (text, expected) in [
            ("", vec![]),
            ("\n", vec![""]),
            ("a", vec!["a"]),
            ("a\n", vec!["a"]),
            ("a\n\nb", vec!["a", "", "b"]),
            ("a\r\nb\r", vec!["a", "b"]),
            ("a\rb\n", vec!["a\rb"]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|line| Ok(line.as_bytes().to_vec())).collect();
            assert_eq!(split(text.as_bytes(), 2, 100), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_may_have_the_limit_and_no_more() {
        assert_eq!(
            split(b"12345\n123456\n12345\r\n123456\r\n1", 3, 5),
            [Ok(b"12345".to_vec()), Err(6), Ok(b"12345".to_vec()), Err(6), Ok(b"1".to_vec())]
        );
    }

    #[test]
    fn a_long_line_is_not_kept() {
        let endless = Read::take(io::repeat(b'x'), 100 << 20);
        let mut lines = Lines::new(BufReader::new(endless), 1000);
        let line = lines.next().unwrap().unwrap();
        assert_eq!(line, Line::TooLong { start: &[b'x'; 100], length: 100 << 20 });
        assert!(lines.line.capacity() < 10_000);
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x')], 0..60),
            chunk in 1..20_usize,
            limit in 1..10_usize,
        ) {
            let mut parts: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
            if parts.last().is_some_and(|last| last.is_empty()) {
                parts.pop();
            }
            let expected: Vec<_> = parts
                .into_iter()
                .map(|part| part.strip_suffix(b"\r").unwrap_or(part))
                .map(|part| if part.len() > limit { Err(part.len() as u64) } else { Ok(part.to_vec()) })
                .collect();
            prop_assert_eq!(split(&bytes, chunk, limit), expected);
        }
    }
}
