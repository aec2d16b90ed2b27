//! Lanes against an endpoint with shards: what is predicted, and what it costs when it cannot be.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_kinesis::{Client, config::Credentials};
use sink_aws::Answer;
use sink_core::{Destination as _, Lane, Ordering, OwnedBatch, Settings};
use sink_emulator::{Emulator, Fault, kinesis::KinesisLimits};
use sink_kinesis::{KinesisDestination, KinesisEntry, KinesisSinkConfig, as_is};

const LONG: Duration = Duration::from_secs(30);

async fn emulator(shards: usize) -> Emulator {
    Emulator::builder()
        .stream("flights", shards)
        .kinesis_limits(KinesisLimits::without_shard_rates())
        .start()
        .await
        .unwrap()
}

async fn client(emulator: &Emulator) -> Client {
    let mut config = KinesisSinkConfig::new("flights");
    config.aws.region = Some("us-east-1".to_owned());
    config.aws.endpoint_url = Some(emulator.endpoint_url());
    let sdk = config.aws.load(Duration::from_secs(1)).await.unwrap();
    let credentials = Credentials::new("test", "test", None, None, "test");
    Client::from_conf(
        aws_sdk_kinesis::config::Builder::from(&sdk).credentials_provider(credentials).build(),
    )
}

async fn destination(emulator: &Emulator) -> KinesisDestination {
    KinesisDestination::new("flights".parse().unwrap(), &client(emulator).await)
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.max_batch_size = Some(50);
    settings.max_time_in_buffer = Some(Duration::from_millis(10));
    settings.retry_initial_delay = Some(Duration::from_millis(5));
    settings.retry_max_delay = Some(Duration::from_millis(50));
    settings
}

/// Entries with random keys; every third has a random explicit hash key.
fn entries(count: usize, seed: u64) -> Vec<KinesisEntry> {
    let mut random = seed;
    let mut next = move || {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random
    };
    (0..count)
        .map(|number| {
            let entry = KinesisEntry::new(format!("{:x}-é", next()), number.to_string()).unwrap();
            if number % 3 == 0 {
                let hash_key = u128::from(next()) << 64 | u128::from(next());
                entry.with_explicit_hash_key(hash_key)
            } else {
                entry
            }
        })
        .collect()
}

/// Sends the entries in one request and gives the shard that each is stored in.
async fn send(destination: &KinesisDestination, entries: &[KinesisEntry]) -> Vec<String> {
    let batch = OwnedBatch::new(entries.to_vec());
    let answer = destination.send(destination.build_request(&batch.as_batch())).await.unwrap();
    match answer {
        Answer::Stored(stored) => {
            (0..stored.count()).map(|at| stored.place(at).unwrap().to_owned()).collect()
        }
        Answer::Parsed(output) => {
            output.records().iter().map(|record| record.shard_id().unwrap().to_owned()).collect()
        }
    }
}

fn lane_of(shard_id: &str) -> Lane {
    Lane::for_key(shard_id.as_bytes())
}

