//! How a sink reaches AWS.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache, retry::RetryConfig,
    sts::AssumeRoleProvider, timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
#[cfg(any(feature = "aws-lc", feature = "ring"))]
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_types::{
    origin::Origin,
    os_shim_internal::{Env, Fs},
};
use serde::{Deserialize, Serialize};
use sink_core::{Error, ErrorKind};

use crate::text::chain;

/// Longest time to wait for a TCP connection; the SDK's own default.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// Longest time to wait for credentials. The SDK would derive it from the client's retries, which
/// are off, and cut its credential providers short after one attempt of three.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(22);

/// The program has no TLS stack.
pub(crate) const NO_TLS: &str = "this program was built without TLS, so only an `endpoint_url` that \
    starts with http:// works: switch on the feature `aws-lc` or `ring`";

const HAS_TLS: bool = cfg!(any(feature = "aws-lc", feature = "ring"));

/// How to reach AWS, as configuration data. Everything is optional.
///
/// What is left out comes from where every AWS tool has it from: environment variables
/// (`AWS_REGION`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL` and more), `~/.aws/config` and `~/.aws/credentials`, a
/// web identity token, and the credentials of the container or the instance. Keys never stand
/// here.
///
/// ```
/// let mut aws = sink_aws::AwsConfig::default();
/// aws.region = Some("eu-central-1".to_owned());
/// aws.endpoint_url = Some("http://localhost:4566".to_owned());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AwsConfig {
    /// Such as `eu-central-1`. Default: `AWS_REGION`, then the profile's, then the instance's.
    pub region: Option<String>,
    /// Where the service is, when it is not at AWS's public address: a VPC endpoint, LocalStack, an
    /// emulator. Credentials are not fetched from there. Default: AWS's address, unless the
    /// environment or the profile names another.
    pub endpoint_url: Option<String>,
    /// Profile in `~/.aws/config`. Default: `AWS_PROFILE`, then `default`.
    pub profile: Option<String>,
    /// Role to take on, with the credentials found as above. Default: none.
    pub assume_role: Option<AssumeRole>,
}

/// A role to take on (`sts:AssumeRole`), for a destination in another account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AssumeRole {
    /// `arn:aws:iam::<account>:role/<name>`.
    pub role_arn: String,
    /// What the role's owner asks for in its trust policy. Default: none.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Name that the role's owner sees in CloudTrail. Default: `sink`.
    #[serde(default)]
    pub session_name: Option<String>,
}

impl AssumeRole {
    /// The role with this ARN, without external id.
    pub fn new(role_arn: impl Into<String>) -> Self {
        Self { role_arn: role_arn.into(), ..Self::default() }
    }
}

