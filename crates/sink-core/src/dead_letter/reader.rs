//! Reads dead letters back.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

use super::file::{Line, OwnedDeadLetter};
use crate::{
    error::{Error, ErrorKind},
    files::failed,
};

/// The dead letters of a file, in the order in which they were written. Holds one line at a time.
/// Made by [`FileDeadLetters::read`](crate::FileDeadLetters::read).
#[derive(Debug)]
pub struct DeadLetterReader {
    path: PathBuf,
    lines: BufReader<File>,
    /// Number of the line that was read last, from 1.
    line: u64,
    /// Reading failed: what follows is unknown.
    has_failed: bool,
}

impl DeadLetterReader {
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        match File::open(&path) {
            Ok(file) => Ok(Self { path, lines: BufReader::new(file), line: 0, has_failed: false }),
            Err(source) => {
                let what = "cannot open the dead letter file";
                Err(failed(ErrorKind::Config, "read", what, &path, source))
            }
        }
    }

    fn parse(&self, line: &[u8]) -> Result<OwnedDeadLetter, Error> {
        let error = |words: String, source: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Convert, "read", format!("line {}: {words}", self.line))
                .with_context("file", self.path.display().to_string())
                .with_source(source)
        };
        let parsed: Line = serde_json::from_slice(line)
            .map_err(|source| error(format!("no dead letter: {source}"), source.into()))?;
        parsed
            .into_letter()
            .map_err(|source| error(format!("payload is not base64: {source}"), source.into()))
    }
}

impl Iterator for DeadLetterReader {
    type Item = Result<OwnedDeadLetter, Error>;

    /// # Errors
    ///
    /// [`ErrorKind::Convert`] for a line that is no dead letter: go on with the next.
    /// [`ErrorKind::Fatal`] when the file cannot be read on: nothing follows.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.has_failed {
            let mut line = Vec::new();
            match self.lines.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(source) => {
                    self.has_failed = true;
                    let failed =
                        failed(ErrorKind::Fatal, "read", "cannot read", &self.path, source);
                    return Some(Err(failed));
                }
            }
            self.line += 1;
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some(self.parse(line));
            }
        }
        None
    }
}
