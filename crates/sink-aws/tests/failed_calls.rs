//! Each way in which a call fails, through the SDK's real HTTP path and sockets.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

mod support;

use std::{future, time::Duration};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_sdk_kinesis::{
    Client,
    config::{BehaviorVersion, timeout::TimeoutConfig},
    error::SdkError,
    operation::put_records::PutRecordsError,
    primitives::Blob,
    types::PutRecordsRequestEntry,
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use sink_aws::{
    AwsConfig, Classifier,
    codes::{COMMON, Class},
};
use sink_core::{Cause, Error, ErrorKind, Outcome};
use support::{Script, Server, answer, refusal, stored};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

fn classifier() -> Classifier {
    Classifier::new("PutRecords", &[]).with_context("stream", "flights").patience(Duration::ZERO)
}

async fn client_with(url: &str, credentials: impl ProvideCredentials + 'static) -> Client {
    let mut aws = AwsConfig::default();
    aws.region = Some("eu-central-1".to_owned());
    aws.endpoint_url = Some(url.to_owned());
    let config = aws.load(REQUEST_TIMEOUT).await.unwrap();
    let config = config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Client::new(&config)
}

async fn client(url: &str) -> Client {
    client_with(url, Credentials::new("AKIDTEST", "very-secret", None, None, "test")).await
}

async fn put(client: &Client) -> Result<(), SdkError<PutRecordsError>> {
    let record =
        PutRecordsRequestEntry::builder().data(Blob::new("x")).partition_key("k").build().unwrap();
    client.put_records().stream_name("flights").records(record).send().await.map(drop)
}

/// What one call means that meets this script.
async fn outcome_of(script: Script) -> Outcome {
    let server = Server::start([script]).await;
    let outcome = classifier().failed(put(&client(&server.url).await).await.unwrap_err());
    assert_eq!(server.requests().len(), 1, "the SDK has retried by itself");
    outcome
}

fn retried(outcome: &Outcome) -> (Cause, &str) {
    match outcome {
        Outcome::RetryAll(cause, reason) => (*cause, reason.code()),
        other => panic!("not retried: {other:?}"),
    }
}

fn fatal(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Fatal(error) => {
            assert_eq!(error.kind(), ErrorKind::Fatal);
            assert_eq!(error.operation(), "PutRecords");
            assert!(error.to_string().contains("stream=flights"), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
            error
        }
        other => panic!("not fatal: {other:?}"),
    }
}

#[tokio::test]
async fn every_common_code_has_the_meaning_that_the_table_gives_it() {
    for (code, class) in COMMON {
        let outcome = outcome_of(refusal(400, code, "because")).await;
        match class {
            Class::Throttled => assert_eq!(retried(&outcome), (Cause::THROTTLED, *code)),
            Class::Unavailable | Class::Expired => {
                assert_eq!(retried(&outcome), (Cause::Unavailable, *code));
            }
            Class::Fatal(advice) => {
                let error = fatal(outcome);
                assert_eq!(error.message(), format!("{advice} [{code}: because]"));
                assert!(error.to_string().contains("request_id=request-7"), "{error}");
            }
            other => panic!("{other:?} is new: say here what it means"),
        }
    }
}

#[tokio::test]
async fn an_unknown_code_is_retried() {
    for status in [400, 403, 418, 500, 503] {
        let outcome = outcome_of(refusal(status, "BrandNewException", "who knows")).await;
        assert_eq!(retried(&outcome), (Cause::Unavailable, "BrandNewException"), "{status}");
    }
}

#[tokio::test]
async fn an_answer_without_a_code_is_judged_by_its_status() {
    let html = "<html><body>upstream failed</body></html>";
    for body in ["", html] {
        for status in [408, 500, 502, 503, 504] {
            let outcome = outcome_of(answer(status, &[("content-type", "text/html")], body)).await;
            assert_eq!(
                retried(&outcome),
                (Cause::Unavailable, &*format!("HTTP {status}")),
                "{body}"
            );
        }
        let outcome = outcome_of(answer(429, &[], body)).await;
        assert_eq!(retried(&outcome), (Cause::THROTTLED, "HTTP 429"), "{body}");
        let error = fatal(outcome_of(answer(413, &[], body)).await);
        assert!(error.message().contains("lower `max_batch_size_in_bytes`"), "{error}");
        // Not AWS: a proxy that wants a login, a wrong path.
        for status in [301, 400, 403, 404, 407] {
            let outcome = outcome_of(answer(status, &[], body)).await;
            assert_eq!(
                retried(&outcome),
                (Cause::Unavailable, &*format!("HTTP {status}")),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_no_success() {
    for body in ["<html>", "{\"Records\":", "\u{0}"] {
        let outcome = outcome_of(answer(200, &[], body)).await;
        assert_eq!(retried(&outcome), (Cause::Unavailable, "UnreadableAnswer"), "{body}");
    }
}

#[tokio::test]
async fn the_service_may_say_how_long_to_wait() {
    let throttled = |seconds| Cause::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
    for (status, name, value, expected) in [
        (429, "retry-after", "7", throttled(7)),
        (429, "Retry-After", " 7 ", throttled(7)),
        (429, "x-amz-retry-after", "3000", throttled(3)),
        (503, "retry-after", "7", throttled(7)),
        // Nobody waits for days.
        (429, "retry-after", "99999999999", throttled(60)),
        (429, "retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", Cause::THROTTLED),
        (429, "retry-after", "-1", Cause::THROTTLED),
        (503, "retry-after", "soon", Cause::Unavailable),
    ] {
        let outcome = outcome_of(answer(status, &[(name, value)], "")).await;
        assert_eq!(retried(&outcome).0, expected, "{status} {name}: {value}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_retried() {
    for script in [
        Script::Close,
        Script::Reset,
        Script::Answer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Rec".to_owned()),
        Script::Answer("HTTP/1.1 200 OK\r\ncontent-le".to_owned()),
        Script::Answer("SSH-2.0-OpenSSH_9.6\r\n".to_owned()),
    ] {
        let outcome = outcome_of(script.clone()).await;
        let (cause, code) = retried(&outcome);
        assert_eq!(cause, Cause::Unavailable, "{script:?}");
        assert!(["ConnectionFailed", "UnreadableAnswer"].contains(&code), "{script:?}: {code}");
    }
}

#[tokio::test]
async fn a_refused_connection_and_an_unknown_host_are_retried() {
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for url in [nobody.as_str(), "http://no-such-host.invalid:4566"] {
        let outcome = classifier().failed(put(&client(url).await).await.unwrap_err());
        assert_eq!(retried(&outcome), (Cause::Unavailable, "ConnectionFailed"), "{url}");
    }
}

#[cfg(any(feature = "aws-lc", feature = "ring"))]
#[tokio::test]
async fn a_broken_tls_handshake_is_retried() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let outcome = classifier().failed(put(&client(&url).await).await.unwrap_err());
    assert_eq!(retried(&outcome), (Cause::Unavailable, "ConnectionFailed"));
}

#[tokio::test]
async fn a_client_without_tls_cannot_reach_https() {
    let shared = client("http://localhost:1").await;
    let config = shared
        .config()
        .to_builder()
        .endpoint_url("https://localhost:1")
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let error = fatal(classifier().failed(put(&Client::from_conf(config)).await.unwrap_err()));
    assert!(error.message().starts_with("this program was built without TLS"), "{error}");
}

/// Fails as rustls does.
#[derive(Debug, Clone)]
struct Untrusted;

impl HttpConnector for Untrusted {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let error = std::io::Error::other("invalid peer certificate: UnknownIssuer");
        HttpConnectorFuture::ready(Err(ConnectorError::io(error.into())))
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_fatal() {
    let shared = client("http://localhost:1").await;
    let http_client = http_client_fn(|_, _| SharedHttpConnector::new(Untrusted));
    let config = shared.config().to_builder().http_client(http_client).build();
    let error = fatal(classifier().failed(put(&Client::from_conf(config)).await.unwrap_err()));
    assert!(
        error.message().starts_with("the endpoint's TLS certificate is not trusted"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_no_timeout_because_nothing_was_sent() {
    // Addresses that nobody has (RFC 5737): packets to them vanish, or the network says so.
    let shared = client("http://192.0.2.1:4566").await;
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_millis(50)).build();
    let config = shared.config().to_builder().timeout_config(timeouts).build();
    let outcome = classifier().failed(put(&Client::from_conf(config)).await.unwrap_err());
    assert_eq!(retried(&outcome), (Cause::Unavailable, "ConnectionFailed"));
}

#[tokio::test]
async fn a_timeout_of_the_sdk_is_a_timeout() {
    let server = Server::start([Script::Silence]).await;
    let shared = client(&server.url).await;
    for timeouts in [
        TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(50)),
        TimeoutConfig::builder().operation_timeout(Duration::from_millis(50)),
        TimeoutConfig::builder().read_timeout(Duration::from_millis(50)),
    ] {
        // As in a client that the user brings.
        let config = shared.config().to_builder().timeout_config(timeouts.build()).build();
        let outcome = classifier().failed(put(&Client::from_conf(config)).await.unwrap_err());
        assert_eq!(retried(&outcome), (Cause::Timeout, "Timeout"));
    }
}

#[tokio::test]
async fn an_expired_token_is_borne_for_a_while_and_a_success_starts_anew() {
    let expired = || refusal(400, "ExpiredTokenException", "The security token has expired");
    let mut scripts: Vec<_> = (0..4).map(|_| expired()).collect();
    scripts.push(stored());
    scripts.push(expired());
    let server = Server::start(scripts).await;
    let (client, classifier) = (client(&server.url).await, classifier());

    for _ in 0..4 {
        let outcome = classifier.failed(put(&client).await.unwrap_err());
        assert_eq!(retried(&outcome), (Cause::Unavailable, "ExpiredTokenException"));
    }
    put(&client).await.unwrap();
    assert!(matches!(classifier.answered(1, [None]), Outcome::Delivered));
    for _ in 0..4 {
        let outcome = classifier.failed(put(&client).await.unwrap_err());
        assert_eq!(retried(&outcome), (Cause::Unavailable, "ExpiredTokenException"));
    }
    let error = fatal(classifier.failed(put(&client).await.unwrap_err()));
    assert!(error.message().contains("log in again"), "{error}");
}

#[tokio::test]
async fn a_wrong_clock_is_not_a_wrong_key() {
    for message in ["Signature expired: 1 is now earlier than 2", "Signature not yet current: 2"] {
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch"] {
            let outcome = outcome_of(refusal(403, code, message)).await;
            assert_eq!(retried(&outcome), (Cause::Unavailable, code), "{message}");
        }
    }
}

#[tokio::test]
async fn no_error_repeats_the_session_token() {
    let message = "The request signature we calculated does not match.\\n\\nThe Canonical String \
                   should have been\\nx-amz-security-token:FwoGZXIvYXdzEXAMPLE";
    let error = fatal(outcome_of(refusal(403, "InvalidSignatureException", message)).await);
    for text in [format!("{error}"), format!("{error:?}")] {
        assert!(text.contains("does not match."), "{text}");
        assert!(!text.contains("FwoGZXIvYXdzEXAMPLE"), "{text}");
        assert!(!text.contains("very-secret"), "{text}");
    }
}

/// Fails in one way each time.
#[derive(Debug)]
struct Failing(fn() -> CredentialsError);

impl ProvideCredentials for Failing {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        aws_credential_types::provider::future::ProvideCredentials::ready(Err(self.0()))
    }
}

/// Never answers.
#[derive(Debug)]
struct Hanging;

impl ProvideCredentials for Hanging {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        aws_credential_types::provider::future::ProvideCredentials::new(future::pending())
    }
}

#[tokio::test]
async fn credentials_that_are_missing_or_wrongly_set_up_are_fatal() {
    let server = Server::start([stored()]).await;
    for (failing, expected) in [
        (
            Failing(|| CredentialsError::not_loaded("nothing in the environment")),
            "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            Failing(|| CredentialsError::invalid_configuration("profile `a` assumes itself")),
            "the AWS credentials are not set up correctly",
        ),
    ] {
        let client = client_with(&server.url, failing).await;
        let error = fatal(classifier().failed(put(&client).await.unwrap_err()));
        assert!(error.message().starts_with(expected), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn credentials_that_cannot_be_fetched_are_borne_for_a_while() {
    for failing in [
        Failing(|| CredentialsError::provider_error("503 from the metadata service")),
        Failing(|| CredentialsError::provider_timed_out(Duration::from_secs(1))),
        Failing(|| CredentialsError::unhandled("not UTF-8")),
    ] {
        let client = client_with("http://localhost:1", failing).await;
        let classifier = classifier();
        for _ in 0..4 {
            let outcome = classifier.failed(put(&client).await.unwrap_err());
            assert_eq!(retried(&outcome), (Cause::Unavailable, "Credentials"));
        }
        let error = fatal(classifier.failed(put(&client).await.unwrap_err()));
        assert!(error.message().starts_with("AWS credentials could not be fetched"), "{error}");
    }
}

#[tokio::test]
async fn credentials_that_were_there_before_are_borne_for_a_while() {
    let failing = Failing(CredentialsError::not_loaded_no_source);
    let client = client_with("http://localhost:1", failing).await;
    let classifier = classifier();
    assert!(matches!(classifier.answered(1, [None]), Outcome::Delivered));
    let outcome = classifier.failed(put(&client).await.unwrap_err());
    assert_eq!(retried(&outcome), (Cause::Unavailable, "Credentials"));
}

#[tokio::test]
async fn credentials_that_hang_are_borne_for_a_while() {
    let client = client_with("http://localhost:1", Hanging).await;
    let cache =
        aws_config::identity::IdentityCache::lazy().load_timeout(Duration::from_millis(50)).build();
    let config = client.config().to_builder().identity_cache(cache).build();
    let error = put(&Client::from_conf(config)).await.unwrap_err();
    assert_eq!(retried(&classifier().failed(error)), (Cause::Unavailable, "Credentials"));
}

#[tokio::test]
async fn a_client_that_can_send_nothing_is_told_so() {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(aws_sdk_kinesis::config::Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("AKIDTEST", "very-secret", None, None, "test"))
        .endpoint_url("http://127.0.0.1:1")
        .build();
    let error = put(&Client::from_conf(config)).await.unwrap_err();
    let error = fatal(classifier().failed(error));
    assert!(error.message().contains("without an HTTP client"), "{error}");
}

#[tokio::test]
async fn a_request_that_cannot_be_made_is_fatal() {
    let base = || {
        aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(Credentials::new("AKIDTEST", "very-secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
    };
    let region = || aws_sdk_kinesis::config::Region::new("eu-central-1");
    for config in [
        // A client that the user brings may lack a region,
        base().build(),
        // or have an endpoint that is none.
        base().region(region()).endpoint_url("no url").build(),
    ] {
        let error = put(&Client::from_conf(config)).await.unwrap_err();
        let error = fatal(classifier().failed(error));
        assert!(
            error.message().starts_with("the SDK could not make the request: check region and"),
            "{error}"
        );
    }
}
