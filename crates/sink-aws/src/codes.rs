//! What AWS error codes mean.
//!
//! A code that stands in no table is **unknown**: its entries are sent again, and the code is
//! logged the first time it is seen. No arm decides for codes that nobody has thought about.

/// What to do about an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// The service asks for less: send again later, and fewer at a time.
    Throttled,
    /// The service failed: send again later.
    Unavailable,
    /// The credentials or the clock were right a moment ago: send again, but not for long. See
    /// [`Classifier::patience`](crate::Classifier::patience).
    Expired,
    /// Some entry is bad, and the service refused the request for its sake without saying which:
    /// the engine halves the request until the bad one stands alone. Of a single entry, it is
    /// that one.
    Bisect,
    /// Nothing will work until somebody does what this text says.
    Fatal(&'static str),
}

const CREDENTIALS: Class = Class::Fatal(
    "AWS does not accept the credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
     AWS_SESSION_TOKEN, or the profile, and that they belong to the endpoint's partition",
);
const DENIED: Class = Class::Fatal(
    "the credentials are valid but may not do this: allow the action that the message names in \
     their IAM policy",
);
const SUBSCRIPTION: Class = Class::Fatal(
    "the AWS account is not signed up for the service, or is suspended: open the service's console \
     with this account",
);
const KEY_DENIED: Class = Class::Fatal(
    "the credentials may not use the destination's KMS key: allow the IAM action \
     kms:GenerateDataKey on it, in their policy and in the key's",
);
const KEY_DISABLED: Class =
    Class::Fatal("the destination's KMS key is disabled: enable it, or choose another");
const KEY_STATE: Class = Class::Fatal(
    "the destination's KMS key cannot be used in its state (pending deletion or import, or \
     unavailable): restore it, or choose another",
);
const KEY_MISSING: Class =
    Class::Fatal("the destination's KMS key does not exist, or not in this region: choose another");
const KEY_SUBSCRIPTION: Class =
    Class::Fatal("the AWS account is not signed up for KMS: sign it up, or use no KMS key");
const NOT_UNDERSTOOD: Class = Class::Fatal(
    "the service did not understand the request: check that `endpoint_url` is this service's",
);
const INVALID: Class =
    Class::Fatal("the service refused the request as invalid: the message says what is wrong");

/// Codes that any AWS service may answer with.
///
/// From "Common Errors" in the services' API references, which are the same for all, from the retry
/// tables of the AWS SDKs, and, for KMS keys, from the API reference of Kinesis' `PutRecords`. A service's own table is asked first.
pub const COMMON: &[(&str, Class)] = &[
    // The service asks for less.
    ("BandwidthLimitExceeded", Class::Throttled),
    ("EC2ThrottledException", Class::Throttled),
    ("KMSThrottlingException", Class::Throttled),
    ("LimitExceededException", Class::Throttled),
    ("PriorRequestNotComplete", Class::Throttled),
    ("ProvisionedThroughputExceededException", Class::Throttled),
    ("RequestLimitExceeded", Class::Throttled),
    ("RequestThrottled", Class::Throttled),
    ("RequestThrottledException", Class::Throttled),
    ("SlowDown", Class::Throttled),
    ("ThrottledException", Class::Throttled),
    ("Throttling", Class::Throttled),
    ("ThrottlingException", Class::Throttled),
    ("TooManyRequestsException", Class::Throttled),
    ("TransactionInProgressException", Class::Throttled),
    // The service failed.
    ("InternalError", Class::Unavailable),
    ("InternalFailure", Class::Unavailable),
    ("InternalFailureException", Class::Unavailable),
    ("InternalServerError", Class::Unavailable),
    ("InternalServerException", Class::Unavailable),
    ("InternalServiceError", Class::Unavailable),
    ("InternalServiceException", Class::Unavailable),
    ("InternalServiceFault", Class::Unavailable),
    ("RequestTimeout", Class::Unavailable),
    ("RequestTimeoutException", Class::Unavailable),
    ("ServiceUnavailable", Class::Unavailable),
    ("ServiceUnavailableException", Class::Unavailable),
    // A new token or a corrected clock may be on its way.
    ("ExpiredToken", Class::Expired),
    ("ExpiredTokenException", Class::Expired),
    ("RequestExpired", Class::Expired),
    ("RequestTimeTooSkewed", Class::Expired),
    // Wrong credentials.
    ("AuthFailure", CREDENTIALS),
    ("IncompleteSignature", CREDENTIALS),
    ("IncompleteSignatureException", CREDENTIALS),
    ("InvalidAccessKeyId", CREDENTIALS),
    ("InvalidClientTokenId", CREDENTIALS),
    ("InvalidSignatureException", CREDENTIALS),
    ("MissingAuthenticationToken", CREDENTIALS),
    ("MissingAuthenticationTokenException", CREDENTIALS),
    ("SignatureDoesNotMatch", CREDENTIALS),
    ("UnrecognizedClientException", CREDENTIALS),
    // Right credentials that may not do this.
    ("AccessDenied", DENIED),
    ("AccessDeniedException", DENIED),
    ("NotAuthorized", DENIED),
    ("UnauthorizedOperation", DENIED),
    ("OptInRequired", SUBSCRIPTION),
    ("SubscriptionRequiredException", SUBSCRIPTION),
    // The key that the destination encrypts with. Somebody may enable it again, but nothing else
    // helps: the sink keeps what it has, and retrying in silence would only hide it until the buffer
    // is full.
    ("KMSAccessDeniedException", KEY_DENIED),
    ("KMSDisabledException", KEY_DISABLED),
    ("KMSInvalidStateException", KEY_STATE),
    ("KMSNotFoundException", KEY_MISSING),
    ("KMSOptInRequired", KEY_SUBSCRIPTION),
    // The endpoint is another service's, or speaks another protocol.
    ("InvalidAction", NOT_UNDERSTOOD),
    ("InvalidQueryParameter", NOT_UNDERSTOOD),
    ("MalformedHttpRequestException", NOT_UNDERSTOOD),
    ("MalformedQueryString", NOT_UNDERSTOOD),
    ("MissingAction", NOT_UNDERSTOOD),
    ("SerializationException", NOT_UNDERSTOOD),
    ("UnknownOperation", NOT_UNDERSTOOD),
    ("UnknownOperationException", NOT_UNDERSTOOD),
    // Valid requests never get these.
    ("InvalidParameterCombination", INVALID),
    ("InvalidParameterValue", INVALID),
    ("MissingParameter", INVALID),
    ("ValidationError", INVALID),
    ("ValidationException", INVALID),
];

