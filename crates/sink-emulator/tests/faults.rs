//! Each fault as the real SDK client meets it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod common;

use std::time::Duration;

use aws_sdk_kinesis::Client;
use common::{Failure, client, entry, put};
use sink_emulator::{Emulator, Fault, RecordError, kinesis::KinesisLimits};

async fn flights() -> (Emulator, Client) {
    let emulator = Emulator::builder()
        .stream("flights", 2)
        .kinesis_limits(KinesisLimits::without_shard_rates())
        .start()
        .await
        .unwrap();
    let client = client(&emulator);
    (emulator, client)
}

fn stored(emulator: &Emulator) -> u64 {
    emulator.kinesis().totals("flights").unwrap().iter().map(|shard| shard.records).sum()
}

#[tokio::test]
async fn whole_requests_fail_as_they_are_told_to_and_store_nothing() {
    for (fault, kind, code, status) in [
        (Fault::error(500, "InternalFailure"), "service", Some("InternalFailure"), Some(500)),
        (
            Fault::error(400, "ProvisionedThroughputExceededException"),
            "service",
            Some("ProvisionedThroughputExceededException"),
            Some(400),
        ),
        (
            Fault::error(400, "ExpiredTokenException"),
            "service",
            Some("ExpiredTokenException"),
            Some(400),
        ),
        (Fault::EmptyBody(503), "response", None, Some(503)),
        (Fault::HtmlBody(503), "response", None, Some(503)),
        (Fault::EmptyBody(413), "response", None, Some(413)),
        (Fault::Reset, "dispatch", None, None),
    ] {
        let (emulator, client) = flights().await;
        emulator.faults().fail_next(1, fault.clone());
        let failure = put(&client, vec![entry("k", b"x")]).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.code.as_deref(), failure.status),
            (kind, code, status),
            "{fault:?}"
        );
        assert_eq!(stored(&emulator), 0, "{fault:?}");
        put(&client, vec![entry("k", b"x")]).await.unwrap();
        assert_eq!((stored(&emulator), emulator.faults().injected()), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_reset_after_storing_looks_like_any_other_to_the_sender() {
    let (emulator, client) = flights().await;
    put(&client, vec![entry("k", b"x")]).await.unwrap(); // on a connection that is kept alive
    emulator.faults().fail_next(1, Fault::ResetAfterStoring);
    let failure = put(&client, vec![entry("k", b"x"); 7]).await.unwrap_err();
    assert_eq!((failure.kind, failure.code), ("dispatch", None));
    assert_eq!(stored(&emulator), 8);
}

#[tokio::test]
async fn an_answer_may_never_come() {
    for (fault, expected) in [(Fault::Silence, 0), (Fault::SilenceAfterStoring, 3)] {
        let (emulator, client) = flights().await;
        emulator.faults().fail_next(1, fault);
        let silent = tokio::spawn({
            let client = client.clone();
            async move { put(&client, vec![entry("k", b"x"); 3]).await }
        });
        while emulator.faults().injected() == 0 || stored(&emulator) != expected {
            tokio::task::yield_now().await;
        }
        // Others are answered meanwhile.
        put(&client, vec![entry("k", b"x")]).await.unwrap();
        assert!(!silent.is_finished());
        silent.abort();
    }
}

#[tokio::test]
async fn answers_may_have_the_wrong_length() {
    for (fault, length) in [(Fault::AnswerTooShort, 4), (Fault::AnswerTooLong, 6)] {
        let (emulator, client) = flights().await;
        emulator.faults().fail_next(1, fault);
        let answer = put(&client, vec![entry("k", b"x"); 5]).await.unwrap();
        assert_eq!(answer.records().len(), length);
        assert_eq!(stored(&emulator), 5);
    }
}

#[tokio::test]
async fn records_fail_at_their_rate_and_the_others_are_stored() {
    let (emulator, client) = flights().await;
    emulator.faults().fail_records(0.2, RecordError::Throttled);
    emulator.faults().fail_records(0.1, RecordError::InternalFailure);
    let (mut throttled, mut failed) = (0, 0);
    for _ in 0..10 {
        let answer = put(&client, vec![entry("k", b"x"); 500]).await.unwrap();
        for record in answer.records() {
            match record.error_code() {
                Some("ProvisionedThroughputExceededException") => throttled += 1,
                Some("InternalFailure") => failed += 1,
                other => assert_eq!(other, None),
            }
        }
    }
    assert!((900..1100).contains(&throttled), "{throttled}");
    assert!((300..500).contains(&failed), "{failed}");
    assert_eq!(stored(&emulator), 5000 - throttled - failed);
    emulator.faults().clear();
    let answer = put(&client, vec![entry("k", b"x"); 500]).await.unwrap();
    assert_eq!(answer.failed_record_count, Some(0));
}

#[tokio::test]
async fn requests_fail_at_their_rate_and_one_seed_gives_one_series() {
    let series = || async {
        let (emulator, client) = flights().await;
        emulator.faults().fail_requests(0.5, Fault::EmptyBody(500));
        let mut series = Vec::new();
        for _ in 0..40 {
            series.push(put(&client, vec![entry("k", b"x")]).await.is_ok());
        }
        series
    };
    let first = series().await;
    assert!((5..35).contains(&first.iter().filter(|ok| **ok).count()));
    assert_eq!(first, series().await);
}

#[tokio::test]
async fn a_throttle_burst_refuses_every_record_for_its_time() {
    let (emulator, client) = flights().await;
    emulator.faults().throttle_for(Duration::from_secs(3600));
    let answer = put(&client, vec![entry("k", b"x"); 3]).await.unwrap();
    assert_eq!(answer.failed_record_count, Some(3));
    emulator.faults().throttle_for(Duration::ZERO);
    let answer = put(&client, vec![entry("k", b"x"); 3]).await.unwrap();
    assert_eq!(answer.failed_record_count, Some(0));
}

#[tokio::test]
async fn one_shard_can_be_throttled_and_the_others_not() {
    let emulator = Emulator::builder().stream("flights", 2).start().await.unwrap();
    let client = client(&emulator);
    emulator.faults().throttle_shard("flights", "shardId-000000000001", 5);
    let entries = || (0..100).map(|n| entry(&format!("k{n}"), b"x")).collect::<Vec<_>>();
    put(&client, entries()).await.unwrap();
    let totals = emulator.kinesis().totals("flights").unwrap();
    assert_eq!(totals[0].throttled, 0);
    assert_eq!(
        (totals[1].records, totals[1].records + totals[1].throttled),
        (5, 100 - totals[0].records)
    );

    emulator.faults().throttle_shard("flights", "shardId-000000000001", 0);
    put(&client, entries()).await.unwrap();
    let after = emulator.kinesis().totals("flights").unwrap();
    assert_eq!((after[0].records, after[1].records), (2 * totals[0].records, 5));

    emulator.faults().clear();
    let answer = put(&client, entries()).await.unwrap();
    assert_eq!(answer.failed_record_count, Some(0));
}

#[tokio::test]
async fn an_operation_fails_by_its_name_and_each_is_counted() {
    let (emulator, client) = flights().await;
    emulator.faults().fail_operation("ListShards", Fault::error(400, "AccessDeniedException"));
    for _ in 0..3 {
        let answer = client.list_shards().stream_name("flights").send().await;
        let failure = Failure::from(answer.unwrap_err());
        assert_eq!(failure.code.as_deref(), Some("AccessDeniedException"));
    }
    put(&client, vec![entry("k", b"x")]).await.unwrap();
    emulator.faults().clear();
    client.list_shards().stream_name("flights").send().await.unwrap();
    let kinesis = emulator.kinesis();
    let calls = ["ListShards", "PutRecords", "ListStreams"].map(|name| kinesis.calls(name));
    assert_eq!(calls, [4, 1, 0]);
}

#[tokio::test]
async fn answers_are_delayed_and_reading_is_not() {
    let (emulator, client) = flights().await;
    emulator.faults().delay_answers(Duration::from_secs(3600), Duration::ZERO);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { put(&client, vec![entry("k", b"x")]).await }
    });
    while emulator.kinesis().requests() == 0 {
        tokio::task::yield_now().await;
    }
    client.list_streams().send().await.unwrap();
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn a_killed_endpoint_refuses_and_comes_back_with_what_it_had() {
    let (mut emulator, client) = flights().await;
    put(&client, vec![entry("k", b"x")]).await.unwrap();
    let url = emulator.endpoint_url();
    emulator.kill().await;
    for _ in 0..3 {
        let failure = put(&client, vec![entry("k", b"x")]).await.unwrap_err();
        assert_eq!(failure.kind, "dispatch");
    }
    emulator.revive().await.unwrap();
    assert_eq!(emulator.endpoint_url(), url);
    put(&client, vec![entry("k", b"x")]).await.unwrap();
    assert_eq!(stored(&emulator), 2);
}
