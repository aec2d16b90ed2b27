//! The third piece: what the answer to `PutRecordBatch` says of each record.

use aws_sdk_firehose::{
    error::SdkError,
    operation::put_record_batch::{PutRecordBatchError, PutRecordBatchOutput},
    types::PutRecordBatchResponseEntry,
};
use sink_aws::{Answer, Classifier, codes::Class, not_stored};
use sink_core::Outcome;

/// What Firehose's own error codes mean, for a request and for a record. Those that all AWS
/// services have in common stand in [`sink_aws::codes::COMMON`].
///
/// From the API reference of `PutRecordBatch`, the SDK's model, and the errors that the other
/// operations on a delivery stream list.
pub const CODES: &[(&str, Class)] = &[
    // "If you continue to see the exception, throughput limits for the Firehose stream may have
    // been exceeded": it has no code of its own for throttling.
    ("ServiceUnavailableException", Class::Throttled),
    ("LimitExceededException", Class::Throttled),
    // Firehose failed. A stream that is being created or changed will be there soon.
    ("InternalFailure", Class::Unavailable),
    ("ResourceInUseException", Class::Unavailable),
    (
        "AccessDeniedException",
        Class::Fatal(
            "the credentials may not write to the delivery stream: allow the IAM action \
             firehose:PutRecordBatch on it",
        ),
    ),
    (
        "ResourceNotFoundException",
        Class::Fatal(
            "the delivery stream is not there: check its name, the region and the account, or \
             create it and wait until it is ACTIVE",
        ),
    ),
    (
        "InvalidArgumentException",
        Class::Fatal(
            "Firehose refused the request as invalid: the message says what is wrong; the delivery \
             stream's source must be Direct PUT",
        ),
    ),
    (
        "InvalidKMSResourceException",
        Class::Fatal(
            "Firehose cannot use the delivery stream's KMS key: enable it and allow Firehose's \
             grant on it, or give the stream another",
        ),
    ),
    (
        "InvalidSourceException",
        Class::Fatal(
            "the delivery stream takes records from CloudWatch Logs only: switch off its \
             CloudWatch Logs decompression, or write to another",
        ),
    ),
];

/// What became of the records.
///
/// `FailedPutCount` is never read. What counts is what the answer says of each record: it is
/// stored when it has a record id and no error code.
pub(crate) fn outcome(
    classifier: &Classifier,
    answer: Result<Answer<PutRecordBatchOutput>, SdkError<PutRecordBatchError>>,
    sent: usize,
) -> Outcome {
    classifier.outcome(sent, answer, PutRecordBatchOutput::request_responses, failure)
}

