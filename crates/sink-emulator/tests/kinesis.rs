//! Kinesis as the real SDK client sees it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod common;

use aws_sdk_kinesis::{
    Client,
    types::{
        PutRecordsRequestEntry, ShardFilter, ShardFilterType, ShardIteratorType, StreamStatus,
    },
};
use common::{Failure, client, client_with_key, entry, put, read_all};
use sink_emulator::{Emulator, kinesis::KinesisLimits};

async fn flights(shards: usize) -> (Emulator, Client) {
    let emulator = Emulator::builder().stream("flights", shards).start().await.unwrap();
    let client = client(&emulator);
    (emulator, client)
}

#[tokio::test]
async fn what_is_put_can_be_read_back() {
    let (emulator, client) = flights(4).await;
    let entries: Vec<_> =
        (0..500).map(|n| entry(&format!("key{n}"), format!("data {n}").as_bytes())).collect();
    let answer = put(&client, entries).await.unwrap();
    assert_eq!(answer.failed_record_count, Some(0));
    assert_eq!(answer.records().len(), 500);
    assert!(
        answer.records().iter().all(|r| r.sequence_number().is_some() && r.error_code().is_none())
    );

    let shards = read_all(&client, "flights").await;
    assert_eq!(shards.iter().map(Vec::len).sum::<usize>(), 500);
    assert!(shards.iter().all(|records| records.len() > 50), "MD5 spreads keys");
    for record in shards.iter().flatten() {
        let number = record.partition_key().and_then(|key| key.strip_prefix("key")).unwrap();
        assert_eq!(record.data().as_ref(), format!("data {number}").as_bytes());
        assert!(record.approximate_arrival_timestamp().unwrap().secs() > 1_700_000_000);
    }
    let held = emulator.kinesis().records("flights").unwrap();
    assert_eq!(
        held.iter().map(Vec::len).collect::<Vec<_>>(),
        shards.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let totals = emulator.kinesis().totals("flights").unwrap();
    assert_eq!(totals.iter().map(|shard| shard.records).sum::<u64>(), 500);
    assert_eq!(emulator.kinesis().requests(), 1);
    assert_eq!(emulator.kinesis().most_requests_in_flight(), 1);
}

#[tokio::test]
async fn streams_are_made_described_listed_and_deleted() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = client(&emulator);
    for name in ["a", "b"] {
        client.create_stream().stream_name(name).shard_count(2).send().await.unwrap();
    }
    let again = client.create_stream().stream_name("a").shard_count(1).send().await;
    assert_eq!(Failure::from(again.unwrap_err()).code.unwrap(), "ResourceInUseException");

    let answer = client.describe_stream_summary().stream_name("a").send().await.unwrap();
    let summary = answer.stream_description_summary.unwrap();
    assert_eq!(summary.stream_status, StreamStatus::Active);
    assert_eq!(summary.open_shard_count, 2);
    assert_eq!(summary.stream_arn, "arn:aws:kinesis:us-east-1:000000000000:stream/a");
    let answer = client.describe_stream_summary().stream_arn(&summary.stream_arn).send().await;
    assert_eq!(answer.unwrap().stream_description_summary.unwrap().stream_name, "a");

    let listed = client.list_streams().send().await.unwrap();
    assert_eq!(listed.stream_names, ["a", "b"]);
    let first = client.list_shards().stream_name("b").max_results(1).send().await.unwrap();
    let rest = client.list_shards().set_next_token(first.next_token.clone()).send().await.unwrap();
    let ids: Vec<_> = first.shards().iter().chain(rest.shards()).map(|s| s.shard_id()).collect();
    assert_eq!(ids, ["shardId-000000000000", "shardId-000000000001"]);
    let range = first.shards()[0].hash_key_range().unwrap();
    assert_eq!(range.starting_hash_key(), "0");

    client.delete_stream().stream_name("a").send().await.unwrap();
    let gone = client.describe_stream_summary().stream_name("a").send().await;
    let failure = Failure::from(gone.unwrap_err());
    assert_eq!(failure.code.unwrap(), "ResourceNotFoundException");
    assert_eq!(failure.message, "Stream a under account 000000000000 not found.");
}

