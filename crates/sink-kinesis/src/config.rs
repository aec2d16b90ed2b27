//! Which stream, and how to write to it.

use aws_sdk_kinesis::Client;
use serde::{Deserialize, Serialize};
use sink_aws::{AwsConfig, BodyEncoding, Resource, ResourceKind, Setup};
use sink_core::{ElementConverter, Error, Settings, Sink, SinkBuilder};

use crate::{converter::KinesisEntry, request::KinesisDestination};

/// A sink whose destination is a Kinesis stream.
pub type KinesisSink<T> = Sink<T, KinesisEntry>;

/// Which stream to write to, and how, as configuration data.
///
/// ```
/// let config: sink_kinesis::KinesisSinkConfig = serde_json::from_str(
///     r#"{
///         "stream": "flights",
///         "aws": { "region": "eu-central-1" },
///         "settings": { "max_time_in_buffer": "500ms" }
///     }"#,
/// )?;
/// assert_eq!(config.stream, "flights");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KinesisSinkConfig {
    /// Name or ARN of the stream. An ARN brings its region.
    pub stream: String,
    /// How to reach AWS. Default: all from the environment.
    #[serde(default)]
    pub aws: AwsConfig,
    /// How to buffer, batch and retry. Default: see [`Settings`], with the sizes of
    /// [`KinesisDestination`].
    ///
    /// With `ordering` `per_lane` the records of each partition key arrive in the order in which
    /// they were written, whatever fails in between. It costs: of each key one record is in flight
    /// at a time, so a key gets at most one record a round trip, and requests fill only where there
    /// are many keys. After a time-out a record may still be stored twice, and its second copy then
    /// comes after later ones at worst: readers that need the order skip what they have seen.
    #[serde(default)]
    pub settings: Settings,
    /// How the body of a request is written and its answer read. Default: `json`. It changes what
    /// the sink costs, and nothing of what arrives; what each means, [`BodyEncoding`] says. `cbor`
    /// has never been tried against AWS itself.
    #[serde(default)]
    pub body_encoding: BodyEncoding,
}

impl KinesisSinkConfig {
    /// Writes to this stream, named or by its ARN, with all else from the environment and default.
    pub fn new(stream: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
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
        converter: impl ElementConverter<T, Entry = KinesisEntry>,
    ) -> Result<KinesisSink<T>, Error> {
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
        converter: impl ElementConverter<T, Entry = KinesisEntry>,
    ) -> Result<SinkBuilder<T, KinesisDestination>, Error> {
        let (stream, config) = self.setup().load::<KinesisDestination, Stream>().await?;
        Ok(self.sink(stream, &Client::new(&config), converter))
    }

    /// A builder with these settings that writes with this client, instead of one made from
    /// `aws`. Its own retries are switched off, and `body_encoding` applies to it: see
    /// [`KinesisDestination::new`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](sink_core::ErrorKind::Config) with all that is wrong with the stream
    /// and the settings.
    pub fn builder_with_client<T: 'static>(
        &self,
        client: &Client,
        converter: impl ElementConverter<T, Entry = KinesisEntry>,
    ) -> Result<SinkBuilder<T, KinesisDestination>, Error> {
        let region = client.config().region().map(AsRef::as_ref);
        let stream = self.setup().check::<KinesisDestination, Stream>(region)?;
        Ok(self.sink(stream, client, converter))
    }

    fn setup(&self) -> Setup<'_> {
        Setup::new("Kinesis configuration", &self.stream, &self.aws, &self.settings)
    }

    fn sink<T: 'static>(
        &self,
        stream: Stream,
        client: &Client,
        converter: impl ElementConverter<T, Entry = KinesisEntry>,
    ) -> SinkBuilder<T, KinesisDestination> {
        let ordering = self.settings.ordering.unwrap_or_default();
        let destination = KinesisDestination::with_encoding(stream, client, self.body_encoding);
        Sink::builder(converter, destination.ordering(ordering)).settings(self.settings.clone())
    }
}

/// A stream, by its name or its ARN.
pub type Stream = Resource<Streams>;

/// The streams of Kinesis: names of 1 to 128 characters, as the API reference of `PutRecords` has
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Streams;

