//! Turns lines into records on a thread of its own, ahead of the sink by a few batches.

use std::io::{BufReader, Read};

use bytes::Bytes;
use sink_core::Entry;
use tokio::sync::mpsc;

use crate::{
    fields::{FieldProblem, LineProblem},
    input::Input,
    lines::{Line, Lines},
};

/// How a line becomes what a destination stores.
pub(crate) trait LineConverter: Send + 'static {
    type Entry: Entry;

    /// What the size of a record means, for messages: it has so many of these.
    const SIZE: &'static str;

    /// Bytes of a line, at most, where a line may be longer than the record that it becomes.
    const LONGEST_LINE: Option<usize> = None;

    fn convert(&self, line: &[u8]) -> Result<Self::Entry, Problem>;
}

/// What became of a line.
#[derive(Debug)]
pub(crate) enum Item<E> {
    Record(E),
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

/// Why a line is no record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: BadKind,
    pub(crate) reason: String,
}

impl Problem {
    pub(crate) fn new(kind: BadKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    /// Of a field that is asked for: its name, which kind of bad line one without it is, and what
    /// would be accepted.
    pub(crate) fn of_field(
        problem: FieldProblem,
        field: &str,
        kind: BadKind,
        accepted: &str,
    ) -> Self {
        match problem {
            FieldProblem::Line(problem) => problem.into(),
            FieldProblem::Missing => Self::new(kind, format!("{field} is missing")),
            FieldProblem::NoScalar(what) => {
                Self::new(kind, format!("{field} is {what}; {accepted}"))
            }
        }
    }
}

impl From<LineProblem> for Problem {
    fn from(problem: LineProblem) -> Self {
        match problem {
            LineProblem::NotUtf8(reason) => Self::new(BadKind::NotUtf8, reason),
            LineProblem::NotJson(reason) => {
                Self::new(BadKind::NotJson, format!("not JSON: {reason}"))
            }
        }
    }
}

/// Kinds of bad lines, as the summary counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BadKind {
    NotUtf8,
    NotJson,
    NoKey,
    BadKey,
    NoField,
    BadMetric,
    BadValue,
    BadTimestamp,
    TooLarge,
}

impl BadKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not UTF-8",
            Self::NotJson => "not JSON",
            Self::NoKey => "no key",
            Self::BadKey => "bad key",
            Self::NoField => "no field",
            Self::BadMetric => "bad metric",
            Self::BadValue => "bad value",
            Self::BadTimestamp => "bad timestamp",
            Self::TooLarge => "too large",
        }
    }
}

