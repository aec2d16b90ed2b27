//! Which namespace, and how to write to it.

use std::{fmt, str::FromStr};

use aws_sdk_cloudwatch::Client;
use serde::{Deserialize, Serialize};
use sink_aws::{AwsConfig, BodyEncoding, Setup, Target};
use sink_core::{ElementConverter, Error, ErrorKind, Settings, Sink, SinkBuilder};

use crate::{datum::MetricDatum, request::CloudWatchDestination};

/// A sink whose destination is a CloudWatch namespace.
pub type CloudWatchSink<T> = Sink<T, MetricDatum>;

/// Which namespace to write to, and how, as configuration data.
///
/// ```
/// let config: sink_cloudwatch::CloudWatchSinkConfig = serde_json::from_str(
///     r#"{
///         "namespace": "Shop/Checkout",
///         "aws": { "region": "eu-central-1" },
///         "settings": { "max_time_in_buffer": "10s" },
///         "aggregate": true
///     }"#,
/// )?;
/// assert_eq!(config.namespace, "Shop/Checkout");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CloudWatchSinkConfig {
    /// The metrics' namespace: 1 to 255 printable ASCII characters, not only spaces. It neither
    /// begins with `:` nor with `AWS/`, which belongs to AWS.
    pub namespace: String,
    /// How to reach AWS. Default: all from the environment.
    #[serde(default)]
    pub aws: AwsConfig,
    /// How to buffer, batch and retry. Default: see [`Settings`], with the sizes of
    /// [`CloudWatchDestination`].
    #[serde(default)]
    pub settings: Settings,
    /// Whether data that wait in the sink are merged into one, where they are of one metric (name,
    /// dimensions, unit and resolution) and one period (a minute, or a second where the metric is
    /// stored by the second): see [`MetricDatum::merge`]. Default: no.
    ///
    /// Count, sum, minimum, maximum and percentiles stay what they are; the time becomes the begin
    /// of the period. What arrives within `max_time_in_buffer` is merged, so a longer one saves
    /// more. What [`Sink::write_tracked`] wrote is not merged into an earlier datum, nor anything
    /// with `ordering` `per_lane`.
    #[serde(default)]
    pub aggregate: bool,
    /// How the body of a request is written: `cbor`, the default, or `sdk`. It changes what the sink
    /// costs, and nothing of what arrives: both are the same bytes, as the AWS SDK writes CBOR to
    /// CloudWatch. What each means, [`BodyEncoding`] says. `json` is not written for this service.
    #[serde(default = "cbor")]
    pub body_encoding: BodyEncoding,
}

fn cbor() -> BodyEncoding {
    BodyEncoding::Cbor
}

impl CloudWatchSinkConfig {
    /// Writes to this namespace, with all else from the environment and default.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            aws: AwsConfig::default(),
            settings: Settings::default(),
            aggregate: false,
            body_encoding: cbor(),
        }
    }

    /// Builds the sink and spawns its driver on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong with namespace, region, endpoint and settings.
    /// Whether the credentials are valid is known at the first request.
    ///
    /// # Cancel safety
    ///
    /// Cancelling it loses nothing: see [`AwsConfig::load`].
    pub async fn build<T: 'static>(
        &self,
        converter: impl ElementConverter<T, Entry = MetricDatum>,
    ) -> Result<CloudWatchSink<T>, Error> {
        self.builder(converter).await?.build()
    }

    /// A builder with these settings, for what is no data: a rate limiter, a seed, a snapshot.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Cancel safety
    ///
    /// As [`build`](Self::build).
    pub async fn builder<T: 'static>(
        &self,
        converter: impl ElementConverter<T, Entry = MetricDatum>,
    ) -> Result<SinkBuilder<T, CloudWatchDestination>, Error> {
        let (namespace, config) = self.setup().load::<CloudWatchDestination, Namespace>().await?;
        Ok(self.sink(namespace, &Client::new(&config), converter))
    }

    /// A builder with these settings that writes with this client, instead of one made from
    /// `aws`. Its own retries are switched off, and `body_encoding` applies to it: see
    /// [`CloudWatchDestination::new`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong with the namespace and the settings.
    pub fn builder_with_client<T: 'static>(
        &self,
        client: &Client,
        converter: impl ElementConverter<T, Entry = MetricDatum>,
    ) -> Result<SinkBuilder<T, CloudWatchDestination>, Error> {
        let region = client.config().region().map(AsRef::as_ref);
        let namespace = self.setup().check::<CloudWatchDestination, Namespace>(region)?;
        Ok(self.sink(namespace, client, converter))
    }

    fn setup(&self) -> Setup<'_> {
        Setup::new("CloudWatch configuration", &self.namespace, &self.aws, &self.settings)
            .without_json(self.body_encoding)
    }

    fn sink<T: 'static>(
        &self,
        namespace: Namespace,
        client: &Client,
        converter: impl ElementConverter<T, Entry = MetricDatum>,
    ) -> SinkBuilder<T, CloudWatchDestination> {
        let destination =
            CloudWatchDestination::with_encoding(namespace, client, self.body_encoding);
        let destination = destination.aggregate(self.aggregate);
        Sink::builder(converter, destination).settings(self.settings.clone())
    }
}

