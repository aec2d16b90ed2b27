//! From a connector's configuration to what its sink is built of, or to all that is wrong with it.

use std::time::Duration;

use aws_types::SdkConfig;
use sink_core::{Destination, Error, ErrorKind, Settings};

use crate::{client::AwsConfig, protocol::BodyEncoding, resource::Target};

/// What every connector's configuration has, and what `build` and `builder` do with it.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    operation: &'static str,
    target: &'a str,
    aws: &'a AwsConfig,
    settings: &'a Settings,
    problem: Option<String>,
}

impl<'a> Setup<'a> {
    /// The operation is the one that errors name, such as `"Kinesis configuration"`; the target is
    /// a stream's name or ARN, a namespace, whatever the connector's [`Target`] is made from.
    pub fn new(
        operation: &'static str,
        target: &'a str,
        aws: &'a AwsConfig,
        settings: &'a Settings,
    ) -> Self {
        Self { operation, target, aws, settings, problem: None }
    }

    /// For a service that speaks no CBOR: it is one more thing that is wrong.
    #[must_use]
    pub fn without_cbor(self, encoding: BodyEncoding) -> Self {
        self.with_problem_if(
            encoding == BodyEncoding::Cbor,
            "body_encoding is `cbor`, which this service does not speak: write `json` or `sdk`",
        )
    }

    /// For a service that gets no JSON from us: it is one more thing that is wrong.
    #[must_use]
    pub fn without_json(self, encoding: BodyEncoding) -> Self {
        self.with_problem_if(
            encoding == BodyEncoding::Json,
            "body_encoding is `json`, which is not written for this service: write `cbor` or `sdk`",
        )
    }

    fn with_problem_if(mut self, is_wrong: bool, problem: &str) -> Self {
        self.problem = is_wrong.then(|| problem.to_owned());
        self
    }

    /// The target, and the SDK's configuration for a client of its service: see
    /// [`AwsConfig::load`]. A target that names its region brings it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong with target, region, endpoint and settings.
    ///
    /// # Cancel safety
    ///
    /// Cancelling it loses nothing: see [`AwsConfig::load`].
    pub async fn load<D: Destination, T: Target>(&self) -> Result<(T, SdkConfig), Error> {
        let (target, mut problems) = self.problems::<D, T>(self.aws.region.as_deref());
        let mut aws = self.aws.clone();
        if let Some(region) = target.as_ref().and_then(Target::region) {
            aws.region = Some(region.to_owned());
        }
        let request_timeout = self.settings.request_timeout.unwrap_or(Duration::from_secs(60));
        let config = aws.load(request_timeout).await;
        let config = config.map_err(|error| problems.push(error.message().to_owned()));
        match (target, config) {
            (Some(target), Ok(config)) if problems.is_empty() => Ok((target, config)),
            _ => Err(self.wrong(&problems)),
        }
    }

    /// The target, for a client that is there already and writes to this region.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all that is wrong with target, region and settings.
    pub fn check<D: Destination, T: Target>(&self, region: Option<&str>) -> Result<T, Error> {
        match self.problems::<D, T>(region) {
            (Some(target), problems) if problems.is_empty() => Ok(target),
            (_, problems) => Err(self.wrong(&problems)),
        }
    }

    /// What is wrong with the data. `region` is the one that somebody has chosen.
    fn problems<D: Destination, T: Target>(
        &self,
        region: Option<&str>,
    ) -> (Option<T>, Vec<String>) {
        let mut problems = Vec::new();
        let target = self.target.parse::<T>();
        let target = target.map_err(|error| problems.push(error.message().to_owned())).ok();
        if let Some(of_target) = target.as_ref().and_then(Target::region)
            && let Some(region) = region
            && region != of_target
        {
            problems.push(format!(
                "the region is `{region}`, but the {}'s ARN is in `{of_target}`: leave the region \
                 out, or correct one of them",
                T::NOUN
            ));
        }
        let settings = self.settings.resolve(&D::LIMITS, &D::DEFAULTS);
        problems.extend(settings.err().map(|error| error.message().to_owned()));
        problems.extend(self.problem.clone());
        (target, problems)
    }

    fn wrong(&self, problems: &[String]) -> Error {
        Error::new(ErrorKind::Config, self.operation, problems.join("; "))
    }
}

