//! Turns lines into records on a thread of its own, ahead of the sink by a few batches.

use std::sync::Arc;

use bytes::Bytes;
use sink_core::Entry as _;
use sink_kinesis::KinesisEntry;
use tokio::sync::mpsc;

use crate::{
    input::Input,
    key::{FieldPath, KeyProblem, extract},
    lines::{Line, Lines},
};

/// Where the partition key comes from.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    Field(FieldPath),
    Fixed(Arc<str>),
    Random,
}

/// What became of a line.
#[derive(Debug)]
pub(crate) enum Item {
    Record(KinesisEntry),
    Bad(BadLine),
    /// Reading failed; nothing comes after it.
    Broken {
        after_line: u64,
        error: std::io::Error,
    },
}

/// A line that cannot be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) line: u64,
    pub(crate) kind: BadKind,
    pub(crate) reason: String,
    /// The line; its beginning if it was too long.
    pub(crate) text: Bytes,
}

/// Kinds of bad lines, as the summary counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BadKind {
    NotUtf8,
    NotJson,
    NoKey,
    BadKey,
    TooLarge,
}

impl BadKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not UTF-8",
            Self::NotJson => "not JSON",
            Self::NoKey => "no key",
            Self::BadKey => "bad key",
            Self::TooLarge => "too large",
        }
    }
}

/// Lines are handed over by so many at a time; four batches wait at most.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Reads everything on a blocking thread. Ends early when the receiver is gone.
pub(crate) fn read(
    input: Input,
    key: KeySource,
    max_record_bytes: usize,
) -> mpsc::Receiver<Vec<Item>> {
    let (sender, receiver) = mpsc::channel(4);
    // Not a blocking task of the runtime: reading a terminal or a pipe may never return, and
    // a runtime waits for its tasks when it ends.
    let reader = move || {
        let mut records =
            Records { lines: Lines::new(input.reader, max_record_bytes), key, max_record_bytes };
        loop {
            let (batch, is_end) = records.batch();
            if sender.blocking_send(batch).is_err() || is_end {
                return;
            }
        }
    };
    drop(std::thread::spawn(reader));
    receiver
}

struct Records<R> {
    lines: Lines<R>,
    key: KeySource,
    max_record_bytes: usize,
}

impl<R: std::io::Read> Records<R> {
    /// The next lines, and whether there are no more. Gives what it has rather than wait for
    /// input: a line that was read must not wait for the next one to be written.
    fn batch(&mut self) -> (Vec<Item>, bool) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut bytes = 0;
        let has_room = |batch: &Vec<_>, bytes| batch.len() < BATCH && bytes < BATCH_BYTES;
        while batch.is_empty() || (has_room(&batch, bytes) && self.lines.is_next_here()) {
            let number = self.lines.number() + 1;
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return (batch, true),
                Err(error) => {
                    batch.push(Item::Broken { after_line: number - 1, error });
                    return (batch, true);
                }
            };
            match line {
                Line::Whole([]) => {}
                Line::Whole(line) => {
                    bytes += line.len();
                    batch.push(record(line, number, &self.key, self.max_record_bytes));
                }
                Line::TooLong { start, length } => batch.push(Item::Bad(BadLine {
                    line: number,
                    kind: BadKind::TooLarge,
                    reason: format!(
                        "the line has {length} bytes; a record takes {} \
                         (max_record_size_in_bytes)",
                        self.max_record_bytes
                    ),
                    text: Bytes::copy_from_slice(start),
                })),
            }
        }
        (batch, false)
    }
}

fn record(line: &[u8], number: u64, key: &KeySource, max_record_bytes: usize) -> Item {
    // A copy of its own: a slice of a larger buffer would keep all of that until it is delivered.
    let text = || Bytes::copy_from_slice(line);
    let bad = |kind, reason| Item::Bad(BadLine { line: number, kind, reason, text: text() });
    let path = match key {
        KeySource::Field(path) => Some(path),
        KeySource::Fixed(_) | KeySource::Random => None,
    };
    let partition_key: Arc<str> = match (extract(line, path), key) {
        (Ok(Some(found)), _) => found.into(),
        (Ok(None), KeySource::Fixed(key)) => Arc::clone(key),
        (Ok(None), _) => random_key(),
        (Err(KeyProblem::NotUtf8(reason)), _) => return bad(BadKind::NotUtf8, reason),
        (Err(KeyProblem::NotJson(reason)), _) => {
            return bad(BadKind::NotJson, format!("not JSON: {reason}"));
        }
        (Err(problem), _) => {
            let field = path.map(ToString::to_string).unwrap_or_default();
            let reason = match problem {
                KeyProblem::NoScalar(what) => format!(
                    "the key field `{field}` is {what}; a partition key is text, a number or a \
                     boolean"
                ),
                _ => format!("the key field `{field}` is missing"),
            };
            return bad(BadKind::NoKey, reason);
        }
    };
    match KinesisEntry::new(partition_key, text()) {
        Err(error) => bad(BadKind::BadKey, error.to_string()),
        Ok(entry) if entry.size_bytes() > max_record_bytes => {
            let reason = format!(
                "the record has {} bytes with its key; {max_record_bytes} are taken \
                 (max_record_size_in_bytes)",
                entry.size_bytes()
            );
            bad(BadKind::TooLarge, reason)
        }
        Ok(entry) => Item::Record(entry),
    }
}

