//! The third piece: what the answer to `PutRecords` says of each record.

use aws_sdk_kinesis::{
    error::SdkError,
    operation::put_records::{PutRecordsError, PutRecordsOutput},
    types::PutRecordsResultEntry,
};
use sink_aws::{Answer, CBOR_REFUSED, Classifier, codes::Class, not_stored};
use sink_core::Outcome;

const INVALID: Class = Class::Fatal(
    "Kinesis refused the request as invalid: where it says that a record is too large, lower \
     `max_record_size_in_bytes` or raise the stream's own limit (UpdateMaxRecordSize)",
);

/// What Kinesis' own error codes mean, for a request and for a record, and the common ones of which
/// there is more to say. The others, such as those of throttling and of KMS keys, stand in
/// [`sink_aws::codes::COMMON`].
///
/// From the API reference of `PutRecords`, the SDK's model, and the errors that the other
/// operations on a stream list.
pub const CODES: &[(&str, Class)] = &[
    // The protocol's own code: it goes on in JSON.
    (CBOR_REFUSED, Class::Unavailable),
    // A stream that is being created or changed will be there soon.
    ("ResourceInUseException", Class::Unavailable),
    (
        "AccessDeniedException",
        Class::Fatal(
            "the credentials may not write to the stream: allow the IAM action kinesis:PutRecords \
             on it (and kms:GenerateDataKey on its key, where it is encrypted)",
        ),
    ),
    (
        "ResourceNotFoundException",
        Class::Fatal(
            "the stream is not there: check its name, the region and the account, or create it \
             with `aws kinesis create-stream --stream-name <name>` and wait until it is ACTIVE",
        ),
    ),
    ("InvalidArgumentException", INVALID),
    ("ValidationException", INVALID),
    (
        "DryRunOperationException",
        Class::Fatal("the request was a dry run, and nothing is stored: send without `DryRun`"),
    ),
];

/// What became of the records.
///
/// `FailedRecordCount` is never read. What counts is what the answer says of each record: it is
/// stored when it has a sequence number and no error code.
pub(crate) fn outcome(
    classifier: &Classifier,
    answer: Result<Answer<PutRecordsOutput>, SdkError<PutRecordsError>>,
    sent: usize,
) -> Outcome {
    classifier.outcome(sent, answer, PutRecordsOutput::records, failure)
}

