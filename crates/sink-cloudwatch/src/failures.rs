//! The third piece: what the answer to `PutMetricData` says of the data.

use aws_sdk_cloudwatch::{
    error::{ProvideErrorMetadata as _, SdkError},
    operation::put_metric_data::{PutMetricDataError, PutMetricDataOutput},
};
use sink_aws::{Classifier, codes::Class};
use sink_core::{Outcome, Reason};

const DENIED: Class = Class::Fatal(
    "the credentials may not write metrics to the namespace: allow the IAM action \
     cloudwatch:PutMetricData, and this namespace where a condition on cloudwatch:namespace stands",
);
const NOT_FOUND: Class = Class::Fatal(
    "CloudWatch does not find something that the request needs: check the region and `endpoint_url`",
);

/// What CloudWatch's own error codes mean. Those that all AWS services have in common stand in
/// [`sink_aws::codes::COMMON`].
///
/// From the API reference of `PutMetricData` and its "Common Errors", and the SDK's model, whose
/// names for some of the errors differ from the codes on the wire; both are here.
/// `RequestEntityTooLarge` is what the service was seen to answer to requests that are too large.
pub const CODES: &[(&str, Class)] = &[
    // More requests than the account's quota.
    ("RequestLimitExceeded", Class::Throttled),
    ("Throttling", Class::Throttled),
    ("ThrottlingException", Class::Throttled),
    // CloudWatch failed.
    ("InternalFailure", Class::Unavailable),
    ("InternalServiceError", Class::Unavailable),
    ("InternalServiceFault", Class::Unavailable),
    ("ServiceUnavailable", Class::Unavailable),
    ("ServiceUnavailableException", Class::Unavailable),
    // Some datum is bad, and nothing of the request is stored.
    ("InvalidFormat", Class::Bisect),
    ("InvalidFormatFault", Class::Bisect),
    ("InvalidParameterCombination", Class::Bisect),
    ("InvalidParameterCombinationException", Class::Bisect),
    ("InvalidParameterValue", Class::Bisect),
    ("InvalidParameterValueException", Class::Bisect),
    ("MissingParameter", Class::Bisect),
    ("MissingRequiredParameterException", Class::Bisect),
    ("ValidationError", Class::Bisect),
    ("ValidationException", Class::Bisect),
    // The halves are smaller.
    ("RequestEntityTooLarge", Class::Bisect),
    ("RequestEntityTooLargeException", Class::Bisect),
    ("AccessDenied", DENIED),
    ("AccessDeniedException", DENIED),
    ("ResourceNotFound", NOT_FOUND),
    ("ResourceNotFoundException", NOT_FOUND),
];

