//! What can happen to an engine, and how random histories of it are made.

use proptest::prelude::*;

use super::*;
use crate::error::{Error, ErrorKind};

/// What can happen to an engine.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Push {
        lane: u64,
        size: usize,
        tracked: bool,
        /// Entries of one name may be merged.
        name: Option<u64>,
    },
    Advance {
        ms: u64,
    },
    AdvanceToTimeout,
    Poll,
    Flush,
    Answer {
        which: usize,
        how: How,
    },
    /// Answers a request that was answered or given up before.
    AnswerAgain {
        which: usize,
        how: How,
    },
    /// The dead-letter handler ends.
    Letter {
        which: usize,
        safe: bool,
    },
}

/// How a destination answers.
#[derive(Debug, Clone)]
pub(super) enum How {
    Delivered,
    /// Bits say which entries fail, and whether throttled.
    Partial {
        failed: u32,
        throttled: u32,
        retry_after: Option<u64>,
    },
    ThrottleAll,
    UnavailableAll,
    TimeoutAll,
    WrongLength(usize),
    Fatal,
    Reject(usize),
    RejectAll,
    Bisect,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Limiting {
    Adaptive,
    CongestionControl,
    TokenBucket,
    Nothing,
    EveryHundredMs,
}

impl How {
    /// Whether the entry at this position is delivered, and whether it is throttled.
    pub(super) fn of(&self, position: usize, sent: usize) -> (bool, bool) {
        match self {
            Self::Delivered => (true, false),
            Self::Partial { failed, throttled, .. } => {
                let bit = position % 32;
                let failed = failed >> bit & 1 == 1;
                (!failed, failed && throttled >> bit & 1 == 1)
            }
            Self::WrongLength(length) => (*length == sent, false),
            Self::Reject(which) => (*which != position, false),
            Self::ThrottleAll => (false, true),
            Self::UnavailableAll
            | Self::TimeoutAll
            | Self::Fatal
            | Self::RejectAll
            | Self::Bisect => (false, false),
        }
    }
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        6 => Just(How::Delivered),
        6 => (any::<u32>(), any::<u32>(), proptest::option::of(0..500_u64))
            .prop_map(|(failed, throttled, retry_after)| How::Partial { failed, throttled, retry_after }),
        2 => Just(How::ThrottleAll),
        2 => Just(How::UnavailableAll),
        1 => Just(How::TimeoutAll),
        1 => Just(How::Bisect),
        1 => (0..8_usize).prop_map(How::WrongLength),
    ]
}

fn push() -> impl Strategy<Value = Op> {
    let size = prop_oneof![0..=40_usize, 0..=8_usize]; // small ones, that have room for others
    (0..4_u64, size, proptest::bool::weighted(0.3), proptest::option::of(0..3_u64))
        .prop_map(|(lane, size, tracked, name)| Op::Push { lane, size, tracked, name })
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let how_or_worse = prop_oneof![
        60 => how(),
        1 => Just(How::Fatal),
        2 => (0..4_usize).prop_map(How::Reject),
        1 => Just(How::RejectAll),
    ];
    prop_oneof![
        10 => push(),
        2 => (0..3000_u64).prop_map(|ms| Op::Advance { ms }),
        2 => Just(Op::AdvanceToTimeout),
        6 => Just(Op::Poll),
        1 => Just(Op::Flush),
        6 => (any::<usize>(), how_or_worse).prop_map(|(which, how)| Op::Answer { which, how }),
        1 => (any::<usize>(), how()).prop_map(|(which, how)| Op::AnswerAgain { which, how }),
        1 => (any::<usize>(), proptest::bool::weighted(0.97))
            .prop_map(|(which, safe)| Op::Letter { which, safe }),
    ]
}

pub(super) fn outcome(how: &How, sent: usize) -> Outcome {
    match how {
        How::Delivered => Outcome::Delivered,
        How::Partial { retry_after, .. } => {
            let retry_after = retry_after.map(Duration::from_millis);
            let verdicts = (0..sent).map(|position| match how.of(position, sent) {
                (true, _) => Verdict::Delivered,
                (false, true) => Verdict::Retry(Cause::Throttled { retry_after }),
                (false, false) => Verdict::Retry(Cause::Unavailable),
            });
            Outcome::per_entry(sent, verdicts)
        }
        How::ThrottleAll => Outcome::RetryAll(Cause::THROTTLED, Reason::new("Throttling", "")),
        How::UnavailableAll => unavailable_all(),
        How::TimeoutAll => Outcome::RetryAll(Cause::Timeout, Reason::new("Timeout", "")),
        How::WrongLength(length) => {
            Outcome::per_entry(sent, std::iter::repeat_n(Verdict::Delivered, *length))
        }
        How::Fatal => Outcome::Fatal(Error::new(ErrorKind::Fatal, "test", "denied")),
        How::Reject(which) => Outcome::per_entry(
            sent,
            (0..sent).map(|position| {
                if position == *which { Verdict::Reject(invalid()) } else { Verdict::Delivered }
            }),
        ),
        How::RejectAll => Outcome::RejectAll(invalid()),
        How::Bisect => Outcome::Bisect(invalid()),
    }
}

pub(super) fn invalid() -> Reason {
    Reason::new("Invalid", "the value is not a number")
}