#[tokio::test]
async fn a_split_shard_closes_and_its_children_take_what_comes() {
    let (emulator, client) = flights(2).await;
    let at = |n: u128| {
        let entry = PutRecordsRequestEntry::builder()
            .partition_key("k")
            .explicit_hash_key(n.to_string())
            .data(aws_sdk_kinesis::primitives::Blob::new("x"));
        entry.build().unwrap()
    };
    let ends = || vec![at(0), at(u128::MAX / 2 - 1), at(u128::MAX)];
    let ids = |answer: &aws_sdk_kinesis::operation::put_records::PutRecordsOutput| -> Vec<String> {
        let id =
            |id: Option<&str>| id.unwrap().strip_prefix("shardId-00000000000").map(str::to_owned);
        answer.records().iter().map(|record| id(record.shard_id()).unwrap()).collect()
    };
    assert_eq!(ids(&put(&client, ends()).await.unwrap()), ["0", "0", "1"]);
    emulator.kinesis().split_shard("flights", "shardId-000000000000").unwrap();
    assert_eq!(ids(&put(&client, ends()).await.unwrap()), ["2", "3", "1"]);
    client
        .merge_shards()
        .stream_name("flights")
        .shard_to_merge("shardId-000000000001")
        .adjacent_shard_to_merge("shardId-000000000003")
        .send()
        .await
        .unwrap();
    assert_eq!(ids(&put(&client, ends()).await.unwrap()), ["2", "4", "4"]);
    client
        .split_shard()
        .stream_name("flights")
        .shard_to_split("shardId-000000000002")
        .new_starting_hash_key("2")
        .send()
        .await
        .unwrap();
    assert_eq!(ids(&put(&client, ends()).await.unwrap()), ["5", "4", "4"]);
    for (stream, shard) in [("flights", "shardId-000000000000"), ("flights", "none"), ("none", "")]
    {
        emulator.kinesis().split_shard(stream, shard).unwrap_err();
    }

    // A closed shard can be read to its end.
    let stored = read_all(&client, "flights").await;
    assert_eq!(stored.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 1, 4, 1, 0]);

    let all = client.list_shards().stream_name("flights").send().await.unwrap().shards.unwrap();
    let ended = |shard: &aws_sdk_kinesis::types::Shard| {
        shard.sequence_number_range().unwrap().ending_sequence_number().is_some()
    };
    assert_eq!(
        all.iter().map(ended).collect::<Vec<_>>(),
        [true, true, true, true, false, false, false]
    );
    assert_eq!(all[0].hash_key_range().unwrap().starting_hash_key(), "0");
    assert_eq!(all[0].hash_key_range().unwrap().ending_hash_key(), (u128::MAX / 2 - 1).to_string());
    assert_eq!(all[4].parent_shard_id(), Some("shardId-000000000001"));
    assert_eq!(all[4].adjacent_parent_shard_id(), Some("shardId-000000000003"));

    // The filter holds for the following pages too, which must not name the stream again.
    let filter = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build().unwrap();
    let list = || client.list_shards().max_results(2);
    let first = list().stream_name("flights").shard_filter(filter).send().await.unwrap();
    let token = first.next_token.unwrap();
    let both = list().stream_name("flights").next_token(&token).send().await;
    assert_eq!(Failure::from(both.unwrap_err()).code.unwrap(), "InvalidArgumentException");
    let rest = list().next_token(token).send().await.unwrap();
    assert_eq!(rest.next_token, None);
    let open: Vec<_> = first.shards.iter().chain(&rest.shards).flatten().cloned().collect();
    assert_eq!(open, all[4..]);
}

#[tokio::test]
async fn names_and_shard_counts_that_are_none_are_refused() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = client(&emulator);
    for name in ["", "no spaces", "ü", &"x".repeat(129)] {
        let made = client.create_stream().stream_name(name).shard_count(1).send().await;
        assert_eq!(Failure::from(made.unwrap_err()).code.unwrap(), "ValidationException", "{name}");
    }
    client.create_stream().stream_name("x".repeat(128)).shard_count(1).send().await.unwrap();
    let made = client.create_stream().stream_name("none").shard_count(0).send().await;
    assert_eq!(Failure::from(made.unwrap_err()).code.unwrap(), "ValidationException");
    assert!(Emulator::builder().stream("no spaces", 1).start().await.is_err());
    assert!(Emulator::builder().stream("none", 0).start().await.is_err());
}

