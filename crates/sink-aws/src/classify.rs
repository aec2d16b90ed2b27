//! What a failed call means.

use std::{
    collections::HashSet,
    error::Error as StdError,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::Region;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{DispatchFailure, SdkError},
};
use aws_smithy_types::{error::metadata::ProvideErrorMetadata, retry};
use sink_core::{Cause, Error, ErrorKind, Outcome, Reason, Verdict};

use crate::{
    client::NO_TLS,
    codes::{COMMON, Class, look_up},
    patience::{Bear, Patience},
    protocol::{Answer, Stored},
    text::{chain, find, one_line},
};

/// A service that asks to wait longer than this is not obeyed: it may be a mistake, or a foe.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Unknown codes that are remembered, and logged. A service that makes up new ones forever must
/// not fill the memory or the log.
const MOST_UNKNOWN: usize = 100;

const NO_CREDENTIALS: &str = "no AWS credentials were found: set AWS_ACCESS_KEY_ID and \
    AWS_SECRET_ACCESS_KEY, or set AWS_PROFILE to a profile in ~/.aws that has them, or give the \
    container or instance a role";
const CREDENTIALS_SETUP: &str =
    "the AWS credentials are not set up correctly: correct ~/.aws/config or the AWS_* variables";
const CREDENTIALS_FAILED: &str = "AWS credentials could not be fetched: check the provider that \
    the message names (the role's trust policy, the token file, the instance's metadata service)";
const EXPIRED: &str = "the AWS credentials have expired and were not renewed in time, or the \
    clock is wrong: log in again or set a new AWS_SESSION_TOKEN, and check the clock";
const TOO_LARGE: &str = "the service refused the request as too large: lower \
    `max_batch_size_in_bytes`, or `max_record_size_in_bytes` where one record is larger than the \
    destination is set up for";
const UNTRUSTED: &str = "the endpoint's TLS certificate is not trusted: check `endpoint_url` and the \
    clock, or add the certificate's authority to the system's trust store";
const NO_HTTP_CLIENT: &str = "the SDK client was built without an HTTP client: build it from the \
    configuration that `AwsConfig::load` gives, or give it one (`http_client`)";
const NOT_MADE: &str = "the SDK could not make the request: check region and `endpoint_url`";

/// Turns failed calls of one destination into [`Outcome`]s.
///
/// What is known decides in this order: the code the service answered with (its own table, then
/// [`COMMON`]), the HTTP status, a timeout or a broken connection, missing credentials, a request
/// that the SDK could not make. All else is **unknown**, and sent again: a sink that stops needs
/// somebody to start it, one that goes on needs somebody to read its log. Each unknown code is
/// logged once.
///
/// It remembers two things, and so belongs to one destination: which unknown codes it has logged,
/// and since when the credentials fail.
#[derive(Debug)]
pub struct Classifier {
    operation: &'static str,
    codes: &'static [(&'static str, Class)],
    context: Vec<(&'static str, String)>,
    credentials: Patience,
    unknown: Mutex<HashSet<String>>,
}