impl ResourceKind for Streams {
    const NOUN: &'static str = "stream";
    const SERVICE: &'static str = "kinesis";
    const TYPE: &'static str = "stream";
    const MAX_NAME: usize = 128;
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::config::{BehaviorVersion, Region};
    use sink_core::ErrorKind;

    use super::*;
    use crate::converter::as_is;

    const ARN: &str = "arn:aws:kinesis:eu-central-1:123456789012:stream/flights";

    #[test]
    fn a_stream_is_a_name_or_an_arn() {
        for (text, name, region) in [
            ("flights", "flights", None),
            ("a", "a", None),
            ("Flights_2026.eu-1", "Flights_2026.eu-1", None),
            (&"s".repeat(128), &*"s".repeat(128), None),
            (ARN, "flights", Some("eu-central-1")),
            (
                "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/a.b",
                "a.b",
                Some("us-gov-west-1"),
            ),
            ("arn:aws-cn:kinesis:cn-north-1:000000000000:stream/a", "a", Some("cn-north-1")),
        ] {
            let stream: Stream = text.parse().unwrap();
            assert_eq!((stream.name(), stream.region()), (name, region), "{text}");
            assert_eq!(stream.arn(), region.map(|_| text), "{text}");
            assert_eq!(stream.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_would_be_accepted() {
        for text in [
            "",
            " flights",
            "my stream",
            "flüge",
            "a/b",
            &"s".repeat(129),
            "arn:aws:kinesis:eu-central-1:123456789012:stream/",
            "arn:aws:kinesis:eu-central-1:123456789012:stream/my stream",
            "arn:aws:kinesis:eu-central-1:123456789012:stream/a/consumer/b:1",
            "arn:aws:kinesis:eu-central-1:1234:stream/flights",
            "arn:aws:kinesis::123456789012:stream/flights",
            "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flights",
            "arn:azure:kinesis:eu-central-1:123456789012:stream/flights",
        ] {
            let error = text.parse::<Stream>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().starts_with(&format!("the stream is `{text}`: ")), "{error}");
            assert!(error.message().contains("arn:aws:kinesis:<region>"), "{error}");
        }
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_reported_at_once() {
        let mut config = KinesisSinkConfig::new("my stream");
        config.aws.endpoint_url = Some("localhost:4566".to_owned());
        config.aws.region = Some("Frankfurt".to_owned());
        config.settings.max_batch_size = Some(501);
        config.settings.max_batch_size_in_bytes = Some(0);
        let error = config.build(as_is).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.operation(), "Kinesis configuration");
        for expected in [
            "the stream is `my stream`",
            "endpoint_url is `localhost:4566`",
            "the region is `Frankfurt`",
            "max_batch_size is 501: the service accepts at most 500",
            "max_batch_size_in_bytes is 0",
        ] {
            assert!(error.message().contains(expected), "{expected} is missing in: {error}");
        }
    }

    fn client(region: &str) -> Client {
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()));
        Client::from_conf(config.build())
    }

    #[tokio::test]
    async fn an_arn_brings_its_region_and_no_other_fits() {
        let mut config = KinesisSinkConfig::new(ARN);
        config.aws.endpoint_url = Some("http://localhost:1".to_owned());
        drop(config.builder(as_is).await.unwrap());
        drop(config.builder_with_client(&client("eu-central-1"), as_is).unwrap());
        let expected = "the region is `us-east-1`, but the stream's ARN is in `eu-central-1`";
        let error = config.builder_with_client(&client("us-east-1"), as_is).unwrap_err();
        assert!(error.message().starts_with(expected), "{error}");
        config.aws.region = Some("us-east-1".to_owned());
        let error = config.builder(as_is).await.unwrap_err();
        assert!(error.message().starts_with(expected), "{error}");
    }

    #[test]
    fn it_is_configuration_data() {
        let config: KinesisSinkConfig = serde_json::from_str(r#"{"stream": "flights"}"#).unwrap();
        assert_eq!(config, KinesisSinkConfig::new("flights"));
        let back = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<KinesisSinkConfig>(&back).unwrap(), config);
        for text in ["{}", r#"{"stream": "flights", "stream_name": "x"}"#] {
            serde_json::from_str::<KinesisSinkConfig>(text).unwrap_err();
        }
    }
}