impl AwsConfig {
    /// Makes the SDK's configuration from this and the environment; service clients are made from
    /// it by their `new`.
    ///
    /// The SDK's retries, operation timeouts and stalled-stream protection are off: the engine
    /// owns them. `request_timeout` is the engine's, and no connection attempt takes longer.
    /// Credentials are not asked for here but by the first request. Never print the result with
    /// `{:?}`: the SDK shows the whole profile in it, keys included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong: no region, an endpoint that is no URL, a role
    /// that is no ARN.
    ///
    /// # Cancel safety
    ///
    /// Cancelling it loses nothing. It reads files, and asks the instance for its region where it
    /// finds none elsewhere.
    pub async fn load(&self, request_timeout: Duration) -> Result<SdkConfig, Error> {
        let mut problems = self.problems();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT.min(request_timeout))
                    .disable_read_timeout()
                    .disable_operation_timeout()
                    .disable_operation_attempt_timeout()
                    .build(),
            );
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
            problems.extend(profile_problem(profile).await);
        }
        let shared = loader.load().await;

        // Only now, so that the credential providers keep their retries and their own endpoints.
        let mut builder = shared.to_builder().retry_config(RetryConfig::disabled());
        if let Some(url) = &self.endpoint_url {
            builder.set_endpoint_url(Some(url.clone()));
            // Without it the environment's endpoint for the service would win.
            builder.insert_origin("endpoint_url", Origin::shared_config());
        }
        if let Some(role) = &self.assume_role {
            let mut provider = AssumeRoleProvider::builder(&role.role_arn)
                .session_name(role.session_name.as_deref().unwrap_or("sink"))
                .configure(&shared);
            if let Some(external_id) = &role.external_id {
                provider = provider.external_id(external_id);
            }
            builder = builder
                .credentials_provider(SharedCredentialsProvider::new(provider.build().await));
        }
        let config = builder.build();

        match config.region() {
            None => problems.push(format!(
                "no AWS region is set: pass --region, set AWS_REGION, or add `region` to the \
                 profile{}",
                self.profile.as_ref().map_or_else(String::new, |name| format!(" `{name}`"))
            )),
            Some(region) if !is_region(region.as_ref()) => problems.push(format!(
                "the region is `{region}`: a region looks like `eu-central-1`, lower-case letters, \
                 digits and `-`"
            )),
            Some(_) => {}
        }
        if self.endpoint_url.is_none()
            && let Some(problem) = config.endpoint_url().and_then(endpoint_problem)
        {
            problems.push(format!("AWS_ENDPOINT_URL or the profile: {problem}"));
        }
        // No URL here may still be one for the service alone, in the environment: the first request
        // tells.
        let needs_tls = config.endpoint_url().is_some_and(|url| url.starts_with("https://"));
        if !HAS_TLS && needs_tls {
            problems.push(NO_TLS.to_owned());
        }
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(Error::new(ErrorKind::Config, "AWS configuration", problems.join("; ")))
        }
    }

    /// What is wrong with the data itself.
    fn problems(&self) -> Vec<String> {
        let endpoint = self.endpoint_url.as_deref().and_then(endpoint_problem);
        let role = self.assume_role.as_ref().filter(|role| !is_role_arn(&role.role_arn));
        let role = role.map(|role| {
            format!(
                "role_arn is `{}`: a role looks like arn:aws:iam::<account>:role/<name>",
                role.role_arn
            )
        });
        endpoint.into_iter().chain(role).collect()
    }
}

/// One TLS stack for everything, credentials included; plain HTTP where a URL says so.
fn http_client() -> SharedHttpClient {
    #[cfg(feature = "ring")]
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    #[cfg(all(feature = "aws-lc", not(feature = "ring")))]
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    #[cfg(not(any(feature = "aws-lc", feature = "ring")))]
    let client = Builder::new().build_http();
    client
}

/// The SDK would only say that there are no credentials.
async fn profile_problem(name: &str) -> Option<String> {
    match aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await {
        Ok(files) if files.get_profile(name).is_none() => {
            let known = files.profiles().collect::<Vec<_>>().join(", ");
            Some(format!(
                "the profile `{name}` is neither in ~/.aws/config nor in ~/.aws/credentials; these \
                 are: {known}"
            ))
        }
        Ok(_) => None,
        Err(error) => Some(chain(&error)),
    }
}

fn endpoint_problem(url: &str) -> Option<String> {
    if url.contains('@') {
        // Not repeated: it would be a secret in a log.
        return Some("endpoint_url holds `@`: credentials do not belong there".to_owned());
    }
    let uri = url.parse::<http::Uri>().ok();
    let is_url = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    (!is_url).then(|| {
        format!(
            "endpoint_url is `{url}`: write a URL such as http://localhost:4566 or \
             https://kinesis.eu-central-1.amazonaws.com"
        )
    })
}