/// The namespace of metrics: what keeps an application's apart from another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Target for Namespace {
    const NOUN: &'static str = "namespace";
}

impl FromStr for Namespace {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Config`] when CloudWatch would not take it.
    fn from_str(text: &str) -> Result<Self, Error> {
        // The API reference of `PutMetricData`: length, the pattern `[^:].*`, "ASCII characters
        // for the namespace, except for control characters", and "should not" begin with `AWS/`.
        // The user guide: "at least one non-whitespace character".
        if crate::datum::metric::check_name(text).is_ok() && !text.starts_with("AWS/") {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(
            ErrorKind::Config,
            "namespace",
            format!(
                "the namespace is `{}`: write 1 to 255 printable ASCII characters, not only \
                 spaces, that do not begin with `:` or `AWS/` (such as Shop/Checkout)",
                text.chars().take(200).collect::<String>().escape_debug()
            ),
        ))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::config::{BehaviorVersion, Region};

    use super::*;
    use crate::converter::as_is;

    #[test]
    fn a_namespace_is_printable_and_not_of_aws() {
        let long = "n".repeat(255);
        for text in ["n", "Shop/Checkout", "a b", "n:", "AWS", "aws/x", " n", "#~!", &long] {
            assert_eq!(text.parse::<Namespace>().unwrap().to_string(), text);
        }
        let long = "n".repeat(256);
        for text in ["", " ", "   ", ":n", "AWS/EC2", "AWS/", "Größe", "a\tb", "a\u{7f}", &long] {
            let error = text.parse::<Namespace>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let shown: String = text.chars().take(200).collect();
            let expected = format!("the namespace is `{}`: write 1 to 255", shown.escape_debug());
            assert!(error.message().starts_with(&expected), "{error}");
        }
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_reported_at_once() {
        let mut config = CloudWatchSinkConfig::new("AWS/EC2");
        config.aws.endpoint_url = Some("localhost:4566".to_owned());
        config.aws.region = Some("Frankfurt".to_owned());
        config.settings.max_batch_size = Some(1001);
        config.settings.max_batch_size_in_bytes = Some(1_000_000);
        config.body_encoding = BodyEncoding::Json;
        let error = config.build(as_is).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.operation(), "CloudWatch configuration");
        for expected in [
            "the namespace is `AWS/EC2`",
            "endpoint_url is `localhost:4566`",
            "the region is `Frankfurt`",
            "max_batch_size is 1001: the service accepts at most 1000",
            "max_batch_size_in_bytes is 1000000: the service accepts at most 999",
            "body_encoding is `json`, which is not written for this service: write `cbor` or `sdk`",
        ] {
            assert!(error.message().contains(expected), "{expected} is missing in: {error}");
        }
    }

    #[tokio::test]
    async fn a_client_of_ones_own_is_checked_as_well() {
        let config = aws_sdk_cloudwatch::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"));
        let client = Client::from_conf(config.build());
        drop(CloudWatchSinkConfig::new("Shop").builder_with_client(&client, as_is).unwrap());
        let error = CloudWatchSinkConfig::new(":").builder_with_client(&client, as_is).unwrap_err();
        assert!(error.message().starts_with("the namespace is `:`"), "{error}");
    }

    #[test]
    fn it_is_configuration_data() {
        let config: CloudWatchSinkConfig =
            serde_json::from_str(r#"{"namespace": "Shop"}"#).unwrap();
        assert_eq!(config, CloudWatchSinkConfig::new("Shop"));
        assert_eq!(config.body_encoding, BodyEncoding::Cbor);
        let back = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<CloudWatchSinkConfig>(&back).unwrap(), config);
        for text in ["{}", r#"{"namespace": "Shop", "name": "x"}"#] {
            serde_json::from_str::<CloudWatchSinkConfig>(text).unwrap_err();
        }
    }
}
