//! Which stream, and how to write to it.

use std::{fmt, str::FromStr, time::Duration};

use aws_sdk_kinesis::Client;
use serde::{Deserialize, Serialize};
use sink_aws::AwsConfig;
use sink_core::{
    Destination as _, ElementConverter, Error, ErrorKind, Settings, Sink, SinkBuilder,
};

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
}

impl KinesisSinkConfig {
    /// Writes to this stream, named or by its ARN, with all else from the environment and default.
    pub fn new(stream: impl Into<String>) -> Self {
        Self { stream: stream.into(), aws: AwsConfig::default(), settings: Settings::default() }
    }

    /// Builds the sink and spawns its driver on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong with stream, region, endpoint and settings.
    /// Whether the stream is there and the credentials are valid is known at the first request.
    ///
    /// # Cancel safety
    ///
    /// Cancelling it loses nothing: see [`AwsConfig::load`].
    pub async fn build<T, C>(&self, converter: C) -> Result<KinesisSink<T>, Error>
    where
        T: 'static,
        C: ElementConverter<T, Entry = KinesisEntry>,
    {
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
    pub async fn builder<T, C>(
        &self,
        converter: C,
    ) -> Result<SinkBuilder<T, KinesisDestination>, Error>
    where
        T: 'static,
        C: ElementConverter<T, Entry = KinesisEntry>,
    {
        let (stream, mut problems) = self.check(self.aws.region.as_deref());
        let mut aws = self.aws.clone();
        if let Some(region) = stream.as_ref().and_then(Stream::region) {
            aws.region = Some(region.to_owned());
        }
        let request_timeout = self.settings.request_timeout.unwrap_or(Duration::from_secs(60));
        let config = aws.load(request_timeout).await;
        let config = config.map_err(|error| problems.push(error.message().to_owned()));
        match (stream, config) {
            (Some(stream), Ok(config)) if problems.is_empty() => {
                let destination = self.destination(stream, &Client::new(&config));
                Ok(Sink::builder(converter, destination).settings(self.settings.clone()))
            }
            _ => Err(wrong(&problems)),
        }
    }

    /// A builder with these settings that writes with this client, instead of one made from
    /// `aws`. Its own retries are switched off: see [`KinesisDestination::new`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong with the stream and the settings.
    pub fn builder_with_client<T, C>(
        &self,
        client: &Client,
        converter: C,
    ) -> Result<SinkBuilder<T, KinesisDestination>, Error>
    where
        T: 'static,
        C: ElementConverter<T, Entry = KinesisEntry>,
    {
        match self.check(client.config().region().map(AsRef::as_ref)) {
            (Some(stream), problems) if problems.is_empty() => {
                let destination = self.destination(stream, client);
                Ok(Sink::builder(converter, destination).settings(self.settings.clone()))
            }
            (_, problems) => Err(wrong(&problems)),
        }
    }

    fn destination(&self, stream: Stream, client: &Client) -> KinesisDestination {
        let ordering = self.settings.ordering.unwrap_or_default();
        KinesisDestination::new(stream, client).ordering(ordering)
    }

    /// What is wrong with the data. `region` is the one that somebody has chosen.
    fn check(&self, region: Option<&str>) -> (Option<Stream>, Vec<String>) {
        let mut problems = Vec::new();
        let stream = self.stream.parse::<Stream>();
        let stream = stream.map_err(|error| problems.push(error.message().to_owned())).ok();
        if let Some(of_stream) = stream.as_ref().and_then(Stream::region)
            && let Some(region) = region
            && region != of_stream
        {
            problems.push(format!(
                "the region is `{region}`, but the stream's ARN is in `{of_stream}`: leave the \
                 region out, or correct one of them"
            ));
        }
        let settings =
            self.settings.resolve(&KinesisDestination::LIMITS, &KinesisDestination::DEFAULTS);
        problems.extend(settings.err().map(|error| error.message().to_owned()));
        (stream, problems)
    }
}

fn wrong(problems: &[String]) -> Error {
    Error::new(ErrorKind::Config, "Kinesis configuration", problems.join("; "))
}

/// A stream, by its name or its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    text: String,
    /// What an ARN says; `None` where the text is a name.
    arn: Option<Arn>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Arn {
    region: String,
    name: String,
}

impl Stream {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name alone.
    pub fn name(&self) -> &str {
        self.arn.as_ref().map_or(&self.text, |arn| &arn.name)
    }

    /// The ARN, where the stream was given by it.
    pub fn arn(&self) -> Option<&str> {
        self.arn.is_some().then_some(&self.text)
    }

    /// The ARN's region.
    pub fn region(&self) -> Option<&str> {
        self.arn.as_ref().map(|arn| arn.region.as_str())
    }
}

impl FromStr for Stream {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Config`] when it is neither a name nor an ARN of a stream.
    fn from_str(text: &str) -> Result<Self, Error> {
        let arn = parse_arn(text);
        if arn.is_some() || is_name(text) {
            return Ok(Self { text: text.to_owned(), arn });
        }
        Err(Error::new(
            ErrorKind::Config,
            "stream",
            format!(
                "the stream is `{}`: write its name (1 to 128 letters, digits, `_`, `.` and `-`) \
                 or its ARN (arn:aws:kinesis:<region>:<account>:stream/<name>)",
                text.chars().take(200).collect::<String>()
            ),
        ))
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn parse_arn(arn: &str) -> Option<Arn> {
    let parts: Vec<_> = arn.split(':').collect();
    let ["arn", partition, "kinesis", region, account, resource] = parts[..] else { return None };
    let name = resource.strip_prefix("stream/")?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (partition.starts_with("aws") && !region.is_empty() && is_account && is_name(name))
        .then(|| Arn { region: region.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::config::{BehaviorVersion, Region};

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