/// It becomes part of a host name.
fn is_region(region: &str) -> bool {
    !region.is_empty()
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_role_arn(arn: &str) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    matches!(parts[..], ["arn", partition, "iam", "", account, resource]
        if partition.starts_with("aws")
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url() {
        for url in ["http://localhost:4566", "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com/"]
        {
            assert_eq!(endpoint_problem(url), None, "{url}");
        }
        for url in ["", "localhost", "localhost:4566", "ftp://localhost", "http://", "http:// x"] {
            let problem = endpoint_problem(url).unwrap();
            assert!(problem.starts_with(&format!("endpoint_url is `{url}`: write")), "{problem}");
        }
    }

    #[test]
    fn credentials_in_an_endpoint_are_refused_and_not_repeated() {
        let problem = endpoint_problem("https://user:secret@example.com").unwrap();
        assert!(!problem.contains("secret"), "{problem}");
    }

    #[test]
    fn a_role_is_an_iam_arn() {
        for (arn, expected) in [
            ("arn:aws:iam::123456789012:role/writer", true),
            ("arn:aws-cn:iam::123456789012:role/path/to/writer", true),
            ("arn:aws:iam::123456789012:user/writer", false),
            ("arn:aws:iam::123456789012:role/", false),
            ("arn:aws:iam::1234:role/writer", false),
            ("arn:aws:sts::123456789012:role/writer", false),
            ("writer", false),
            ("", false),
        ] {
            assert_eq!(is_role_arn(arn), expected, "{arn}");
        }
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_reported_at_once() {
        let config = AwsConfig {
            region: Some("Frankfurt am Main".to_owned()),
            endpoint_url: Some("localhost:4566".to_owned()),
            profile: None,
            assume_role: Some(AssumeRole::new("writer")),
        };
        let error = config.load(Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        for expected in [
            "endpoint_url is `localhost:4566`",
            "role_arn is `writer`",
            "the region is `Frankfurt am Main`",
        ] {
            assert!(error.message().contains(expected), "{expected} is missing in: {error}");
        }
    }

    #[tokio::test]
    async fn the_engine_owns_retries_and_timeouts() {
        let config = AwsConfig {
            region: Some("eu-central-1".to_owned()),
            endpoint_url: Some("http://localhost:1".to_owned()),
            ..AwsConfig::default()
        };
        for (request_timeout, connect_timeout) in [
            (Duration::from_secs(60), CONNECT_TIMEOUT),
            (Duration::from_millis(5), Duration::from_millis(5)),
        ] {
            let config = config.load(request_timeout).await.unwrap();
            assert_eq!(config.retry_config().unwrap().max_attempts(), 1);
            assert!(!config.stalled_stream_protection().unwrap().is_enabled());
            let timeouts = config.timeout_config().unwrap();
            assert_eq!(timeouts.connect_timeout(), Some(connect_timeout));
            assert_eq!(timeouts.read_timeout(), None);
            assert_eq!(timeouts.operation_timeout(), None);
            assert_eq!(timeouts.operation_attempt_timeout(), None);
        }
    }

    #[cfg(not(any(feature = "aws-lc", feature = "ring")))]
    #[tokio::test]
    async fn without_tls_only_http_works() {
        let config = AwsConfig {
            region: Some("eu-central-1".to_owned()),
            endpoint_url: Some("https://localhost:4566".to_owned()),
            ..AwsConfig::default()
        };
        let error = config.load(Duration::from_secs(60)).await.unwrap_err();
        assert!(error.message().contains("was built without TLS"), "{error}");
    }

    #[test]
    fn it_is_configuration_data() {
        let config: AwsConfig = serde_json::from_str(
            r#"{"region": "eu-central-1",
                "assume_role": {"role_arn": "arn:aws:iam::123456789012:role/writer"}}"#,
        )
        .unwrap();
        assert_eq!(config.region.as_deref(), Some("eu-central-1"));
        assert_eq!(
            config.assume_role,
            Some(AssumeRole::new("arn:aws:iam::123456789012:role/writer"))
        );
        let error = serde_json::from_str::<AwsConfig>(r#"{"secret_access_key": "x"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `secret_access_key`"), "{error}");
    }
}