/// Code and message of a record that is not stored.
fn failure(record: &PutRecordBatchResponseEntry) -> Option<(&str, &str)> {
    not_stored(record.record_id(), record.error_code(), record.error_message())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aws_sdk_firehose::types::error::{InvalidSourceException, ServiceUnavailableException};
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};
    use sink_core::{Cause, ErrorKind, Verdict};

    use super::*;

    fn classifier() -> Classifier {
        Classifier::new("PutRecordBatch", CODES).with_context("delivery_stream", "flights")
    }

    fn stored() -> PutRecordBatchResponseEntry {
        PutRecordBatchResponseEntry::builder().record_id("4954").build()
    }

    fn failed(code: &str) -> PutRecordBatchResponseEntry {
        PutRecordBatchResponseEntry::builder().error_code(code).error_message("because").build()
    }

    fn output(count: i32, records: &[PutRecordBatchResponseEntry]) -> PutRecordBatchOutput {
        PutRecordBatchOutput::builder()
            .failed_put_count(count)
            .set_request_responses(Some(records.to_vec()))
            .build()
            .unwrap()
    }

    #[test]
    fn each_record_gets_the_verdict_of_its_code() {
        let throttled = || Verdict::Retry(Cause::THROTTLED);
        let unavailable = || Verdict::Retry(Cause::Unavailable);
        let entry = PutRecordBatchResponseEntry::builder;
        for (records, expected) in [
            (vec![stored(), stored()], vec![]),
            (vec![failed("ServiceUnavailableException"), stored()], vec![(0, throttled())]),
            (vec![stored(), failed("InternalFailure")], vec![(1, unavailable())]),
            (
                vec![failed("ThrottlingException"), failed("BrandNew")],
                vec![(0, throttled()), (1, unavailable())],
            ),
            // Fatal for a request, but here one record is stored.
            (vec![failed("InvalidKMSResourceException"), stored()], vec![(0, unavailable())]),
            // Silence is not success.
            (vec![entry().build(), stored()], vec![(0, unavailable())]),
            (vec![entry().record_id("").build(), stored()], vec![(0, unavailable())]),
            // Some emulators write an empty code on success.
            (vec![entry().record_id("1").error_code("").build(), stored()], vec![]),
            // A code beside a record id: better twice than not at all.
            (
                vec![entry().record_id("1").error_code("InternalFailure").build(), stored()],
                vec![(0, unavailable())],
            ),
        ] {
            // Whatever the count says.
            for count in [0, 1, 2, -1] {
                let answer = output(count, &records);
                match outcome(&classifier(), Ok(Answer::Parsed(answer)), records.len()) {
                    Outcome::Delivered => assert!(expected.is_empty(), "{records:?}"),
                    Outcome::PerEntry(verdicts) => {
                        assert_eq!(verdicts.failures(), expected, "{records:?}");
                    }
                    other => panic!("{other:?} of {records:?}"),
                }
            }
        }
    }

    #[test]
    fn an_answer_of_the_wrong_length_is_retried() {
        for (records, sent) in [(vec![], 1), (vec![stored()], 2), (vec![stored(), stored()], 1)] {
            let outcome = outcome(&classifier(), Ok(Answer::Parsed(output(0, &records))), sent);
            assert!(
                matches!(&outcome, Outcome::RetryAll(Cause::Unavailable, reason)
                    if reason.code() == "WrongAnswerLength"),
                "{outcome:?}"
            );
        }
    }

    fn refused(error: PutRecordBatchError) -> Outcome {
        let status = StatusCode::try_from(400).unwrap();
        let answer = HttpResponse::new(status, SdkBody::empty());
        outcome(&classifier(), Err(SdkError::service_error(error, answer)), 3)
    }

    #[test]
    fn each_code_of_a_request_has_the_meaning_that_the_table_gives_it() {
        let mut seen = HashSet::new();
        for (code, class) in CODES {
            assert!(seen.insert(code), "{code} is listed twice");
            let metadata = ErrorMetadata::builder().code(*code).message("because").build();
            match (class, refused(PutRecordBatchError::generic(metadata))) {
                (Class::Throttled, Outcome::RetryAll(cause, reason)) => {
                    assert_eq!((cause, reason.code()), (Cause::THROTTLED, *code));
                }
                (Class::Unavailable, Outcome::RetryAll(cause, reason)) => {
                    assert_eq!((cause, reason.code()), (Cause::Unavailable, *code));
                }
                (Class::Fatal(advice), Outcome::Fatal(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Fatal);
                    assert_eq!(error.message(), format!("{advice} [{code}: because]"));
                }
                (class, outcome) => panic!("{code} is {class:?}, but {outcome:?}"),
            }
        }
    }

    /// Those of the API reference of `PutRecordBatch`, for a request and for a record.
    #[test]
    fn every_error_of_the_api_reference_has_the_class_it_should_have() {
        let class = |code| match classifier().class(code) {
            Some(Class::Throttled) => "throttled",
            Some(Class::Unavailable) => "unavailable",
            Some(Class::Fatal(_)) => "fatal",
            other => panic!("{code} is {other:?}"),
        };
        for (code, expected) in [
            ("ServiceUnavailableException", "throttled"),
            ("InternalFailure", "unavailable"),
            ("InvalidArgumentException", "fatal"),
            ("InvalidKMSResourceException", "fatal"),
            ("InvalidSourceException", "fatal"),
            ("ResourceNotFoundException", "fatal"),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }

    #[test]
    fn the_sdks_own_error_types_are_told_by_their_code() {
        let meta = |code| ErrorMetadata::builder().code(code).build();
        let throttled =
            ServiceUnavailableException::builder().meta(meta("ServiceUnavailableException"));
        assert!(matches!(
            refused(PutRecordBatchError::ServiceUnavailableException(throttled.build())),
            Outcome::RetryAll(Cause::Throttled { retry_after: None }, _)
        ));
        let source = InvalidSourceException::builder().meta(meta("InvalidSourceException"));
        assert!(matches!(
            refused(PutRecordBatchError::InvalidSourceException(source.build())),
            Outcome::Fatal(error) if error.message().contains("CloudWatch Logs")
        ));
    }

    #[test]
    fn the_readme_has_each_code_and_what_the_sink_does() {
        let table = sink_aws::codes::readme_table(CODES);
        assert!(include_str!("../README.md").contains(&table), "README.md needs this:\n{table}");
    }
}
