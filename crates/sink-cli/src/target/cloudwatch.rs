//! CloudWatch: a line is a value of a metric.

use aws_types::SdkConfig;
use sink_aws::{AwsConfig, BodyEncoding};
use sink_cloudwatch::{
    CloudWatchDestination, CloudWatchSinkConfig, MetricDatum, Namespace, Resolution, Unit, as_is,
};
use sink_core::{Error, Settings};
use sink_emulator::{Emulator, EmulatorBuilder, cloudwatch::CloudWatchLimits};

use super::{
    Builder, Place, Service,
    mapping::{Mapping, Source},
    no_shards,
};
use crate::{
    args::{CloudWatchArgs, Named, Send},
    summary::Part,
};

/// A namespace.
#[derive(Debug)]
pub(crate) struct CloudWatch {
    namespace: String,
    aggregate: bool,
    mapping: Mapping,
    encoding: Option<BodyEncoding>,
}

impl CloudWatch {
    pub(crate) fn new(namespace: &str, args: &Send) -> Result<Self, String> {
        no_shards(args)?;
        Ok(Self {
            namespace: namespace.to_owned(),
            aggregate: args.cloudwatch.aggregate,
            mapping: mapping(&args.cloudwatch)?,
            encoding: args.bodies.body_encoding,
        })
    }

    fn config(&self, settings: Settings) -> CloudWatchSinkConfig {
        let mut config = CloudWatchSinkConfig::new(&self.namespace);
        config.settings = settings;
        config.aggregate = self.aggregate;
        config.body_encoding = self.encoding.unwrap_or(config.body_encoding);
        config
    }
}

/// The mapping that the user describes.
fn mapping(flags: &CloudWatchArgs) -> Result<Mapping, String> {
    let metric = Source::one_of(flags.metric.clone(), flags.metric_field.clone());
    let metric = metric.ok_or(
        "a cloudwatch:// destination needs the metric's name: --metric NAME, or --metric-field \
         FIELD to take it from each line",
    )?;
    let value = Source::one_of(flags.value, flags.value_field.clone());
    let value = value.ok_or(
        "a cloudwatch:// destination needs the metric's value: --value-field FIELD to take it \
         from each line, or --value NUMBER",
    )?;
    let taken = flags.dimension.iter().cloned();
    let taken = taken.map(|Named { name, value }| (name, Source::Field(value)));
    let fixed = flags.dimension_fixed.iter().cloned();
    let fixed = fixed.map(|Named { name, value }| (name, Source::Fixed(value)));
    let mapping = Mapping {
        metric,
        value,
        dimensions: taken.chain(fixed).collect(),
        unit: flags.unit.clone().unwrap_or(Unit::None),
        resolution: match flags.resolution.as_deref() {
            Some("1") => Resolution::Second,
            _ => Resolution::Minute,
        },
        timestamp: flags.timestamp_field.clone(),
    };
    mapping.check()?;
    Ok(mapping)
}

impl Service for CloudWatch {
    type Entry = MetricDatum;
    type Destination = CloudWatchDestination;
    type Lines = Mapping;

    fn lines(&self) -> Mapping {
        self.mapping.clone()
    }

    async fn builder(
        &self,
        aws: AwsConfig,
        settings: Settings,
    ) -> Result<Builder<CloudWatchDestination>, Error> {
        let mut config = self.config(settings);
        config.aws = aws;
        config.builder(as_is).await
    }

    fn builder_with(
        &self,
        sdk: &SdkConfig,
        settings: Settings,
    ) -> Result<Builder<CloudWatchDestination>, Error> {
        let client = aws_sdk_cloudwatch::Client::new(sdk);
        self.config(settings).builder_with_client(&client, as_is)
    }

    fn place(&self) -> Result<Place, Error> {
        let namespace: Namespace = self.namespace.parse()?;
        Ok(Place { name: namespace.to_string(), region: None })
    }

    fn emulated(&self, _: &Place, any_rate: bool, emulator: EmulatorBuilder) -> EmulatorBuilder {
        let limits =
            if any_rate { CloudWatchLimits::without_rates() } else { CloudWatchLimits::default() };
        emulator.cloudwatch_limits(limits)
    }

    const PARTS: (&'static str, &'static str) = ("namespace", "namespaces");

    fn arrived(emulator: &Emulator, name: &str) -> Vec<Part> {
        let records = emulator.cloudwatch().total(name);
        vec![Part { id: name.to_owned(), records, bytes: None, throttled: None }]
    }
}