impl Classifier {
    /// A classifier for this operation (such as `"PutRecords"`), with the service's own codes.
    pub fn new(operation: &'static str, codes: &'static [(&'static str, Class)]) -> Self {
        Self {
            operation,
            codes,
            context: Vec::new(),
            credentials: Patience::new(Duration::from_secs(30)),
            unknown: Mutex::default(),
        }
    }

    /// Adds a fact to every fatal error, such as the stream's name.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.context.push((key, value.into()));
        self
    }

    /// Adds the region of the client that the destination writes with.
    #[must_use]
    pub fn with_region(self, region: Option<&Region>) -> Self {
        self.with_context("region", region.map_or("none", AsRef::as_ref))
    }

    /// How long [`Class::Expired`], and credentials that cannot be fetched for the moment, are
    /// borne without a success between, and five times at least. Default: 30 s.
    ///
    /// Credentials that were never there are fatal at once.
    #[must_use]
    pub fn patience(mut self, limit: Duration) -> Self {
        self.credentials = Patience::new(limit);
        self
    }

    /// What the tables say of a code; `None` where they do not list it.
    pub fn class(&self, code: &str) -> Option<Class> {
        look_up(self.codes, code).or_else(|| look_up(COMMON, code))
    }

    /// What became of the entries of a request whose answer speaks of each: `None` for an entry
    /// that is stored, code and message for one that is not.
    ///
    /// A code that would be fatal for a request is fatal here only if every entry got one. Else
    /// some are stored, and stopping would send those again later.
    pub fn answered<'a>(
        &self,
        sent: usize,
        entries: impl IntoIterator<Item = Option<(&'a str, &'a str)>>,
    ) -> Outcome {
        self.credentials.succeeded();
        let mut fatal = None;
        let mut only_fatal = true;
        let outcome = Outcome::per_entry(
            sent,
            entries.into_iter().map(|failure| {
                let class = failure.and_then(|(code, _)| self.class(code));
                only_fatal &= matches!(class, Some(Class::Fatal(_)));
                match (failure, class) {
                    (None, _) => Verdict::Delivered,
                    (Some(_), Some(Class::Throttled)) => Verdict::Retry(Cause::THROTTLED),
                    (Some(_), Some(Class::Unavailable | Class::Expired)) => {
                        Verdict::Retry(Cause::Unavailable)
                    }
                    (Some((code, message)), Some(Class::Bisect)) => {
                        Verdict::Reject(reason(code, message))
                    }
                    (Some((code, message)), Some(Class::Fatal(advice))) => {
                        fatal.get_or_insert((advice, code, message));
                        Verdict::Retry(Cause::Unavailable)
                    }
                    (Some((code, message)), None) => {
                        self.log_unknown(code, message);
                        Verdict::Retry(Cause::Unavailable)
                    }
                }
            }),
        );
        match (&outcome, fatal) {
            (Outcome::PerEntry(_), Some((advice, code, message))) if only_fatal => {
                Outcome::Fatal(self.fatal(advice, &reason(code, message)))
            }
            _ => outcome,
        }
    }