/// Code and message of a record that is not stored.
fn failure(record: &PutRecordsResultEntry) -> Option<(&str, &str)> {
    not_stored(record.sequence_number(), record.error_code(), record.error_message())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aws_sdk_kinesis::types::error::{
        AccessDeniedException, KmsDisabledException, ProvisionedThroughputExceededException,
    };
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};
    use sink_core::{Cause, ErrorKind, Verdict};

    use super::*;

    fn classifier() -> Classifier {
        Classifier::new("PutRecords", CODES).with_context("stream", "flights")
    }

    fn stored() -> PutRecordsResultEntry {
        PutRecordsResultEntry::builder().sequence_number("4954").shard_id("shardId-0").build()
    }

    fn failed(code: &str) -> PutRecordsResultEntry {
        PutRecordsResultEntry::builder().error_code(code).error_message("because").build()
    }

    fn output(count: Option<i32>, records: &[PutRecordsResultEntry]) -> PutRecordsOutput {
        PutRecordsOutput::builder()
            .set_failed_record_count(count)
            .set_records(Some(records.to_vec()))
            .build()
            .unwrap()
    }

    #[test]
    fn each_record_gets_the_verdict_of_its_code() {
        let throttled = || Verdict::Retry(Cause::THROTTLED);
        let unavailable = || Verdict::Retry(Cause::Unavailable);
        for (records, expected) in [
            (vec![stored(), stored()], vec![]),
            (
                vec![failed("ProvisionedThroughputExceededException"), stored()],
                vec![(0, throttled())],
            ),
            (vec![stored(), failed("InternalFailure")], vec![(1, unavailable())]),
            (
                vec![failed("KMSThrottlingException"), failed("BrandNew")],
                vec![(0, throttled()), (1, unavailable())],
            ),
            // Fatal for a request, but here one record is stored.
            (vec![failed("KMSDisabledException"), stored()], vec![(0, unavailable())]),
            // Silence is not success.
            (vec![PutRecordsResultEntry::builder().build(), stored()], vec![(0, unavailable())]),
            (
                vec![PutRecordsResultEntry::builder().sequence_number("").build(), stored()],
                vec![(0, unavailable())],
            ),
            (
                vec![PutRecordsResultEntry::builder().shard_id("shardId-0").build(), stored()],
                vec![(0, unavailable())],
            ),
            // Some emulators write an empty code on success.
            (
                vec![
                    PutRecordsResultEntry::builder().sequence_number("1").error_code("").build(),
                    stored(),
                ],
                vec![],
            ),
            // A code beside a sequence number: better twice than not at all.
            (
                vec![
                    PutRecordsResultEntry::builder()
                        .sequence_number("1")
                        .error_code("InternalFailure")
                        .build(),
                    stored(),
                ],
                vec![(0, unavailable())],
            ),
        ] {
            // Whatever the count says.
            for count in [None, Some(0), Some(1), Some(2), Some(-1)] {
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
            let outcome =
                outcome(&classifier(), Ok(Answer::Parsed(output(Some(0), &records))), sent);
            assert!(
                matches!(&outcome, Outcome::RetryAll(Cause::Unavailable, reason)
                    if reason.code() == "WrongAnswerLength"),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn records_that_all_fail_for_good_stop_the_sink() {
        let records = [failed("KMSDisabledException"), failed("KMSDisabledException")];
        let outcome = outcome(&classifier(), Ok(Answer::Parsed(output(Some(2), &records))), 2);
        let Outcome::Fatal(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            error.to_string(),
            "PutRecords: the destination's KMS key is disabled: enable it, or choose another \
             [KMSDisabledException: because] (stream=flights)"
        );
    }

    fn refused(error: PutRecordsError) -> Outcome {
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
            match (class, refused(PutRecordsError::generic(metadata))) {
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

    /// Those of the API reference of `PutRecords`, for a request and for a record, and what the
    /// classes of the others were from the start.
    #[test]
    fn every_error_of_the_api_reference_has_the_class_it_should_have() {
        let class = |code| match classifier().class(code) {
            Some(Class::Throttled) => "throttled",
            Some(Class::Unavailable) => "unavailable",
            Some(Class::Fatal(_)) => "fatal",
            other => panic!("{code} is {other:?}"),
        };
        for (expected, codes) in [
            (
                "throttled",
                &[
                    "ProvisionedThroughputExceededException",
                    "KMSThrottlingException",
                    "LimitExceededException",
                    "ThrottlingException",
                ][..],
            ),
            (
                "unavailable",
                &[
                    "InternalFailure",
                    "InternalFailureException",
                    "ResourceInUseException",
                    "ServiceUnavailable",
                    "ServiceUnavailableException",
                ],
            ),
            (
                "fatal",
                &[
                    "AccessDeniedException",
                    "InvalidArgumentException",
                    "KMSAccessDeniedException",
                    "KMSDisabledException",
                    "KMSInvalidStateException",
                    "KMSNotFoundException",
                    "KMSOptInRequired",
                    "ResourceNotFoundException",
                    "ValidationException",
                ],
            ),
        ] {
            for code in codes {
                assert_eq!(class(code), expected, "{code}");
            }
        }
    }

    #[test]
    fn the_sdks_own_error_types_are_told_by_their_code() {
        fn meta(code: &str) -> ErrorMetadata {
            ErrorMetadata::builder().code(code).build()
        }
        let throttled = ProvisionedThroughputExceededException::builder()
            .meta(meta("ProvisionedThroughputExceededException"));
        assert!(matches!(
            refused(PutRecordsError::ProvisionedThroughputExceededException(throttled.build())),
            Outcome::RetryAll(Cause::Throttled { retry_after: None }, _)
        ));
        let denied = AccessDeniedException::builder().meta(meta("AccessDeniedException"));
        assert!(matches!(
            refused(PutRecordsError::AccessDeniedException(denied.build())),
            Outcome::Fatal(error) if error.message().contains("kinesis:PutRecords")
        ));
        let disabled = KmsDisabledException::builder().meta(meta("KMSDisabledException"));
        assert!(matches!(
            refused(PutRecordsError::KmsDisabledException(disabled.build())),
            Outcome::Fatal(error) if error.message().contains("is disabled")
        ));
    }

    #[test]
    fn the_readme_has_each_code_and_what_the_sink_does() {
        let table = sink_aws::codes::readme_table(CODES);
        assert!(include_str!("../README.md").contains(&table), "README.md needs this:\n{table}");
    }
}