/// The configuration of an SDK client with its own retries and its stalled-stream protection off:
/// the engine owns them. Connections, credentials and timeouts stay. For every service, so a macro:
/// their configurations have no trait in common.
///
/// ```
/// # use aws_sdk_kinesis::{Client, Config, config::BehaviorVersion};
/// # let config = Config::builder().behavior_version(BehaviorVersion::v2026_01_12());
/// # let client = &Client::from_conf(config.build());
/// let client = Client::from_conf(sink_aws::without_retries!(client));
/// ```
///
/// With [`Bodies`](crate::Bodies) the client sends batches that they have written, where
/// [`answer`](crate::answer()) makes the call:
///
/// ```
/// # use aws_sdk_kinesis::{Client, Config, config::BehaviorVersion};
/// # let config = Config::builder().behavior_version(BehaviorVersion::v2026_01_12());
/// # let client = &Client::from_conf(config.build());
/// let bodies = sink_aws::Bodies::new(sink_aws::BodyEncoding::default());
/// let client = Client::from_conf(sink_aws::without_retries!(client, bodies));
/// ```
#[macro_export]
macro_rules! without_retries {
    ($client:expr) => {
        $client
            .config()
            .to_builder()
            .retry_config($crate::RetryConfig::disabled())
            .stalled_stream_protection($crate::StalledStreamProtectionConfig::disabled())
            .build()
    };
    ($client:expr, $bodies:expr) => {{
        let config = $crate::without_retries!($client);
        match $bodies.protocol() {
            None => config,
            protocol => {
                let mut builder = config.to_builder();
                builder.set_protocol(protocol);
                builder.build()
            }
        }
    }};
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use aws_sdk_kinesis::{
        Client, Config,
        config::{BehaviorVersion, Region, retry::RetryConfig},
    };
    use sink_core::{Batch, Entry, Limits, Outcome};

    use super::*;

    struct Letter;

    impl Entry for Letter {
        fn size_bytes(&self) -> usize {
            1
        }
    }

    struct Letters;

    impl Destination for Letters {
        type Entry = Letter;
        type Request = ();
        type Response = ();
        type Error = std::io::Error;
        const KIND: &'static str = "letters";
        const LIMITS: Limits =
            Limits { max_batch_size: 10, max_batch_size_in_bytes: 10, max_record_size_in_bytes: 1 };

        fn build_request(&self, _: &Batch<'_, Letter>) {}

        async fn send(&self, (): ()) -> Result<(), std::io::Error> {
            Ok(())
        }

        fn extract_failures(&self, _: Result<(), std::io::Error>, _: usize) -> Outcome {
            Outcome::Delivered
        }
    }

    /// `address` or `address@region`.
    #[derive(Debug, PartialEq)]
    struct Address(String, Option<String>);

    impl FromStr for Address {
        type Err = Error;

        fn from_str(text: &str) -> Result<Self, Error> {
            match text.split_once('@') {
                _ if text.contains(' ') => Err(Error::new(ErrorKind::Config, "address", "a blank")),
                None => Ok(Self(text.to_owned(), None)),
                Some((address, region)) => Ok(Self(address.to_owned(), Some(region.to_owned()))),
            }
        }
    }

    impl Target for Address {
        const NOUN: &'static str = "address";

        fn region(&self) -> Option<&str> {
            self.1.as_deref()
        }
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_reported_at_once() {
        let aws = AwsConfig {
            region: Some("Frankfurt".to_owned()),
            endpoint_url: Some("localhost".to_owned()),
            ..AwsConfig::default()
        };
        let mut settings = Settings::default();
        settings.max_batch_size = Some(11);
        let setup = Setup::new("Letter configuration", "my house", &aws, &settings);
        let error = setup.load::<Letters, Address>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.operation(), "Letter configuration");
        for expected in
            ["a blank", "endpoint_url is", "the region is `Frankfurt`", "max_batch_size is 11"]
        {
            assert!(error.message().contains(expected), "{expected} is missing in: {error}");
        }
        let error = setup.check::<Letters, Address>(None).unwrap_err();
        assert!(error.message().starts_with("a blank; max_batch_size is 11"), "{error}");
    }

    #[tokio::test]
    async fn a_target_brings_its_region_and_no_other_fits() {
        let mut aws = AwsConfig {
            endpoint_url: Some("http://localhost:1".to_owned()),
            ..AwsConfig::default()
        };
        let settings = Settings::default();
        let expected = Address("home".to_owned(), Some("eu-west-1".to_owned()));
        let setup = Setup::new("Letter configuration", "home@eu-west-1", &aws, &settings);
        let (target, config) = setup.load::<Letters, Address>().await.unwrap();
        assert_eq!((&target, config.region().unwrap().as_ref()), (&expected, "eu-west-1"));
        for region in [None, Some("eu-west-1")] {
            assert_eq!(setup.check::<Letters, Address>(region).unwrap(), expected);
        }
        let wrong = "the region is `us-east-1`, but the address's ARN is in `eu-west-1`: leave";
        let error = setup.check::<Letters, Address>(Some("us-east-1")).unwrap_err();
        assert!(error.message().starts_with(wrong), "{error}");
        aws.region = Some("us-east-1".to_owned());
        let setup = Setup::new("Letter configuration", "home@eu-west-1", &aws, &settings);
        let error = setup.load::<Letters, Address>().await.unwrap_err();
        assert!(error.message().starts_with(wrong), "{error}");
        // Without one of its own it goes where the configuration says.
        let setup = Setup::new("Letter configuration", "home", &aws, &settings);
        let (_, config) = setup.load::<Letters, Address>().await.unwrap();
        assert_eq!(config.region().unwrap().as_ref(), "us-east-1");
    }

    #[test]
    fn a_clients_retries_are_off_and_its_region_stays() {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .retry_config(RetryConfig::standard().with_max_attempts(5));
        let client = Client::from_conf(config.build());
        let config = without_retries!(&client);
        assert_eq!(config.retry_config().unwrap().max_attempts(), 1);
        assert!(!config.stalled_stream_protection().unwrap().is_enabled());
        assert_eq!(config.region().unwrap().as_ref(), "eu-west-1");
    }
}