#[tokio::test]
async fn a_request_takes_500_records_and_no_more() {
    let (_emulator, client) = flights(1).await;
    let entries = |count| vec![entry("k", b"x"); count];
    assert_eq!(put(&client, entries(500)).await.unwrap().records().len(), 500);
    for count in [0, 501] {
        let failure = put(&client, entries(count)).await.unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("ValidationException"), "{count}");
    }
}

#[tokio::test]
async fn a_record_takes_a_mebibyte_with_its_key_and_more_if_the_stream_does() {
    let (_emulator, client) = flights(1).await;
    let record = |bytes: usize| vec![entry("key", &vec![7; bytes - 3])];
    put(&client, record(1 << 20)).await.unwrap();
    let failure = put(&client, record((1 << 20) + 1)).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("ValidationException"));
    assert!(failure.message.contains("records.1.member.data"), "{}", failure.message);

    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/flights";
    let update = |kib| client.update_max_record_size().stream_arn(arn).max_record_size_in_kib(kib);
    assert!(update(10_241).send().await.is_err());
    update(10_240).send().await.unwrap();
    let answer = put(&client, record((1 << 20) + 1)).await.unwrap();
    assert_eq!(answer.records().len(), 1);
}

#[tokio::test]
async fn a_request_takes_ten_mebibytes_with_its_keys_and_no_more() {
    let emulator = Emulator::builder()
        .kinesis_limits(KinesisLimits::without_shard_rates())
        .stream("flights", 1)
        .start()
        .await
        .unwrap();
    let client = client(&emulator);
    let entries = |last: usize| {
        let mut entries = vec![entry("key", &vec![7; (1 << 20) - 3]); 9];
        entries.push(entry("key", &vec![7; last - 3]));
        entries
    };
    assert_eq!(put(&client, entries(1 << 20)).await.unwrap().failed_record_count, Some(0));
    let mut over = entries(1 << 20);
    over.push(entry("k", b""));
    let failure = put(&client, over).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("InvalidArgumentException"));
    assert_eq!(failure.message, "Records size exceeds 10 MB limit");
}

#[tokio::test]
async fn a_partition_key_has_1_to_256_characters() {
    let (_emulator, client) = flights(1).await;
    for key in ["k".to_owned(), "k".repeat(256), "ü".repeat(256)] {
        put(&client, vec![entry(&key, b"x")]).await.unwrap();
    }
    for key in [String::new(), "k".repeat(257), "ü".repeat(257)] {
        let failure = put(&client, vec![entry("fine", b"x"), entry(&key, b"x")]).await.unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("ValidationException"));
        assert!(failure.message.contains("records.2.member.partitionKey"), "{}", failure.message);
    }
    let stored = read_all(&client, "flights").await;
    assert_eq!(stored[0].len(), 3, "nothing of a refused request is stored");
}

#[tokio::test]
async fn explicit_hash_keys_say_where_a_record_goes() {
    let (emulator, client) = flights(2).await;
    let at = |hash_key: &str| {
        let entry = PutRecordsRequestEntry::builder()
            .partition_key("same")
            .explicit_hash_key(hash_key)
            .data(aws_sdk_kinesis::primitives::Blob::new("x"));
        vec![entry.build().unwrap()]
    };
    for (hash_key, shard) in
        [("0", 0), (&u128::MAX.to_string(), 1), (&(u128::MAX / 2).to_string(), 1)]
    {
        put(&client, at(hash_key)).await.unwrap();
        let records = emulator.kinesis().records("flights").unwrap();
        assert!(!records[shard].is_empty(), "{hash_key}");
    }
    for (hash_key, code) in [
        ("-1", "ValidationException"),
        ("01", "ValidationException"),
        ("", "ValidationException"),
        ("1e3", "ValidationException"),
        ("340282366920938463463374607431768211456", "InvalidArgumentException"),
    ] {
        let failure = put(&client, at(hash_key)).await.unwrap_err();
        assert_eq!(failure.code.as_deref(), Some(code), "{hash_key}");
    }
}

