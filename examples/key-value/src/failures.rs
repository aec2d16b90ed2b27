//! The third piece: what the answer says of each pair.

use std::{fmt, io, time::Duration};

use sink_core::{Cause, Error, ErrorKind, Outcome, Reason, Verdict};

/// What a code of the service means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is stored.
    Stored,
    /// The service asks for less.
    Throttled,
    /// The service failed; later it may not.
    Unavailable,
    /// The service will never store it.
    Bad,
    /// Nothing can be stored until somebody does what stands here.
    Fatal(&'static str),
}

/// Every code of the service's manual (Errors).
pub const CODES: &[(&str, Class)] = &[
    ("stored", Class::Stored),
    ("busy", Class::Throttled),
    ("too_many_requests", Class::Throttled),
    ("internal", Class::Unavailable),
    ("unavailable", Class::Unavailable),
    ("bad_pair", Class::Bad),
    ("unauthorized", Class::Fatal("the token may not write: give it the role `writer`")),
    ("no_such_table", Class::Fatal("the table is not there: check its name, or create it")),
    ("too_large", Class::Fatal("the call passes the service's limits, which have changed")),
];

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyValueError {
    /// The service refused the call as a whole.
    Refused {
        /// The service's code.
        code: String,
        /// How long the service asks to wait, where it does.
        retry_after: Option<Duration>,
    },
    /// The call did not reach the service, or its answer did not come back.
    Connection(io::Error),
}

impl fmt::Display for KeyValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, .. } => write!(f, "refused: {code}"),
            Self::Connection(error) => write!(f, "connection: {error}"),
        }
    }
}

impl std::error::Error for KeyValueError {}

/// What became of the pairs of a call.
pub(crate) fn outcome(answer: Result<Vec<String>, KeyValueError>, sent: usize) -> Outcome {
    match answer {
        Ok(codes) => Outcome::per_entry(sent, codes.iter().map(|code| verdict(code))),
        Err(KeyValueError::Refused { code, retry_after }) => refused(&code, retry_after),
        Err(KeyValueError::Connection(error)) => {
            Outcome::RetryAll(Cause::Unavailable, Reason::new("Connection", error.to_string()))
        }
    }
}

fn verdict(code: &str) -> Verdict {
    match class(code) {
        Class::Stored => Verdict::Delivered,
        Class::Throttled => Verdict::Retry(Cause::THROTTLED),
        // A call that was allowed is no reason to stop: the next one is refused if nothing is.
        Class::Unavailable | Class::Fatal(_) => Verdict::Retry(Cause::Unavailable),
        Class::Bad => Verdict::Reject(Reason::new(code, "the service will never store this pair")),
    }
}

fn refused(code: &str, retry_after: Option<Duration>) -> Outcome {
    let reason = Reason::new(code, "");
    match class(code) {
        Class::Throttled => Outcome::RetryAll(Cause::Throttled { retry_after }, reason),
        // A refusal that calls itself stored is believed as little as one that says nothing.
        Class::Stored | Class::Unavailable => Outcome::RetryAll(Cause::Unavailable, reason),
        // One pair is bad, and the service does not say which.
        Class::Bad => Outcome::Bisect(reason),
        Class::Fatal(advice) => {
            Outcome::Fatal(Error::new(ErrorKind::Fatal, "put", format!("{advice} [{code}]")))
        }
    }
}

/// A code that nobody has heard of is sent again: better twice than not at all.
fn class(code: &str) -> Class {
    let known = CODES.iter().find(|(known, _)| *known == code);
    known.map_or(Class::Unavailable, |(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_gets_the_verdict_of_its_code() {
        for (code, expected) in [
            ("busy", Verdict::Retry(Cause::THROTTLED)),
            ("internal", Verdict::Retry(Cause::Unavailable)),
            ("no_such_table", Verdict::Retry(Cause::Unavailable)),
            ("brand_new", Verdict::Retry(Cause::Unavailable)),
            ("", Verdict::Retry(Cause::Unavailable)),
        ] {
            let answer = Ok(vec!["stored".to_owned(), code.to_owned()]);
            let Outcome::PerEntry(verdicts) = outcome(answer, 2) else { panic!("{code}") };
            assert_eq!(verdicts.failures(), [(1, expected)], "{code}");
        }
    }

    #[test]
    fn each_code_of_a_call_has_the_meaning_that_the_table_gives_it() {
        let second = Some(Duration::from_secs(1));
        for (code, class) in CODES {
            let refusal = KeyValueError::Refused { code: (*code).to_owned(), retry_after: second };
            match (class, outcome(Err(refusal), 3)) {
                (Class::Throttled, Outcome::RetryAll(Cause::Throttled { retry_after }, _)) => {
                    assert_eq!(retry_after, second, "{code}");
                }
                (Class::Stored | Class::Unavailable, Outcome::RetryAll(cause, _)) => {
                    assert_eq!(cause, Cause::Unavailable, "{code}");
                }
                (Class::Bad, Outcome::Bisect(reason)) => assert_eq!(reason.code(), *code),
                (Class::Fatal(advice), Outcome::Fatal(error)) => {
                    assert_eq!(error.message(), format!("{advice} [{code}]"));
                }
                (class, outcome) => panic!("{code} is {class:?}, but {outcome:?}"),
            }
        }
    }
}
