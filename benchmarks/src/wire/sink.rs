//! Our sinks, by what is public of them.

use sink_cloudwatch::{CloudWatchSinkConfig, Metric, Unit};
use sink_core::{ConvertError, Counters, Destination, SinkBuilder};
use sink_firehose::{FirehoseEntry, FirehoseSinkConfig};
use sink_kinesis::{KinesisEntry, KinesisSinkConfig};

use super::{
    floor::{METRIC, TARGET, client, hosts},
    plan::{Plan, Service},
    source::{HOSTS, Source},
};
use crate::Result;

/// Writes all records of the source to the server at this URL; gives how many, and the sink's own
/// counts.
///
/// # Errors
///
/// When the sink cannot be built, or stops.
pub async fn run(plan: &Plan, source: Source, url: &str) -> Result<(u64, Counters)> {
    let numbers = source.numbers();
    match plan.service {
        Service::Kinesis => {
            let config = plan.sink_configuration("stream", TARGET);
            let config: KinesisSinkConfig = serde_json::from_value(config)?;
            let client = client!(aws_sdk_kinesis, url);
            let record =
                move |number: u64| KinesisEntry::new(source.key(number), source.payload(number));
            drive(config.builder_with_client(&client, record)?, numbers).await
        }
        Service::Firehose => {
            let config = plan.sink_configuration("delivery_stream", TARGET);
            let config: FirehoseSinkConfig = serde_json::from_value(config)?;
            let client = client!(aws_sdk_firehose, url);
            let record = move |number: u64| {
                Ok::<_, ConvertError>(FirehoseEntry::new(source.payload(number)))
            };
            drive(config.builder_with_client(&client, record)?, numbers).await
        }
        Service::Cloudwatch => {
            let config = plan.sink_configuration("namespace", TARGET);
            let config: CloudWatchSinkConfig = serde_json::from_value(config)?;
            let client = client!(aws_sdk_cloudwatch, url);
            // Made once, as its documentation says.
            let metric = |host: String| {
                let metric = Metric::builder(METRIC[0]).dimension("Host", host);
                metric
                    .dimension("Service", METRIC[1])
                    .unit(Unit::Milliseconds)
                    .build()
                    .map_err(Into::into)
            };
            let metrics = hosts().map(metric).collect::<Result<Vec<_>>>()?;
            let datum = move |number: u64| {
                let metric = metrics.get((number % HOSTS) as usize);
                let no_metric = || ConvertError::new("there is no such host");
                metric.ok_or_else(no_metric)?.value(source.value(number))
            };
            drive(config.builder_with_client(&client, datum)?, numbers).await
        }
    }
}

async fn drive<D: Destination>(
    builder: SinkBuilder<u64, D>,
    numbers: impl Iterator<Item = u64>,
) -> Result<(u64, Counters)> {
    let sink = builder.build()?;
    let mut written = 0;
    for number in numbers {
        sink.write(number).await?;
        written += 1;
    }
    sink.flush().await?;
    Ok((written, sink.close().await?.counters))
}
