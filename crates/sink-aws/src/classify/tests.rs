use std::{io, sync::Arc};

use super::*;

const CODES: &[(&str, Class)] = &[
    ("AccessDeniedException", Class::Fatal("allow it")),
    ("KeyDisabledException", Class::Fatal("enable the key")),
];

const THROTTLED: Option<(&str, &str)> = Some(("ThrottlingException", "Rate exceeded"));
const FAILED: Option<(&str, &str)> = Some(("InternalFailure", ""));
const UNKNOWN: Option<(&str, &str)> = Some(("BrandNew", ""));
const DISABLED: Option<(&str, &str)> = Some(("KeyDisabledException", "key 7\nis disabled"));
const DENIED: Option<(&str, &str)> = Some(("AccessDeniedException", "no"));

#[test]
fn each_entry_gets_the_verdict_of_its_code() {
    let classifier = Classifier::new("PutRecords", CODES);
    let entries = [THROTTLED, None, FAILED, UNKNOWN, DISABLED];
    let Outcome::PerEntry(verdicts) = classifier.answered(5, entries) else {
        panic!("not per entry")
    };
    let unavailable = Verdict::Retry(Cause::Unavailable);
    assert_eq!(
        verdicts.failures(),
        [
            (0, Verdict::Retry(Cause::THROTTLED)),
            (2, unavailable.clone()),
            (3, unavailable.clone()),
            (4, unavailable)
        ]
    );
}

#[test]
fn a_fatal_code_stops_the_sink_only_when_nothing_is_stored() {
    let classifier = Classifier::new("PutRecords", CODES).with_context("stream", "flights");
    for entries in [[DISABLED, None], [DISABLED, THROTTLED], [UNKNOWN, DISABLED]] {
        assert!(matches!(classifier.answered(2, entries), Outcome::PerEntry(_)), "{entries:?}");
    }
    let Outcome::Fatal(error) = classifier.answered(2, [DISABLED, DENIED]) else {
        panic!("not fatal")
    };
    assert_eq!(
        error.to_string(),
        "PutRecords: enable the key [KeyDisabledException: key 7 is disabled] (stream=flights)"
    );
}

#[test]
fn a_code_that_speaks_of_a_bad_entry_rejects_that_entry_where_each_is_answered() {
    let classifier = Classifier::new("PutMetricData", &[("InvalidParameterValue", Class::Bisect)]);
    let bad = Some(("InvalidParameterValue", "no\nnumber"));
    let Outcome::PerEntry(verdicts) = classifier.answered(2, [None, bad]) else {
        panic!("not per entry")
    };
    let reason = Reason::new("InvalidParameterValue", "no number");
    assert_eq!(verdicts.failures(), [(1, Verdict::Reject(reason))]);
}

#[test]
fn an_answer_of_the_wrong_length_is_never_trusted() {
    let classifier = Classifier::new("PutRecords", CODES);
    for entries in [&[][..], &[None], &[None, None, None], &[DISABLED]] {
        assert!(
            matches!(classifier.answered(2, entries.iter().copied()),
                Outcome::RetryAll(Cause::Unavailable, reason)
                    if reason.code() == "WrongAnswerLength"),
            "{entries:?}"
        );
    }
}

#[test]
fn the_services_own_table_is_asked_first() {
    let classifier = Classifier::new("PutRecords", CODES);
    assert_eq!(classifier.class("AccessDeniedException"), Some(Class::Fatal("allow it")));
    assert_eq!(classifier.class("SlowDown"), Some(Class::Throttled));
    assert_eq!(classifier.class("BrandNew"), None);
}

#[test]
fn an_entry_is_stored_when_it_has_an_id_and_no_code() {
    let silent = Some(("NeitherIdNorCode", "the answer has neither an id nor an error code"));
    for (id, code, message, expected) in [
        (Some("1"), None, None, None),
        (Some("1"), Some(""), Some(""), None),
        // Better twice than not at all.
        (Some("1"), Some("Failed"), Some("why"), Some(("Failed", "why"))),
        (None, Some("Failed"), None, Some(("Failed", ""))),
        (None, None, Some("why"), silent),
        (Some(""), Some(""), None, silent),
    ] {
        assert_eq!(not_stored(id, code, message), expected, "{id:?} {code:?} {message:?}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_unknown_code_is_logged_once_and_only_so_many() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // A place that logs is noted when it is first passed, with whether anybody listens. Another test
    // may pass this one in the same moment, and would have it noted that nobody does: so it is passed
    // here first, and all are asked again.
    drop(Classifier::new("PutRecords", CODES).answered(1, [UNKNOWN]));
    tracing::subscriber::with_default(subscriber, || {
        tracing::callsite::rebuild_interest_cache();
        let classifier = Classifier::new("PutRecords", CODES);
        for _ in 0..3 {
            drop(classifier.answered(2, [UNKNOWN, THROTTLED]));
        }
        for number in 0..1000 {
            drop(classifier.answered(1, [Some((&*format!("Made{number}Up"), ""))]));
        }
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("code=\"BrandNew\"").count(), 1, "{log}");
    assert_eq!(log.lines().count(), MOST_UNKNOWN, "{log}");
}