/// What became of the `sent` data. CloudWatch takes all of a request or nothing.
pub(crate) fn outcome(
    classifier: &Classifier,
    answer: Result<PutMetricDataOutput, SdkError<PutMetricDataError>>,
    sent: usize,
) -> Outcome {
    let Err(error) = answer else {
        return classifier.answered(sent, std::iter::repeat_n(None, sent));
    };
    // A proxy's answer has no code, and is fatal to other sinks; here the halves are smaller.
    let is_too_large = error.raw_response().is_some_and(|answer| answer.status().as_u16() == 413);
    if is_too_large && error.code().is_none() {
        return Outcome::Bisect(Reason::new("HTTP 413", "the request is too large"));
    }
    classifier.failed(error)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aws_sdk_cloudwatch::types::error::{
        InternalServiceFault, InvalidParameterCombinationException, InvalidParameterValueException,
        MissingRequiredParameterException,
    };
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};
    use sink_core::{Cause, ErrorKind};

    use super::*;

    fn classifier() -> Classifier {
        Classifier::new("PutMetricData", CODES).with_context("namespace", "Shop")
    }

    fn refused(status: u16, error: PutMetricDataError) -> Outcome {
        let status = StatusCode::try_from(status).unwrap();
        let answer = HttpResponse::new(status, SdkBody::empty());
        outcome(&classifier(), Err(SdkError::service_error(error, answer)), 3)
    }

    fn coded(code: &str) -> PutMetricDataError {
        let metadata = ErrorMetadata::builder().code(code).message("because").build();
        PutMetricDataError::generic(metadata)
    }

    fn expect(code: &str, class: Class, outcome: &Outcome) {
        match (class, outcome) {
            (Class::Throttled, Outcome::RetryAll(cause, reason)) => {
                assert_eq!((*cause, reason.code()), (Cause::THROTTLED, code));
            }
            (Class::Unavailable, Outcome::RetryAll(cause, reason)) => {
                assert_eq!((*cause, reason.code()), (Cause::Unavailable, code));
            }
            (Class::Bisect, Outcome::Bisect(reason)) => {
                assert_eq!((reason.code(), reason.message()), (code, "because"));
            }
            (Class::Fatal(advice), Outcome::Fatal(error)) => {
                assert_eq!(error.kind(), ErrorKind::Fatal);
                assert_eq!(error.message(), format!("{advice} [{code}: because]"));
            }
            (class, outcome) => panic!("{code} is {class:?}, but {outcome:?}"),
        }
    }

    #[test]
    fn each_code_has_the_meaning_that_the_table_gives_it() {
        let mut seen = HashSet::new();
        for (code, class) in CODES {
            assert!(seen.insert(code), "{code} is listed twice");
            expect(code, *class, &refused(400, coded(code)));
        }
    }

    #[test]
    fn an_answer_without_an_error_is_delivered() {
        let output = PutMetricDataOutput::builder().build();
        assert!(matches!(outcome(&classifier(), Ok(output), 1000), Outcome::Delivered));
    }

    #[test]
    fn an_answer_without_a_code_is_told_by_its_status() {
        let empty = || PutMetricDataError::generic(ErrorMetadata::builder().build());
        let Outcome::Bisect(reason) = refused(413, empty()) else { panic!("413 is no bisection") };
        assert_eq!(reason.to_string(), "HTTP 413: the request is too large");
        for (status, expected) in
            [(429, Cause::THROTTLED), (503, Cause::Unavailable), (400, Cause::Unavailable)]
        {
            let outcome = refused(status, empty());
            assert!(
                matches!(&outcome, Outcome::RetryAll(cause, _) if *cause == expected),
                "{status}: {outcome:?}"
            );
        }
    }

    #[test]
    fn the_sdks_own_error_types_are_told_by_their_code() {
        let meta = |code: &str| ErrorMetadata::builder().code(code).message("because").build();
        let code = "InternalServiceError";
        let fault = InternalServiceFault::builder().meta(meta(code)).build();
        let error = PutMetricDataError::InternalServiceFault(fault);
        expect(code, Class::Unavailable, &refused(500, error));
        let code = "InvalidParameterCombination";
        let error = InvalidParameterCombinationException::builder().meta(meta(code)).build();
        let error = PutMetricDataError::InvalidParameterCombinationException(error);
        expect(code, Class::Bisect, &refused(400, error));
        let code = "InvalidParameterValue";
        let error = InvalidParameterValueException::builder().meta(meta(code)).build();
        let error = PutMetricDataError::InvalidParameterValueException(error);
        expect(code, Class::Bisect, &refused(400, error));
        let code = "MissingParameter";
        let error = MissingRequiredParameterException::builder().meta(meta(code)).build();
        let error = PutMetricDataError::MissingRequiredParameterException(error);
        expect(code, Class::Bisect, &refused(400, error));
    }

    #[test]
    fn the_readme_has_each_code_and_what_the_sink_does() {
        let table = sink_aws::codes::readme_table(CODES);
        assert!(include_str!("../README.md").contains(&table), "README.md needs this:\n{table}");
    }
}
