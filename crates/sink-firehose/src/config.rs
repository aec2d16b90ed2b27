//! Which delivery stream, and how to write to it.

use aws_sdk_firehose::Client;
use serde::{Deserialize, Serialize};
use sink_aws::{AwsConfig, BodyEncoding, Resource, ResourceKind, Setup};
use sink_core::{ElementConverter, Error, Settings, Sink, SinkBuilder};

use crate::{converter::FirehoseEntry, request::FirehoseDestination};

/// A sink whose destination is a Firehose delivery stream.
pub type FirehoseSink<T> = Sink<T, FirehoseEntry>;

/// Which delivery stream to write to, and how, as configuration data.
///
/// ```
/// let config: sink_firehose::FirehoseSinkConfig = serde_json::from_str(
///     r#"{
///         "delivery_stream": "flights",
///         "aws": { "region": "eu-central-1" },
///         "settings": { "max_time_in_buffer": "500ms" }
///     }"#,
/// )?;
/// assert_eq!(config.delivery_stream, "flights");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FirehoseSinkConfig {
    /// Name or ARN of the delivery stream. An ARN brings its region; its account must be the one of
    /// the credentials, because a request names the stream by its name alone.
    pub delivery_stream: String,
    /// How to reach AWS. Default: all from the environment.
    #[serde(default)]
    pub aws: AwsConfig,
    /// How to buffer, batch and retry. Default: see [`Settings`], with the sizes of
    /// [`FirehoseDestination`].
    #[serde(default)]
    pub settings: Settings,
    /// How the body of a request is written and its answer read: `json`, the default, or `sdk`. It
    /// changes what the sink costs, and nothing of what arrives; what each means, [`BodyEncoding`]
    /// says. The service does not speak `cbor`.
    #[serde(default)]
    pub body_encoding: BodyEncoding,
}

impl FirehoseSinkConfig {
    /// Writes to this delivery stream, named or by its ARN, with all else from the environment and
    /// default.
    pub fn new(delivery_stream: impl Into<String>) -> Self {
        Self {
            delivery_stream: delivery_stream.into(),
            aws: AwsConfig::default(),
            settings: Settings::default(),
            body_encoding: BodyEncoding::default(),
        }
    }

    /// Builds the sink and spawns its driver on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](sink_core::ErrorKind::Config) with all that is wrong with stream,
    /// region, endpoint and settings. Whether the stream is there and the credentials are valid is
    /// known at the first request.
    ///
    /// # Cancel safety
    ///
    /// Cancelling it loses nothing: see [`AwsConfig::load`].
    pub async fn build<T: 'static>(
        &self,
        converter: impl ElementConverter<T, Entry = FirehoseEntry>,
    ) -> Result<FirehoseSink<T>, Error> {
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
        converter: impl ElementConverter<T, Entry = FirehoseEntry>,
    ) -> Result<SinkBuilder<T, FirehoseDestination>, Error> {
        let (stream, config) = self.setup().load::<FirehoseDestination, DeliveryStream>().await?;
        Ok(self.sink(stream, &Client::new(&config), converter))
    }

    /// A builder with these settings that writes with this client, instead of one made from
    /// `aws`. Its own retries are switched off, and `body_encoding` applies to it: see
    /// [`FirehoseDestination::new`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](sink_core::ErrorKind::Config) with all that is wrong with the stream
    /// and the settings.
    pub fn builder_with_client<T: 'static>(
        &self,
        client: &Client,
        converter: impl ElementConverter<T, Entry = FirehoseEntry>,
    ) -> Result<SinkBuilder<T, FirehoseDestination>, Error> {
        let region = client.config().region().map(AsRef::as_ref);
        let stream = self.setup().check::<FirehoseDestination, DeliveryStream>(region)?;
        Ok(self.sink(stream, client, converter))
    }

    fn setup(&self) -> Setup<'_> {
        Setup::new("Firehose configuration", &self.delivery_stream, &self.aws, &self.settings)
            .without_cbor(self.body_encoding)
    }

    fn sink<T: 'static>(
        &self,
        stream: DeliveryStream,
        client: &Client,
        converter: impl ElementConverter<T, Entry = FirehoseEntry>,
    ) -> SinkBuilder<T, FirehoseDestination> {
        let destination = FirehoseDestination::with_encoding(stream, client, self.body_encoding);
        Sink::builder(converter, destination).settings(self.settings.clone())
    }
}

