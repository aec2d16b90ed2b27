//! Makes the sink that the user asked for, and the embedded endpoint where they asked for one.

use std::sync::Arc;

use aws_credential_types::Credentials;
use sink_aws::AwsConfig;
use sink_core::{Destination as _, Error, ErrorKind, FileDeadLetters, Settings, SinkBuilder};
use sink_emulator::{
    Emulator,
    kinesis::{KinesisLimits, ShardTotals},
};
use sink_kinesis::{
    KinesisDestination, KinesisEntry, KinesisSink, KinesisSinkConfig, Stream, as_is,
};

use crate::{
    args::{Aws, Emulate, OnBadLine, Send, Target},
    bad_lines::is_same_file,
};

type Builder = SinkBuilder<KinesisEntry, KinesisDestination>;

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
    let (builder, emulated) = match args.emulate.emulate {
        None => {
            config.aws = aws(&args.aws);
            (config.builder(as_is).await?, None)
        }
        Some(shards) => emulate(config, &args.emulate, shards).await?,
    };
    let sink = match dead_letters(args)? {
        Some(letters) => builder.dead_letters(letters).build()?,
        None => builder.build()?,
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
) -> Result<(Builder, Option<(Emulator, String)>), Error> {
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
    let builder = config.builder_with_client(&client, as_is)?;
    Ok((builder, Some((emulator, stream.name().to_owned()))))
}

/// Opens the file of rejected records. It must be no other file of the program: two writers would
/// mix their lines.
fn dead_letters(args: &Send) -> Result<Option<FileDeadLetters>, Error> {
    let Some(path) = &args.dead_letters else { return Ok(None) };
    let letters = FileDeadLetters::open(path)?;
    let wrong = |what: &str| {
        let message = format!("--dead-letters is {}: {what}", path.display());
        Err(Error::new(ErrorKind::Config, "open", message))
    };
    if is_same_file(path, &args.file) {
        return wrong("it is the file that is read");
    }
    match &args.on_bad_line {
        OnBadLine::DeadLetter(bad) if is_same_file(path, bad) => {
            wrong("bad lines go there; name two files")
        }
        _ => Ok(Some(letters)),
    }
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