#[tokio::test]
async fn a_shard_takes_so_many_records_a_second_and_refuses_the_rest_one_by_one() {
    assert_eq!(KinesisLimits::default().shard_records_per_second, Some(1000));
    let mut limits = KinesisLimits::default();
    limits.shard_records_per_second = Some(100);
    let emulator =
        Emulator::builder().kinesis_limits(limits).stream("flights", 1).start().await.unwrap();
    let answer = put(&client(&emulator), vec![entry("k", b"x"); 500]).await.unwrap();
    let failed: Vec<_> = answer.records().iter().filter(|r| r.error_code().is_some()).collect();
    assert_eq!(answer.failed_record_count, Some(400));
    assert_eq!(failed.len(), 400);
    for record in &failed {
        assert_eq!(record.error_code(), Some("ProvisionedThroughputExceededException"));
        assert_eq!(
            record.error_message(),
            Some(
                "Rate exceeded for shard shardId-000000000000 in stream flights under account \
                 000000000000."
            )
        );
    }
    let totals = emulator.kinesis().totals("flights").unwrap();
    assert_eq!((totals[0].records, totals[0].throttled), (100, 400));
}

#[tokio::test]
async fn a_shard_takes_a_mebibyte_a_second() {
    let (_emulator, client) = flights(1).await;
    let entries = vec![entry("k", &vec![7; 100 << 10]); 20];
    let answer = put(&client, entries).await.unwrap();
    assert_eq!(answer.failed_record_count, Some(10));
}

#[tokio::test]
async fn iterators_begin_where_they_are_told_to() {
    let (_emulator, client) = flights(1).await;
    let mut numbers = Vec::new();
    for n in 0..3 {
        let answer = put(&client, vec![entry("k", &[n])]).await.unwrap();
        numbers.push(answer.records()[0].sequence_number().unwrap().to_owned());
    }
    let read = |kind: ShardIteratorType, number: Option<String>| {
        let client = client.clone();
        async move {
            let iterator = client
                .get_shard_iterator()
                .stream_name("flights")
                .shard_id("shardId-000000000000")
                .shard_iterator_type(kind)
                .set_starting_sequence_number(number)
                .timestamp(aws_sdk_kinesis::primitives::DateTime::from_secs(0))
                .send()
                .await
                .unwrap();
            let records = client
                .get_records()
                .set_shard_iterator(iterator.shard_iterator)
                .send()
                .await
                .unwrap()
                .records;
            records.iter().map(|record| record.data().as_ref()[0]).collect::<Vec<_>>()
        }
    };
    assert_eq!(read(ShardIteratorType::TrimHorizon, None).await, [0, 1, 2]);
    assert_eq!(read(ShardIteratorType::Latest, None).await, [0_u8; 0]);
    assert_eq!(read(ShardIteratorType::AtTimestamp, None).await, [0, 1, 2]);
    let second = || Some(numbers[1].clone());
    assert_eq!(read(ShardIteratorType::AtSequenceNumber, second()).await, [1, 2]);
    assert_eq!(read(ShardIteratorType::AfterSequenceNumber, second()).await, [2]);

    let nonsense = client.get_records().shard_iterator("nonsense").send().await;
    assert_eq!(Failure::from(nonsense.unwrap_err()).code.unwrap(), "InvalidArgumentException");
}

#[tokio::test]
async fn unknown_access_keys_are_refused_where_some_are_known() {
    let emulator =
        Emulator::builder().stream("flights", 1).access_key("known").start().await.unwrap();
    put(&client_with_key(&emulator, "known"), vec![entry("k", b"x")]).await.unwrap();
    let failure =
        put(&client_with_key(&emulator, "unknown"), vec![entry("k", b"x")]).await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("UnrecognizedClientException"));
}

#[tokio::test]
async fn an_operation_that_is_not_there_is_said_so() {
    let (_emulator, client) = flights(1).await;
    let answer = client.describe_limits().send().await;
    assert_eq!(Failure::from(answer.unwrap_err()).code.unwrap(), "UnknownOperationException");
}

#[tokio::test]
async fn forgotten_records_are_still_counted() {
    let emulator = Emulator::builder().stream("flights", 1).forget_records().start().await.unwrap();
    put(&client(&emulator), vec![entry("k", b"xyz"); 10]).await.unwrap();
    let totals = &emulator.kinesis().totals("flights").unwrap()[0];
    assert_eq!((totals.records, totals.bytes), (10, 40));
    assert!(emulator.kinesis().records("flights").unwrap()[0].is_empty());
}
