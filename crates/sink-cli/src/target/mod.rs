//! What the program knows of each kind of destination, and how it opens one.

mod cloudwatch;
mod firehose;
mod kinesis;
mod mapping;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_types::SdkConfig;
use sink_aws::{AwsConfig, Resource, ResourceKind};
use sink_core::{
    Destination, Error, ErrorKind, FileDeadLetters, Settings, Sink, SinkBuilder, SnapshotEntry,
};
use sink_emulator::{Emulator, EmulatorBuilder};

pub(crate) use self::{cloudwatch::CloudWatch, firehose::Firehose, kinesis::Kinesis};
use crate::{
    args::{OnBadLine, Send, To},
    bad_lines::is_same_file,
    records::LineConverter,
    summary::{Arrived, Part},
};

/// Where to send, with all that was said of it.
#[derive(Debug)]
pub(crate) enum Target {
    Kinesis(Kinesis),
    Firehose(Firehose),
    CloudWatch(CloudWatch),
}

impl Target {
    /// # Errors
    ///
    /// With what is wrong with the command line.
    pub(crate) fn new(args: &Send) -> Result<Self, String> {
        Ok(match &args.to {
            To::Kinesis { stream } => Self::Kinesis(Kinesis::new(stream, args)),
            To::Firehose { stream } => Self::Firehose(Firehose::new(stream, args)?),
            To::CloudWatch { namespace } => Self::CloudWatch(CloudWatch::new(namespace, args)?),
        })
    }
}

/// Refuses a number of shards, which only an embedded Kinesis has.
fn no_shards(args: &Send) -> Result<(), String> {
    match args.emulate.emulate {
        Some(Some(shards)) => Err(format!(
            "--emulate {shards} says how many shards there are, which is for kinesis:// \
             destinations; write --emulate alone"
        )),
        _ => Ok(()),
    }
}

/// What the sink of a target is built with.
pub(crate) type Builder<D> = SinkBuilder<<D as Destination>::Entry, D>;

/// A kind of destination.
pub(crate) trait Service: Sync + std::marker::Send {
    type Entry: SnapshotEntry;
    type Destination: Destination<Entry = Self::Entry>;
    type Lines: LineConverter<Entry = Self::Entry>;

    /// What its lines become.
    fn lines(&self) -> Self::Lines;

    /// A builder that writes to AWS, reached so.
    fn builder(
        &self,
        aws: AwsConfig,
        settings: Settings,
    ) -> impl Future<Output = Result<Builder<Self::Destination>, Error>> + std::marker::Send;

    /// A builder that writes with a client of this configuration.
    fn builder_with(
        &self,
        sdk: &SdkConfig,
        settings: Settings,
    ) -> Result<Builder<Self::Destination>, Error>;

    /// Its name, and its region where that is known from an ARN.
    fn place(&self) -> Result<Place, Error>;

    /// Makes it in an embedded endpoint; without limits of rates, if so told.
    fn emulated(&self, place: &Place, any_rate: bool, emulator: EmulatorBuilder)
    -> EmulatorBuilder;

    /// What each part is whose arrivals an embedded endpoint counts: for people, and in JSON.
    const PARTS: (&'static str, &'static str);

    /// What arrived in an embedded endpoint.
    fn arrived(emulator: &Emulator, name: &str) -> Vec<Part>;
}

/// Where a destination is.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) region: Option<String>,
}

impl Place {
    /// Of what has a name or an ARN.
    fn of<K: ResourceKind>(resource: &Resource<K>) -> Self {
        Self { name: resource.name().to_owned(), region: resource.region().map(str::to_owned) }
    }
}

/// A sink, and what belongs to it.
pub(crate) struct Opened<S: Service> {
    pub(crate) sink: Sink<S::Entry, S::Entry>,
    pub(crate) max_batch_size: usize,
    pub(crate) max_record_size_in_bytes: usize,
    emulated: Option<(Emulator, Place)>,
}

impl<S: Service> Opened<S> {
    /// What arrived in the embedded endpoint; nothing without one.
    pub(crate) fn arrived(&self) -> Option<Arrived> {
        let (emulator, place) = self.emulated.as_ref()?;
        let (noun, key) = S::PARTS;
        Some(Arrived { noun, key, parts: S::arrived(emulator, &place.name) })
    }
}

/// Makes the sink that the user asked for, and the embedded endpoint where they asked for one.
pub(crate) async fn open<S: Service>(service: &S, args: &Send) -> Result<Opened<S>, Error> {
    let settings = args.settings.settings();
    let (builder, emulated) = if args.emulate.emulate.is_some() {
        let (builder, emulated) = emulate(service, args, settings.clone()).await?;
        (builder, Some(emulated))
    } else {
        let mut aws = AwsConfig::default();
        aws.region.clone_from(&args.aws.region);
        aws.profile.clone_from(&args.aws.profile);
        aws.endpoint_url.clone_from(&args.aws.endpoint_url);
        (service.builder(aws, settings.clone()).await?, None)
    };
    let sink = match dead_letters(args)? {
        Some(letters) => builder.dead_letters(letters).build()?,
        None => builder.build()?,
    };
    // The same resolution as the sink's, which has just succeeded.
    let resolved = resolve::<S>(&settings)?;
    Ok(Opened {
        sink,
        max_batch_size: resolved.max_batch_size,
        max_record_size_in_bytes: resolved.max_record_size_in_bytes,
        emulated,
    })
}

fn resolve<S: Service>(settings: &Settings) -> Result<sink_core::EngineConfig, Error> {
    settings.resolve(&S::Destination::LIMITS, &S::Destination::DEFAULTS)
}

/// Starts the embedded endpoint. It needs nothing of the environment: region and credentials are
/// made up.
async fn emulate<S: Service>(
    service: &S,
    args: &Send,
    settings: Settings,
) -> Result<(Builder<S::Destination>, (Emulator, Place)), Error> {
    let place = service.place()?;
    let emulator = Emulator::builder().forget_records();
    let emulator = service
        .emulated(&place, args.emulate.no_rate_limits, emulator)
        .start()
        .await
        .map_err(|error| Error::new(ErrorKind::Config, "emulate", error.to_string()))?;
    let mut aws = AwsConfig::default();
    aws.region = Some(place.region.as_deref().unwrap_or("us-east-1").to_owned());
    aws.endpoint_url = Some(emulator.endpoint_url());
    let timeout = resolve::<S>(&settings)?.request_timeout;
    let credentials = Credentials::new("emulated", "emulated", None, None, "embedded endpoint");
    let credentials = SharedCredentialsProvider::new(credentials);
    let sdk = aws.load(timeout).await?.into_builder().credentials_provider(credentials).build();
    Ok((service.builder_with(&sdk, settings)?, (emulator, place)))
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
