//! Makes the sink that the user asked for, and the embedded endpoint where they asked for one.

use std::sync::Arc;

use aws_credential_types::Credentials;
use sink_aws::AwsConfig;
use sink_core::{Destination as _, Error, ErrorKind, Settings};
use sink_emulator::{
    Emulator,
    kinesis::{KinesisLimits, ShardTotals},
};
use sink_kinesis::{
    KinesisDestination, KinesisEntry, KinesisSink, KinesisSinkConfig, Stream, as_is,
};

use crate::args::{Aws, Emulate, Send, Target};

/// A sink, and what belongs to it.
pub(crate) struct Opened {
    pub(crate) sink: KinesisSink<KinesisEntry>,
    pub(crate) max_batch_size: usize,
    pub(crate) max_record_size_in_bytes: usize,
    emulated: Option<(Emulator, String)>,
}

impl Opened {
    /// What arrived in the embedded endpoint; nothing without one.
    pub(crate) fn shard_totals(&self) -> Vec<ShardTotals> {
        let emulated = self.emulated.as_ref();
        emulated.and_then(|(e, stream)| e.kinesis().totals(stream)).unwrap_or_default()
    }
}

pub(crate) async fn open(args: &Send) -> Result<Opened, Error> {
    let Target::Kinesis { stream } = &args.to;
    let settings = args.settings.settings();
    let mut config = KinesisSinkConfig::new(stream);
    config.settings = settings.clone();
    let (sink, emulated) = match args.emulate.emulate {
        None => {
            config.aws = aws(&args.aws);
            (config.build(as_is).await?, None)
        }
        Some(shards) => emulate(config, &args.emulate, shards).await?,
    };
    // The same resolution as the sink's, which has just succeeded.
    let resolved = resolve(&settings)?;
    Ok(Opened {
        sink,
        max_batch_size: resolved.max_batch_size,
        max_record_size_in_bytes: resolved.max_record_size_in_bytes,
        emulated,
    })
}

fn resolve(settings: &Settings) -> Result<sink_core::EngineConfig, Error> {
    settings.resolve(&KinesisDestination::LIMITS, &KinesisDestination::DEFAULTS)
}

fn aws(args: &Aws) -> AwsConfig {
    let mut aws = AwsConfig::default();
    aws.region.clone_from(&args.region);
    aws.profile.clone_from(&args.profile);
    aws.endpoint_url.clone_from(&args.endpoint_url);
    aws
}

/// Starts the embedded endpoint. It needs nothing of the environment: region and credentials are
/// made up.
async fn emulate(
    mut config: KinesisSinkConfig,
    args: &Emulate,
    shards: usize,
) -> Result<(KinesisSink<KinesisEntry>, Option<(Emulator, String)>), Error> {
    let stream = config.stream.parse::<Stream>()?;
    let limits = if args.no_shard_limits {
        KinesisLimits::without_shard_rates()
    } else {
        KinesisLimits::default()
    };
    let emulator = Emulator::builder()
        .stream(stream.name(), shards)
        .kinesis_limits(limits)
        .forget_records()
        .start()
        .await
        .map_err(|error| Error::new(ErrorKind::Config, "emulate", error.to_string()))?;
    config.aws.region = Some(stream.region().unwrap_or("us-east-1").to_owned());
    config.aws.endpoint_url = Some(emulator.endpoint_url());
    let timeout = resolve(&config.settings)?.request_timeout;
    let sdk = config.aws.load(timeout).await?;
    let credentials = Credentials::new("emulated", "emulated", None, None, "embedded endpoint");
    let client = aws_sdk_kinesis::Client::from_conf(
        aws_sdk_kinesis::config::Builder::from(&sdk).credentials_provider(credentials).build(),
    );
    let sink = config.builder_with_client(&client, as_is)?.build()?;
    Ok((sink, Some((emulator, stream.name().to_owned()))))
}

/// Where keys come from, as the user said it.
pub(crate) fn key_source(args: &Send) -> crate::records::KeySource {
    use crate::records::KeySource;
    match (&args.key.partition_key, &args.key.partition_key_fixed) {
        (Some(path), _) => KeySource::Field(path.clone()),
        (None, Some(key)) => KeySource::Fixed(Arc::from(key.as_str())),
        (None, None) => KeySource::Random,
    }
}