/// Lines are handed over by so many at a time; four batches wait at most.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Reads everything on a blocking thread. Ends early when the receiver is gone.
pub(crate) fn read<C: LineConverter>(
    input: Input,
    converter: C,
    max_record_bytes: usize,
) -> mpsc::Receiver<Vec<Item<C::Entry>>> {
    let (sender, receiver) = mpsc::channel(4);
    // Not a blocking task of the runtime: reading a terminal or a pipe may never return, and
    // a runtime waits for its tasks when it ends.
    let reader = move || {
        let mut records = Records::new(input.reader, converter, max_record_bytes);
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

struct Records<R, C> {
    lines: Lines<R>,
    converter: C,
    max_record_bytes: usize,
}

impl<R: Read, C: LineConverter> Records<R, C> {
    fn new(reader: BufReader<R>, converter: C, max_record_bytes: usize) -> Self {
        let longest = C::LONGEST_LINE.unwrap_or(max_record_bytes);
        Self { lines: Lines::new(reader, longest), converter, max_record_bytes }
    }

    /// The next lines, and whether there are no more. Gives what it has rather than wait for
    /// input: a line that was read must not wait for the next one to be written.
    fn batch(&mut self) -> (Vec<Item<C::Entry>>, bool) {
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
            let bad = |Problem { kind, reason }, text: &[u8]| {
                Item::Bad(BadLine {
                    line: number,
                    kind,
                    reason,
                    text: Bytes::copy_from_slice(text),
                })
            };
            match line {
                Line::Whole([]) => {}
                Line::Whole(line) => {
                    bytes += line.len();
                    batch.push(match record(line, &self.converter, self.max_record_bytes) {
                        Ok(entry) => Item::Record(entry),
                        Err(problem) => bad(problem, line),
                    });
                }
                Line::TooLong { start, length } => {
                    batch.push(bad(too_long::<C>(length, self.max_record_bytes), start));
                }
            }
        }
        (batch, false)
    }
}

fn record<C: LineConverter>(
    line: &[u8],
    converter: &C,
    max_record_bytes: usize,
) -> Result<C::Entry, Problem> {
    let entry = converter.convert(line)?;
    if entry.size_bytes() <= max_record_bytes {
        return Ok(entry);
    }
    let reason = format!(
        "the record has {} {}; {max_record_bytes} are taken (max_record_size_in_bytes)",
        entry.size_bytes(),
        C::SIZE
    );
    Err(Problem::new(BadKind::TooLarge, reason))
}

fn too_long<C: LineConverter>(length: u64, max_record_bytes: usize) -> Problem {
    let taken = match C::LONGEST_LINE {
        Some(longest) => format!("a line may have {longest}"),
        None => format!("a record takes {max_record_bytes} (max_record_size_in_bytes)"),
    };
    Problem::new(BadKind::TooLarge, format!("the line has {length} bytes; {taken}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What becomes of each line of a text.
    pub(crate) fn records<C: LineConverter>(
        text: &str,
        converter: C,
        max_record_bytes: usize,
    ) -> Vec<Item<C::Entry>> {
        let reader = BufReader::new(text.as_bytes());
        let mut records = Records::new(reader, converter, max_record_bytes);
        let mut all = Vec::new();
        loop {
            let (batch, is_end) = records.batch();
            all.extend(batch);
            if is_end {
                return all;
            }
        }
    }

    /// A line as a record of twice its size.
    struct Twice<const LONGEST: usize>;

    #[derive(Debug, PartialEq)]
    struct Line(Vec<u8>);

    impl Entry for Line {
        fn size_bytes(&self) -> usize {
            2 * self.0.len()
        }
    }

    impl<const LONGEST: usize> LineConverter for Twice<LONGEST> {
        type Entry = Line;

        const SIZE: &'static str = "bytes, twice";
        const LONGEST_LINE: Option<usize> = if LONGEST == 0 { None } else { Some(LONGEST) };

        fn convert(&self, line: &[u8]) -> Result<Line, Problem> {
            Ok(Line(line.to_vec()))
        }
    }

    #[test]
    fn a_line_is_a_record_and_an_empty_one_is_none() {
        let items = records("a\n\nbc\r\n", Twice::<0>, 4);
        let [Item::Record(first), Item::Record(second)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((&first.0[..], &second.0[..]), (&b"a"[..], &b"bc"[..]));
    }

    #[test]
    fn lines_and_records_have_their_limits() {
        let problem = |items: Vec<Item<Line>>| match &items[..] {
            [Item::Bad(bad)] => {
                assert_eq!((bad.line, bad.kind), (1, BadKind::TooLarge));
                bad.reason.clone()
            }
            items => panic!("{items:?}"),
        };
        assert_eq!(
            problem(records("12", Twice::<0>, 3)),
            "the record has 4 bytes, twice; 3 are taken (max_record_size_in_bytes)"
        );
        assert_eq!(
            problem(records("12345", Twice::<0>, 4)),
            "the line has 5 bytes; a record takes 4 (max_record_size_in_bytes)"
        );
        assert_eq!(
            problem(records("12345", Twice::<4>, 100)),
            "the line has 5 bytes; a line may have 4"
        );
        assert!(matches!(records("12345", Twice::<5>, 10)[..], [Item::Record(_)]));
    }
}
