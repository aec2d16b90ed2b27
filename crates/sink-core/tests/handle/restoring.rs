//! Snapshots, and sinks that begin with one.

use sink_core::{ErrorKind, Settings, Sink};

use crate::common::{convert, ids, scripted, settings, sink};

#[tokio::test(start_paused = true)]
async fn a_snapshot_has_everything_that_is_not_delivered_and_changes_nothing() {
    let (sink, mut requests) = sink(settings());
    for id in 1..=6 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    let snapshot = sink.snapshot().await;
    assert_eq!(ids(snapshot.entries()), [1, 2, 3, 4, 5, 6], "in flight included");
    assert_eq!((snapshot.kind(), snapshot.len()), ("scripted", 6));
    request.deliver();
    requests.recv().await.unwrap().deliver();
    sink.close().await.unwrap();
    assert!(sink.snapshot().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_restored_in_order_before_anything_new() {
    let snapshot = |range: std::ops::Range<u64>| async move {
        let (sink, _requests) = sink(settings());
        for id in range {
            sink.write(id).await.unwrap();
        }
        sink.snapshot().await
    };
    let (destination, mut requests) = scripted();
    let sink = Sink::builder(convert, destination)
        .settings(settings())
        .restore(&snapshot(21..28).await)
        .restore(&snapshot(31..38).await)
        .build()
        .unwrap();
    // 14 restored entries pass the bound of 10: they are kept, and what is new waits.
    let writer = sink.clone();
    let mut new = Box::pin(async move { writer.write(1).await });
    assert_waits!(new);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let request = requests.recv().await.unwrap();
        seen.extend(request.ids.clone());
        request.deliver();
    }
    new.await.unwrap();
    let closing = tokio::spawn(async move { sink.close().await });
    while let Some(request) = requests.recv().await {
        seen.extend(request.ids.clone());
        request.deliver();
    }
    closing.await.unwrap().unwrap();
    assert_eq!(seen, [21, 22, 23, 24, 25, 26, 27, 31, 32, 33, 34, 35, 36, 37, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_restored_entry_that_could_never_be_sent_is_refused_before_anything_starts() {
    let (sink, _requests) = sink(settings());
    sink.write(1).await.unwrap();
    let snapshot = sink.snapshot().await;
    let mut small = Settings::default();
    small.max_record_size_in_bytes = Some(9);
    let error = Sink::builder(convert, scripted().0)
        .settings(small)
        .restore(&snapshot)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    assert_eq!(
        error.to_string(),
        "restore: entry 1 of 1 has 10 bytes, but max_record_size_in_bytes is 9: raise it and \
         restore again; the snapshot is unchanged"
    );
}