/// Waits until the entry has a lane for which this holds.
async fn until(
    destination: &KinesisDestination,
    entry: &KinesisEntry,
    holds: impl Fn(Lane) -> bool + Send + Sync,
) {
    let waiting = async {
        while !holds(destination.lane(entry)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

/// Waits until so many requests for this operation have come.
async fn until_called(emulator: &Emulator, operation: &str, count: usize) {
    let waiting = async {
        while emulator.kinesis().calls(operation) < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

/// As if so much time had gone by.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_records_lane_is_the_shard_that_the_service_stores_it_in() {
    for shards in [1, 2, 8, 1001] {
        let emulator = emulator(shards).await;
        let destination = destination(&emulator).await;
        let entries = entries(1000, 7);
        assert!(entries.iter().all(|entry| destination.lane(entry) == Lane::SHARED));
        let stored =
            [send(&destination, &entries[..500]).await, send(&destination, &entries[500..]).await];
        until(&destination, &entries[0], |lane| lane != Lane::SHARED).await;
        for (entry, shard_id) in entries.iter().zip(stored.concat()) {
            assert_eq!(destination.lane(entry), lane_of(&shard_id), "{entry:?} of {shards}");
        }
        // More than 1,000 shards come in two pages.
        let pages = shards.div_ceil(1000);
        assert_eq!(emulator.kinesis().calls("ListShards"), pages, "{shards}");
    }
}

#[tokio::test]
async fn after_a_split_records_are_in_the_lanes_of_the_children() {
    let emulator = emulator(4).await;
    let destination = destination(&emulator).await;
    let entries = entries(200, 7);
    let parent = "shardId-000000000002";
    let stored = send(&destination, &entries).await;
    let moved = &entries[stored.iter().position(|id| id == parent).unwrap()];
    until(&destination, moved, |lane| lane == lane_of(parent)).await;

    emulator.kinesis().split_shard("flights", parent).unwrap();
    // Too soon after the first list: the answers show the children, and nobody looks.
    send(&destination, &entries).await;
    assert_eq!(emulator.kinesis().calls("ListShards"), 1);
    pass(Duration::from_secs(10)).await;
    let stored = send(&destination, &entries).await;
    until(&destination, moved, |lane| lane != lane_of(parent)).await;
    for (entry, shard_id) in entries.iter().zip(&stored) {
        assert_eq!(destination.lane(entry), lane_of(shard_id), "{entry:?}");
    }
    assert!(stored.iter().any(|id| id == "shardId-000000000004"));
    assert!(stored.iter().any(|id| id == "shardId-000000000005"));

    // All is as predicted: nobody looks for the next 5 minutes.
    pass(Duration::from_secs(299)).await;
    send(&destination, &entries).await;
    assert_eq!(emulator.kinesis().calls("ListShards"), 2);
    pass(Duration::from_secs(1)).await;
    send(&destination, &entries).await;
    until_called(&emulator, "ListShards", 3).await;
}

#[tokio::test]
async fn a_stream_made_anew_with_the_same_shard_ids_is_noticed() {
    let emulator = emulator(4).await;
    let destination = destination(&emulator).await;
    let entries = entries(30, 7);
    let before = send(&destination, &entries).await;
    until(&destination, &entries[0], |lane| lane != Lane::SHARED).await;
    let client = client(&emulator).await;
    client.delete_stream().stream_name("flights").send().await.unwrap();
    emulator.kinesis().create_stream("flights", 2).unwrap();
    pass(Duration::from_secs(10)).await;
    let stored = send(&destination, &entries).await;
    assert!(stored.iter().all(|id| before.contains(id)));
    let moved = before.iter().zip(&stored).position(|(before, now)| before != now).unwrap();
    until(&destination, &entries[moved], |lane| lane == lane_of(&stored[moved])).await;
    for (entry, shard_id) in entries.iter().zip(&stored) {
        assert_eq!(destination.lane(entry), lane_of(shard_id), "{entry:?}");
    }
}

#[tokio::test]
async fn writing_goes_on_when_shards_cannot_be_listed() {
    for fault in [
        Fault::error(400, "AccessDeniedException"),
        Fault::error(400, "LimitExceededException"),
        Fault::error(400, "ResourceNotFoundException"),
        Fault::error(500, "InternalFailure"),
        Fault::EmptyBody(503),
        Fault::HtmlBody(200),
        Fault::Reset,
        Fault::Silence,
    ] {
        let emulator = emulator(4).await;
        emulator.faults().fail_operation("ListShards", fault.clone());
        let mut config = KinesisSinkConfig::new("flights");
        config.settings = settings();
        let builder = config.builder_with_client(&client(&emulator).await, as_is).unwrap();
        let sink = builder.build().unwrap();
        for entry in entries(500, 7) {
            sink.write(entry).await.unwrap();
        }
        let closed = tokio::time::timeout(LONG, sink.close()).await;
        let counters = closed.unwrap().unwrap().counters;
        assert_eq!((counters.delivered.entries, counters.retried()), (500, 0), "{fault:?}");
        until_called(&emulator, "ListShards", 1).await;
        assert_eq!(emulator.kinesis().calls("ListShards"), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_failed_list_leaves_the_old_one_in_use() {
    let emulator = emulator(4).await;
    let destination = destination(&emulator).await;
    let entries = entries(20, 7);
    let stored = send(&destination, &entries).await;
    until(&destination, &entries[0], |lane| lane != Lane::SHARED).await;
    emulator.faults().fail_operation("ListShards", Fault::error(500, "InternalFailure"));
    pass(Duration::from_secs(300)).await;
    send(&destination, &entries).await;
    until_called(&emulator, "ListShards", 2).await;
    // Again after 10 s, and well.
    emulator.faults().clear();
    pass(Duration::from_secs(10)).await;
    send(&destination, &entries).await;
    for (entry, shard_id) in entries.iter().zip(&stored) {
        assert_eq!(destination.lane(entry), lane_of(shard_id));
    }
    until_called(&emulator, "ListShards", 3).await;
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn whoever_may_not_list_shards_is_told_once_what_to_allow() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let emulator = emulator(4).await;
    emulator.faults().fail_operation("ListShards", Fault::error(400, "AccessDeniedException"));
    let destination = destination(&emulator).await;
    let entries = entries(20, 7);
    for round in 1..=5 {
        send(&destination, &entries).await;
        until_called(&emulator, "ListShards", round).await;
        pass(Duration::from_secs(300)).await;
    }
    assert!(entries.iter().all(|entry| destination.lane(entry) == Lane::SHARED));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("kinesis:ListShards"), "{log}");
    assert!(warnings[0].contains("flights"), "{log}");
}

#[tokio::test]
async fn ordered_lanes_are_partition_keys_and_shards_are_never_listed() {
    let emulator = emulator(4).await;
    let destination = destination(&emulator).await.ordering(Ordering::PerLane);
    let entry = |key: &str| KinesisEntry::new(key, "data").unwrap();
    for key in ["a", "b", "é"] {
        let lane = Lane::for_key(key.as_bytes());
        assert_eq!(destination.lane(&entry(key)), lane);
        assert_eq!(destination.lane(&entry(key).with_explicit_hash_key(7)), lane);
    }

    let mut config = KinesisSinkConfig::new("flights");
    config.settings = settings();
    config.settings.ordering = Some(Ordering::PerLane);
    let builder = config.builder_with_client(&client(&emulator).await, as_is).unwrap();
    let sink = builder.build().unwrap();
    for entry in entries(200, 7) {
        sink.write(entry).await.unwrap();
    }
    assert_eq!(sink.close().await.unwrap().counters.delivered.entries, 200);
    assert!(emulator.kinesis().calls("PutRecords") > 0);
    assert_eq!(emulator.kinesis().calls("ListShards"), 0);
}

#[tokio::test]
async fn a_list_under_way_ends_with_the_destination() {
    let emulator = emulator(4).await;
    emulator.faults().fail_operation("ListShards", Fault::Silence);
    // Kept, so that its idle connections stay: what ends is the list, and nothing else.
    let client = client(&emulator).await;
    let destination = KinesisDestination::new("flights".parse().unwrap(), &client);
    send(&destination, &entries(10, 7)).await;
    until_called(&emulator, "ListShards", 1).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    drop(destination);
    let waiting = async {
        while tasks.num_alive_tasks() >= before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}

#[tokio::test]
async fn a_shard_that_takes_nothing_holds_up_no_other() {
    let emulator = emulator(4).await;
    let slow = "shardId-000000000002";
    let mut config = KinesisSinkConfig::new("flights");
    config.settings = settings();
    let builder = config.builder_with_client(&client(&emulator).await, as_is).unwrap();
    let sink = builder.build().unwrap();
    let first = KinesisEntry::new("first", "data").unwrap().with_explicit_hash_key(0);
    sink.write(first.clone()).await.unwrap();
    sink.flush().await.unwrap();
    until_called(&emulator, "ListShards", 1).await;
    // Another sink's view, to know which records are for which shard.
    let oracle = destination(&emulator).await;
    send(&oracle, std::slice::from_ref(&first)).await;
    until(&oracle, &first, |lane| lane != Lane::SHARED).await;

    emulator.faults().throttle_shard("flights", slow, 0);
    let entries = entries(4000, 7);
    let for_others = entries.iter().filter(|entry| oracle.lane(entry) != lane_of(slow)).count();
    for entry in entries {
        sink.write(entry).await.unwrap();
    }
    let stored = || {
        let totals = emulator.kinesis().totals("flights").unwrap();
        totals.iter().map(|shard| usize::try_from(shard.records).unwrap()).sum::<usize>()
    };
    let waiting = async {
        while stored() < for_others + 2 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(LONG, waiting).await;
    waited.unwrap_or_else(|_| panic!("{} of {for_others}: {:?}", stored(), sink.stats()));
    assert_eq!(stored(), for_others + 2);

    emulator.faults().clear();
    let closed = tokio::time::timeout(LONG, sink.close()).await.unwrap();
    assert_eq!(closed.unwrap().counters.delivered.entries, 4001);
}