    /// What became of the entries of a batch. An answer that was taken apart has these `records`, of
    /// which `failure` says what [`not_stored`] does.
    pub fn outcome<O, R, E>(
        &self,
        sent: usize,
        answer: Result<Answer<O>, SdkError<E, HttpResponse>>,
        records: impl Fn(&O) -> &[R],
        failure: impl Fn(&R) -> Option<(&str, &str)>,
    ) -> Outcome
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match answer {
            Ok(Answer::Stored(stored)) => self.stored(sent, &stored),
            Ok(Answer::Parsed(output)) => self.answered(sent, records(&output).iter().map(failure)),
            Err(error) => self.failed(error),
        }
    }

    /// What became of the entries of a request whose answer calls each of so many stored.
    pub(crate) fn stored(&self, sent: usize, stored: &Stored) -> Outcome {
        if stored.count() == sent {
            // As `answered` would say, which looks at each.
            self.credentials.succeeded();
            return Outcome::Delivered;
        }
        self.answered(sent, std::iter::repeat_n(None, stored.count()))
    }

    /// What a failed call means for its entries.
    pub fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> Outcome
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(answer) => {
                self.refused(answer.raw(), answer.err().code(), answer.err().message())
            }
            SdkError::ResponseError(answer) => self.refused(answer.raw(), None, None),
            SdkError::TimeoutError(_) => {
                Outcome::RetryAll(Cause::Timeout, reason("Timeout", &chain(&error)))
            }
            SdkError::DispatchFailure(failure) => self.not_sent(failure, &chain(&error), &error),
            // Deterministic: the next attempt would fail in the same way.
            SdkError::ConstructionFailure(_) => {
                self.credentials_problem(&error).unwrap_or_else(|| {
                    Outcome::Fatal(self.fatal(NOT_MADE, &reason("NotSent", &chain(&error))))
                })
            }
            // The SDK may add kinds of failure.
            _ => self.unknown_failure("SdkError", &chain(&error)),
        }
    }

    /// An HTTP answer that is no success.
    ///
    /// Answers of proxies and load balancers have an empty body or HTML in it, so no code: the
    /// status decides.
    fn refused(&self, answer: &HttpResponse, code: Option<&str>, message: Option<&str>) -> Outcome {
        let status = answer.status().as_u16();
        let code = code.filter(|code| !code.is_empty());
        let reason = reason(
            code.unwrap_or(&format!("HTTP {status}")),
            message.unwrap_or("the answer has no error code"),
        );
        let class = match code {
            Some(_) if tells_of_the_clock(reason.message()) => Some(Class::Expired),
            Some(code) => self.class(code),
            None => None,
        };
        if class.is_none() && code.is_some() {
            self.log_unknown(reason.code(), reason.message());
        }
        match (class, status) {
            (Some(Class::Throttled), _) | (None, 429) => {
                Outcome::RetryAll(Cause::Throttled { retry_after: retry_after(answer) }, reason)
            }
            // Whoever says when to come back asks for less.
            (Some(Class::Unavailable), _) | (None, 408 | 500..=599) => {
                let cause = match retry_after(answer) {
                    None => Cause::Unavailable,
                    retry_after => Cause::Throttled { retry_after },
                };
                Outcome::RetryAll(cause, reason)
            }
            (Some(Class::Expired), _) => self.credentials_failed(EXPIRED, reason),
            (Some(Class::Bisect), _) => Outcome::Bisect(reason),
            (Some(Class::Fatal(advice)), _) => {
                let mut error = self.fatal(advice, &reason);
                if let Some(id) = answer.headers().get("x-amzn-requestid") {
                    error = error.with_context("request_id", one_line(id));
                }
                Outcome::Fatal(error)
            }
            // The same request would be too large again, and rejecting it would lose its good
            // entries; what is kept can be sent in smaller requests after a restart.
            (None, 413) => Outcome::Fatal(self.fatal(TOO_LARGE, &reason)),
            // Perhaps stored, perhaps not: nobody can read the answer.
            (None, 200..=299) => Outcome::RetryAll(
                Cause::Unavailable,
                Reason::new("UnreadableAnswer", format!("HTTP {status}, but no readable answer")),
            ),
            (None, _) => self.unknown_failure(reason.code(), reason.message()),
        }
    }

    /// No answer: refused, reset, closed early, no such host, no credentials, or no request at
    /// all. The SDK has few kinds for these; several are just `other`.
    fn not_sent(
        &self,
        failure: &DispatchFailure,
        text: &str,
        error: &(dyn StdError + 'static),
    ) -> Outcome {
        // Nothing was sent, so nothing can be stored twice: no `Timeout`.
        let is_connection = failure.is_io()
            || text.contains("HTTP connect timeout")
            // Closed before the answer, mostly a kept-alive connection at its end.
            || failure.as_other() == Some(retry::ErrorKind::TransientError)
            || text.contains("client error (SendRequest)");
        if text.contains("invalid peer certificate") {
            Outcome::Fatal(self.fatal(UNTRUSTED, &reason("ConnectionFailed", text)))
        } else if text.contains("scheme is not http") {
            Outcome::Fatal(self.fatal(NO_TLS, &reason("NotSent", text)))
        } else if text.contains("No HTTP client") {
            Outcome::Fatal(self.fatal(NO_HTTP_CLIENT, &reason("NotSent", text)))
        } else if is_connection {
            Outcome::RetryAll(Cause::Unavailable, reason("ConnectionFailed", text))
        } else if failure.is_timeout() {
            Outcome::RetryAll(Cause::Timeout, reason("Timeout", text))
        } else if let Some(outcome) = self.credentials_problem(error) {
            outcome
        } else if text.contains("Invalid Configuration")
            || text.contains("failed to apply endpoint")
        {
            Outcome::Fatal(self.fatal(NOT_MADE, &reason("NotSent", text)))
        } else {
            self.unknown_failure("DispatchFailure", text)
        }
    }

    fn credentials_problem(&self, error: &(dyn StdError + 'static)) -> Option<Outcome> {
        let Some(problem) = find::<CredentialsError>(error) else {
            // The error type is the SDK's secret.
            return chain(error).contains("identity resolver timed out").then(|| {
                self.credentials_failed(CREDENTIALS_FAILED, reason("Credentials", &chain(error)))
            });
        };
        let reason = reason("Credentials", &chain(problem));
        Some(match problem {
            // The chain of providers says so too when an instance's metadata service, which was
            // there before, does not answer.
            CredentialsError::CredentialsNotLoaded(_) if self.credentials.succeeded_once() => {
                self.credentials_failed(CREDENTIALS_FAILED, reason)
            }
            // The message lists every place that was looked at, and says nothing more.
            CredentialsError::CredentialsNotLoaded(_) => {
                Outcome::Fatal(self.fatal(NO_CREDENTIALS, &Reason::new("CredentialsNotLoaded", "")))
            }
            CredentialsError::InvalidConfiguration(_) => {
                Outcome::Fatal(self.fatal(CREDENTIALS_SETUP, &reason))
            }
            CredentialsError::ProviderTimedOut(_)
            | CredentialsError::ProviderError(_)
            | CredentialsError::Unhandled(_) => self.credentials_failed(CREDENTIALS_FAILED, reason),
            // The SDK may add kinds: bear them for a while, then tell.
            _ => self.credentials_failed(CREDENTIALS_FAILED, reason),
        })
    }

    fn credentials_failed(&self, advice: &'static str, reason: Reason) -> Outcome {
        match self.credentials.failed() {
            Bear::NoLonger => return Outcome::Fatal(self.fatal(advice, &reason)),
            Bear::First => tracing::warn!(
                operation = self.operation,
                %reason,
                "no valid aws credentials; trying again for a while"
            ),
            Bear::Again => {}
        }
        Outcome::RetryAll(Cause::Unavailable, reason)
    }

    fn unknown_failure(&self, code: &str, message: &str) -> Outcome {
        self.log_unknown(code, message);
        Outcome::RetryAll(Cause::Unavailable, reason(code, message))
    }

    fn log_unknown(&self, code: &str, message: &str) {
        let code = one_line(code);
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() < MOST_UNKNOWN && unknown.insert(code.clone()) {
            tracing::warn!(
                operation = self.operation,
                code,
                message = one_line(message),
                "unknown error code; its entries are sent again"
            );
        }
    }

    /// Has no source: the SDK's error prints the whole answer, and that of a wrong signature holds
    /// the session token.
    fn fatal(&self, advice: &str, reason: &Reason) -> Error {
        let error = Error::new(ErrorKind::Fatal, self.operation, format!("{advice} [{reason}]"));
        self.context.iter().fold(error, |error, (key, value)| error.with_context(key, value))
    }
}

/// Code and message of an entry that is not stored, for [`Classifier::answered`]; `None` of one that
/// is: it has an id, and no error code. Some emulators write an empty code on success.
pub fn not_stored<'a>(
    id: Option<&str>,
    code: Option<&'a str>,
    message: Option<&'a str>,
) -> Option<(&'a str, &'a str)> {
    let is_stored = id.is_some_and(|id| !id.is_empty());
    match code.filter(|code| !code.is_empty()) {
        Some(code) => Some((code, message.unwrap_or_default())),
        None if is_stored => None,
        None => Some(("NeitherIdNorCode", "the answer has neither an id nor an error code")),
    }
}

fn reason(code: &str, message: &str) -> Reason {
    Reason::new(one_line(code), one_line(message))
}

/// A signature is wrong for the time it carries, under a code that mostly means a wrong key:
/// "Signature expired: 20240101T… is now earlier than …". The SDK learns the service's time from
/// the answer, so the next request may well pass.
fn tells_of_the_clock(message: &str) -> bool {
    message.starts_with("Signature expired") || message.starts_with("Signature not yet current")
}

/// `Retry-After` in seconds, or AWS's own `x-amz-retry-after` in milliseconds.
fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let number = |name| answer.headers().get(name)?.trim().parse::<u64>().ok();
    let asked = number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))?;
    Some(asked.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
