//! The demo: real events through the program `sink` into an embedded Kinesis that throttles, fails
//! and cuts connections; then everything is read back, and the proof is made that each arrived.
//!
//! `cargo xtask demo`, or `demo PATH-OF-SINK`.
#![allow(clippy::print_stdout)] // a program may speak

use std::{collections::HashMap, error::Error, io::Read as _, path::Path};

use aws_sdk_kinesis::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    types::{Record, ShardIteratorType},
};
use md5::{Digest as _, Md5};
use sink_emulator::{
    Emulator, Fault, RecordError,
    kinesis::{KinesisLimits, ShardTotals},
};
use tokio::process::Command;

type Failure = Box<dyn Error>;

/// 2,980 of the 336,776 flights that left New York City in 2013 (public domain). The carriers are
/// a skewed key: the five largest have two thirds of the flights.
const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights.ndjson.gz");
const KEY: &str = "carrier";
const SHARDS: usize = 4;
/// A quarter of the service's rates, as there are few events.
const RECORDS_PER_SECOND: u64 = 250;
const BYTES_PER_SECOND: u64 = 256 << 10;

/// What identifies an event: its key, and the checksum of its bytes.
type Identity = (String, [u8; 16]);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let sink = std::env::args().nth(1).ok_or("usage: demo PATH-OF-SINK")?;
    let events = events(Path::new(EVENTS))?;
    let emulator = emulator().await?;

    println!(
        "{} events, key `{KEY}`, to {SHARDS} shards of {RECORDS_PER_SECOND} records/s;",
        events.len()
    );
    println!("2 % of the records fail, and three requests are cut, one after it was stored.\n");
    let status = Command::new(sink)
        .args(["send", EVENTS, "--to", "kinesis://flights", "--partition-key", KEY])
        .args(["--max-time-in-buffer", "500ms", "--region", "us-east-1"])
        .args(["--endpoint-url", &emulator.endpoint_url()])
        .envs([("AWS_ACCESS_KEY_ID", "demo"), ("AWS_SECRET_ACCESS_KEY", "demo")])
        .status()
        .await?;

    let shards = read_all(&client(&emulator)).await?;
    let totals = emulator.kinesis().totals("flights").ok_or("the stream is gone")?;
    let missing = prove(&events, &shards, &totals);
    if !status.success() {
        return Err(format!("sink ended with {status}").into());
    }
    if missing > 0 {
        return Err(format!("{missing} of {} events did not arrive", events.len()).into());
    }
    println!(
        "\nproven: each of the {} events arrived at least once, by key and MD5 of its bytes",
        events.len()
    );
    Ok(())
}

/// The events to be sent, by key and checksum, with how often each is there.
fn events(path: &Path) -> Result<HashMap<Identity, usize>, Failure> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let mut events = HashMap::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line)?;
        let key = event[KEY].as_str().ok_or("an event without its key")?;
        *events.entry((key.to_owned(), Md5::digest(line).into())).or_default() += 1;
    }
    Ok(events)
}

async fn emulator() -> Result<Emulator, Failure> {
    let mut limits = KinesisLimits::default();
    limits.shard_records_per_second = Some(RECORDS_PER_SECOND);
    limits.shard_bytes_per_second = Some(BYTES_PER_SECOND);
    let emulator = Emulator::builder()
        .stream("flights", SHARDS)
        .kinesis_limits(limits)
        .seed(2013)
        .start()
        .await?;
    let faults = emulator.faults();
    faults.fail_records(0.02, RecordError::InternalFailure);
    faults.fail_next(1, Fault::EmptyBody(503));
    faults.fail_next(1, Fault::Reset);
    faults.fail_next(1, Fault::ResetAfterStoring);
    Ok(emulator)
}

fn client(emulator: &Emulator) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("demo", "demo", None, None, "demo"))
        .endpoint_url(emulator.endpoint_url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Reads all shards back through the API.
async fn read_all(client: &Client) -> Result<Vec<Vec<Record>>, Failure> {
    let mut shards = Vec::new();
    for shard in client.list_shards().stream_name("flights").send().await?.shards() {
        let iterator = client
            .get_shard_iterator()
            .stream_name("flights")
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await?;
        let mut next = iterator.shard_iterator;
        let mut records = Vec::new();
        loop {
            let answer = client.get_records().set_shard_iterator(next).send().await?;
            if answer.records.is_empty() && answer.millis_behind_latest == Some(0) {
                break;
            }
            next = answer.next_shard_iterator;
            records.extend(answer.records);
        }
        shards.push(records);
    }
    Ok(shards)
}

/// Prints what arrived where, and gives how many events did not.
fn prove(
    events: &HashMap<Identity, usize>,
    shards: &[Vec<Record>],
    totals: &[ShardTotals],
) -> usize {
    let mut arrived: HashMap<Identity, usize> = HashMap::new();
    println!(
        "\n{:<22} {:>8} {:>10} {:>10} {:>8} {:>11}",
        "read back from", "records", "bytes", "throttled", "failed", "duplicates"
    );
    let mut sums = [0; 5];
    for (records, totals) in shards.iter().zip(totals) {
        let (mut bytes, mut duplicates) = (0, 0);
        for record in records {
            let key = record.partition_key().unwrap_or_default().to_owned();
            bytes += record.data().as_ref().len() + key.len();
            let identity = (key, Md5::digest(record.data()).into());
            let times = arrived.entry(identity.clone()).or_default();
            *times += 1;
            duplicates += usize::from(*times > events.get(&identity).copied().unwrap_or(0));
        }
        let row = [
            records.len(),
            bytes,
            usize::try_from(totals.throttled).unwrap_or(usize::MAX),
            usize::try_from(totals.failed).unwrap_or(usize::MAX),
            duplicates,
        ];
        print_row(&totals.id, row);
        for (sum, number) in sums.iter_mut().zip(row) {
            *sum += number;
        }
    }
    print_row("all", sums);
    let times = |event: &Identity| arrived.get(event).copied().unwrap_or(0);
    events.iter().map(|(event, count)| count.saturating_sub(times(event))).sum()
}

fn print_row(name: &str, [records, bytes, throttled, failed, duplicates]: [usize; 5]) {
    println!("{name:<22} {records:>8} {bytes:>10} {throttled:>10} {failed:>8} {duplicates:>11}");
}