/// The class that a table gives to a code.
pub(crate) fn look_up(table: &[(&str, Class)], code: &str) -> Option<Class> {
    // Called for failures only, and the tables are short.
    table.iter().find(|(listed, _)| *listed == code).map(|(_, class)| *class)
}

/// The table of a connector's README: what the sink does on each code of its own table, and of
/// [`COMMON`]. Codes with the same meaning share a line; the service's own stand first.
pub fn readme_table(own: &[(&str, Class)]) -> String {
    let common = COMMON.iter().filter(|(code, _)| look_up(own, code).is_none());
    let mut lines: Vec<(Class, String)> = Vec::new();
    for (code, class) in own.iter().chain(common) {
        match lines.iter_mut().find(|(listed, _)| listed == class) {
            Some((_, codes)) => codes.push_str(&format!(", `{code}`")),
            None => lines.push((*class, format!("`{code}`"))),
        }
    }
    let mut table = "| error code | the sink |\n|---|---|\n".to_owned();
    for (class, codes) in lines {
        let what = match class {
            Class::Throttled => "sends again what was refused, and less at a time",
            Class::Unavailable => "sends again",
            Class::Expired => "sends again for 30 s, then stops",
            Class::Bisect => "halves the request until the bad entry stands alone, and rejects it",
            Class::Fatal(advice) => &format!("stops: {advice}"),
        };
        table.push_str(&format!("| {codes} | {what} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_code_is_listed_twice() {
        let mut seen = HashSet::new();
        for (code, _) in COMMON {
            assert!(seen.insert(code), "{code} is listed twice");
        }
    }

    #[test]
    fn a_readmes_table_has_each_code_once_and_the_services_own_first() {
        let own = [("SlowDown", Class::Fatal("go away")), ("Mine", Class::Unavailable)];
        let table = readme_table(&own);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines[..3],
            ["| error code | the sink |", "|---|---|", "| `SlowDown` | stops: go away |",]
        );
        assert!(lines[3].starts_with("| `Mine`, `InternalError`, "), "{}", lines[3]);
        assert!(lines[3].ends_with(" | sends again |"), "{}", lines[3]);
        for (code, _) in COMMON {
            assert_eq!(table.matches(&format!("`{code}`")).count(), 1, "{code}");
        }
    }

    #[test]
    fn a_code_is_found_as_it_is_written_and_an_unlisted_one_is_unknown() {
        for (code, expected) in [
            ("ThrottlingException", Some(Class::Throttled)),
            ("InternalFailure", Some(Class::Unavailable)),
            ("ExpiredTokenException", Some(Class::Expired)),
            ("InvalidSignatureException", Some(CREDENTIALS)),
            ("throttlingexception", None),
            ("", None),
            ("BrandNewException", None),
        ] {
            assert_eq!(look_up(COMMON, code), expected, "{code}");
        }
    }
}