/// A delivery stream, by its name or its ARN.
pub type DeliveryStream = Resource<DeliveryStreams>;

/// The delivery streams of Firehose: names of 1 to 64 characters, as the API reference of
/// `PutRecordBatch` has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryStreams;

impl ResourceKind for DeliveryStreams {
    const NOUN: &'static str = "delivery stream";
    const SERVICE: &'static str = "firehose";
    const TYPE: &'static str = "deliverystream";
    const MAX_NAME: usize = 64;
}

#[cfg(test)]
mod tests {
    use aws_sdk_firehose::config::{BehaviorVersion, Region};
    use sink_core::ErrorKind;

    use super::*;
    use crate::converter::as_is;

    const ARN: &str = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flights";

    #[test]
    fn a_delivery_stream_is_a_name_of_64_characters_or_an_arn() {
        for text in ["flights", ARN, &"s".repeat(64)] {
            let stream: DeliveryStream = text.parse().unwrap();
            assert_eq!(stream.arn().is_some(), text == ARN);
        }
        for text in [
            "my stream",
            &"s".repeat(65),
            "arn:aws:kinesis:eu-central-1:123456789012:stream/flights",
            "arn:aws:firehose:eu-central-1:123456789012:stream/flights",
        ] {
            let error = text.parse::<DeliveryStream>().unwrap_err();
            assert_eq!(
                error.message(),
                format!(
                    "the delivery stream is `{text}`: write its name (1 to 64 letters, digits, \
                     `_`, `.` and `-`) or its ARN \
                     (arn:aws:firehose:<region>:<account>:deliverystream/<name>)"
                )
            );
        }
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_reported_at_once() {
        let mut config = FirehoseSinkConfig::new("my stream");
        config.aws.endpoint_url = Some("localhost:4566".to_owned());
        config.settings.max_batch_size = Some(501);
        config.settings.max_batch_size_in_bytes = Some((4 << 20) + 1);
        config.settings.max_record_size_in_bytes = Some(1_024_001);
        config.body_encoding = BodyEncoding::Cbor;
        let error = config.build(as_is).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.operation(), "Firehose configuration");
        for expected in [
            "the delivery stream is `my stream`",
            "endpoint_url is `localhost:4566`",
            "max_batch_size is 501: the service accepts at most 500",
            "max_batch_size_in_bytes is 4194305",
            "max_record_size_in_bytes is 1024001",
            "body_encoding is `cbor`, which this service does not speak: write `json` or `sdk`",
        ] {
            assert!(error.message().contains(expected), "{expected} is missing in: {error}");
        }
    }

    #[tokio::test]
    async fn an_arn_brings_its_region_and_no_other_fits() {
        let client = |region: &'static str| {
            let config = aws_sdk_firehose::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new(region));
            Client::from_conf(config.build())
        };
        let mut config = FirehoseSinkConfig::new(ARN);
        config.aws.endpoint_url = Some("http://localhost:1".to_owned());
        drop(config.builder(as_is).await.unwrap());
        drop(config.builder_with_client(&client("eu-central-1"), as_is).unwrap());
        let error = config.builder_with_client(&client("us-east-1"), as_is).unwrap_err();
        assert!(error.message().contains("the delivery stream's ARN is in"), "{error}");
    }

    #[test]
    fn it_is_configuration_data() {
        let text = r#"{"delivery_stream": "flights"}"#;
        let config: FirehoseSinkConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config, FirehoseSinkConfig::new("flights"));
        let back = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<FirehoseSinkConfig>(&back).unwrap(), config);
        for text in ["{}", r#"{"delivery_stream": "flights", "stream": "x"}"#] {
            serde_json::from_str::<FirehoseSinkConfig>(text).unwrap_err();
        }
    }
}
