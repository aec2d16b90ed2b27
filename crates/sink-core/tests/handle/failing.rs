//! Fatal answers, connectors that panic, a runtime that shuts down.

use sink_core::{ErrorKind, Ordering, Sink};

use crate::common::{convert, denied, ids, panicking_sink, scripted, settings, sink};

#[tokio::test(start_paused = true)]
async fn a_fatal_answer_reaches_every_caller_and_keeps_every_entry() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let clone = sink.clone();
    let waiting = tokio::spawn(async move { clone.write(111).await });
    let clone = sink.clone();
    let flushing = tokio::spawn(async move { clone.flush().await });
    let first = requests.recv().await.unwrap();
    let second = requests.recv().await.unwrap();
    second.answer(denied());
    for error in [waiting.await.unwrap().unwrap_err(), flushing.await.unwrap().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Fatal);
        assert_eq!(error.to_string(), "send: access denied");
    }
    assert_eq!(sink.error().unwrap().to_string(), "send: access denied");
    first.deliver(); // what is in flight still counts
    assert_eq!(sink.close().await.unwrap_err().to_string(), "send: access denied");
    assert_eq!(sink.flush().await.unwrap_err().to_string(), "send: access denied");
    let snapshot = sink.snapshot().await;
    assert_eq!(ids(snapshot.entries()), [105, 106, 107, 108, 109, 110]);
    assert_eq!(ids(&sink.into_unsent().await), [105, 106, 107, 108, 109, 110]);
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_stops_the_sink_and_loses_nothing() {
    for piece in ["build_request", "send"] {
        let (sink, _requests) = panicking_sink(piece);
        for id in 1..=4 {
            sink.write(id).await.unwrap();
        }
        let error = sink.close().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal, "{piece}");
        assert!(error.to_string().contains(&format!("told to panic in {piece}")), "{error}");
        assert_eq!(ids(&sink.into_unsent().await), [1, 2, 3, 4], "{piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_over_an_entry_has_not_admitted_it() {
    let (destination, _requests) = scripted();
    *destination.panics.lock().unwrap() = Some("lane");
    let mut settings = settings();
    settings.ordering = Some(Ordering::PerLane); // for which each write asks for the lane
    let sink = Sink::builder(convert, destination).settings(settings).build().unwrap();
    let writer = sink.clone();
    let ended = tokio::spawn(async move { writer.write(1).await }).await;
    assert!(ended.unwrap_err().is_panic(), "whoever wrote it hears of it");
    assert_eq!(sink.stats().counters.admitted.entries, 0);
    sink.close().await.unwrap();
}

#[test]
fn a_runtime_that_shuts_down_leaves_what_is_unsent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sink, _requests) = runtime.block_on(async {
        let (sink, requests) = sink(settings());
        for id in 1..=6 {
            sink.write(id).await.unwrap();
        }
        (sink, requests)
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    other.block_on(async {
        let error = sink.write(7).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        assert!(error.to_string().contains("its runtime shut down"), "{error}");
        assert_eq!(ids(&sink.into_unsent().await), [1, 2, 3, 4, 5, 6]);
    });
}