/// Spreads records evenly over the shards.
fn random_key() -> Arc<str> {
    use std::hash::{BuildHasher as _, RandomState};
    // A fresh state has fresh keys each time it is made in a thread; that is all that is needed.
    format!("{:016x}", RandomState::new().hash_one(0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, key: KeySource, max: usize) -> Vec<Item> {
        let lines = Lines::new(std::io::BufReader::new(text.as_bytes()), max);
        let mut records = Records { lines, key, max_record_bytes: max };
        let mut all = Vec::new();
        loop {
            let (batch, is_end) = records.batch();
            all.extend(batch);
            if is_end {
                return all;
            }
        }
    }

    fn by(field: &str) -> KeySource {
        KeySource::Field(field.parse().unwrap())
    }

    #[test]
    fn a_line_is_a_record_with_the_fields_key() {
        let items = records("{\"k\":\"a\"}\n\n{\"k\":7}\r\n", by("k"), 1000);
        let [Item::Record(first), Item::Record(second)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((first.partition_key(), &first.data()[..]), ("a", &b"{\"k\":\"a\"}"[..]));
        assert_eq!((second.partition_key(), &second.data()[..]), ("7", &b"{\"k\":7}"[..]));
    }

    #[test]
    fn bad_lines_say_what_is_wrong_with_them() {
        let long = format!("{{\"k\":\"{}\"}}", "x".repeat(257));
        for (line, kind, reason) in [
            ("nonsense", BadKind::NotJson, "not JSON: expected ident at column 2"),
            ("{}", BadKind::NoKey, "the key field `k` is missing"),
            (
                "{\"k\":null}",
                BadKind::NoKey,
                "the key field `k` is null; a partition key is text, a number or a boolean",
            ),
            (
                "{\"k\":\"\"}",
                BadKind::BadKey,
                "the partition key is empty; Kinesis takes 1 to 256 characters",
            ),
            (
                &long,
                BadKind::BadKey,
                "the partition key `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` has 257 characters; Kinesis \
                 takes 1 to 256",
            ),
        ] {
            let items = records(&format!("{{\"k\":1}}\n{line}\n"), by("k"), 1000);
            let [Item::Record(_), Item::Bad(bad)] = &items[..] else { panic!("{items:?}") };
            assert_eq!((bad.line, bad.kind, bad.reason.as_str()), (2, kind, reason));
            assert_eq!(bad.text, line);
        }
    }

    #[test]
    fn a_record_is_too_large_with_its_key() {
        let items = records("{\"k\":\"abc\"}", by("k"), 13);
        let [Item::Bad(bad)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(bad.kind, BadKind::TooLarge);
        assert!(bad.reason.contains("14 bytes with its key; 13 are taken"), "{}", bad.reason);
        assert!(matches!(&records("{\"k\":\"abc\"}", by("k"), 14)[..], [Item::Record(_)]));
        let items = records("{\"k\":\"abc\"}", by("k"), 5);
        let [Item::Bad(bad)] = &items[..] else { panic!("{items:?}") };
        assert!(bad.reason.contains("the line has 11 bytes"), "{}", bad.reason);
    }

    #[test]
    fn without_a_field_keys_are_fixed_or_random() {
        let items = records("1\n2\n", KeySource::Fixed("same".into()), 1000);
        let keys: Vec<_> = keys_of(&items);
        assert_eq!(keys, ["same", "same"]);
        let items = records("1\n2\n", KeySource::Random, 1000);
        let keys = keys_of(&items);
        assert_ne!(keys[0], keys[1]);
    }

    fn keys_of(items: &[Item]) -> Vec<String> {
        let key = |item: &Item| match item {
            Item::Record(entry) => entry.partition_key().to_owned(),
            other => panic!("{other:?}"),
        };
        items.iter().map(key).collect()
    }
}
