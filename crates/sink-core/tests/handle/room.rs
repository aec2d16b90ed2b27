//! Waiting for room: who waits, in which order, and who gives up.

use std::{pin::pin, time::Duration};

use sink_core::{Cause, ErrorKind, Outcome, TryWriteError, Verdict};

use crate::common::{ids, settings, sink};

#[tokio::test(start_paused = true)]
async fn write_waits_while_the_buffer_is_full_in_flight_included() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let first = requests.recv().await.unwrap();
    let second = requests.recv().await.unwrap();
    assert_eq!((first.ids.len(), second.ids.len()), (4, 4));
    let mut waiting = pin!(sink.write(111));
    assert_waits!(waiting);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_waits!(waiting);
    assert_eq!(sink.stats().in_flight.entries, 8);
    assert_eq!(sink.stats().buffered.entries, 2);
    first.deliver();
    waiting.await.unwrap();
    second.deliver();
}

#[tokio::test(start_paused = true)]
async fn write_waits_while_the_bytes_are_full() {
    let mut settings = settings();
    settings.max_batch_size_in_bytes = Some(25);
    settings.max_buffered_bytes = Some(35);
    let (sink, mut requests) = sink(settings);
    for id in 1..=3 {
        sink.write(id).await.unwrap();
    }
    let mut waiting = pin!(sink.write(4));
    assert_waits!(waiting);
    requests.recv().await.unwrap().deliver();
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn writers_get_room_in_the_order_in_which_they_came() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let mut writers: Vec<_> = (111..=116).map(|id| Box::pin(sink.write(id))).collect();
    for mut writer in &mut writers {
        assert_waits!(writer);
    }
    assert!(matches!(sink.try_write(117), Err(TryWriteError::Full(117))));
    requests.recv().await.unwrap().deliver();
    tokio::task::yield_now().await;
    // The room for four is theirs, whoever looks first and whoever comes meanwhile.
    assert!(matches!(sink.try_write(118), Err(TryWriteError::Full(118))));
    let mut late = pin!(sink.write(119));
    assert_waits!(late);
    for mut writer in &mut writers[4..] {
        assert_waits!(writer);
    }
    for writer in writers.drain(..4).rev() {
        writer.await.unwrap();
    }
    requests.recv().await.unwrap().deliver();
    for writer in writers {
        writer.await.unwrap();
    }
    late.await.unwrap();
}

/// tokio would run the driver only once the writer waits for something, and here it never does.
#[tokio::test]
async fn a_writer_that_never_waits_lets_the_driver_run() {
    let mut settings = settings();
    settings.max_buffered_requests = Some(100_000);
    let (sink, mut requests) = sink(settings);
    for id in 1001..=2000 {
        sink.write(id).await.unwrap();
    }
    assert!(requests.try_recv().is_ok(), "nothing was sent while a thousand entries were written");
    assert_eq!(sink.stats().counters.admitted.entries, 1000);
    let unsent = sink.into_unsent().await;
    assert_eq!(ids(&unsent), (1001..=2000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_gives_up_passes_its_place_on_and_admits_nothing() {
    let (sink, mut requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let next = {
        let mut gives_up = pin!(sink.write(111));
        assert_waits!(gives_up);
        // A task of its own: it looks again only when it is woken.
        let next = tokio::spawn({
            let sink = sink.clone();
            async move { sink.write(112).await }
        });
        tokio::task::yield_now().await;
        requests.recv().await.unwrap().deliver();
        tokio::task::yield_now().await;
        next
    }; // woken, and dropped before it looks
    next.await.unwrap().unwrap();
    assert_eq!(sink.stats().counters.admitted.entries, 11);
    assert_eq!(ids(&sink.into_unsent().await), [105, 106, 107, 108, 109, 110, 112]);
}

#[tokio::test(start_paused = true)]
async fn try_write_gives_the_element_back_when_there_is_no_room() {
    let (sink, _requests) = sink(settings());
    for id in 1..=10 {
        sink.try_write(id).unwrap();
    }
    assert!(matches!(sink.try_write(11), Err(TryWriteError::Full(11))));
    assert_eq!(sink.into_unsent().await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn try_write_that_cannot_convert_gives_its_room_back() {
    let (sink, _requests) = sink(settings());
    for _ in 0..100 {
        assert!(matches!(sink.try_write(13),
            Err(TryWriteError::Refused(error)) if error.kind() == ErrorKind::Convert));
    }
    for id in 101..=110 {
        sink.try_write(id).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_element_that_cannot_be_converted_or_is_too_large_concerns_nobody_else() {
    let (sink, mut requests) = sink(settings());
    sink.write(1).await.unwrap();
    let error = sink.write(13).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Convert);
    assert_eq!(error.to_string(), "write: 13 brings bad luck");
    let error = sink.write(14).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(
        error.to_string(),
        "write: the entry has 2000 bytes; max_record_size_in_bytes is 1024"
    );
    for id in 2..=4 {
        sink.write(id).await.unwrap();
    }
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn closing_wakes_writers_that_wait_for_room() {
    let (sink, _requests) = sink(settings());
    for id in 101..=110 {
        sink.write(id).await.unwrap();
    }
    let writer = tokio::spawn({
        let sink = sink.clone();
        async move { sink.write(111).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(ids(&sink.into_unsent().await), (101..=110).collect::<Vec<_>>());
    assert_eq!(writer.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

/// 1001 and its like are in lane 1, 2001 in lane 2: see `Scripted::lane`.
#[tokio::test(start_paused = true)]
async fn a_lane_that_is_stuck_does_not_block_who_writes_to_another() {
    let (sink, mut requests) = sink(settings()); // room for ten, requests of four
    let hot = tokio::spawn({
        let sink = sink.clone();
        async move {
            for id in 1000..1100 {
                sink.write(id).await.unwrap();
            }
        }
    });
    // Lane 1 is throttled for a minute each time, the others are not.
    let answer = |request: crate::common::Request| {
        let retry_after = Some(Duration::from_secs(60));
        let verdicts: Vec<_> = request
            .ids
            .iter()
            .map(|id| match id / 1000 {
                1 => Verdict::Retry(Cause::Throttled { retry_after }),
                _ => Verdict::Delivered,
            })
            .collect();
        request.answer(Outcome::per_entry(verdicts.len(), verdicts));
    };
    answer(requests.recv().await.unwrap());
    tokio::task::yield_now().await;
    assert!(!hot.is_finished(), "the hot lane has its part of the room, and waits");
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            answer(request);
        }
    });
    for id in 2000..2040 {
        let writing = sink.write(id);
        tokio::time::timeout(Duration::from_secs(2), writing).await.expect("room").unwrap();
    }
    answering.abort();
    hot.abort();
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_lane_holds_up_its_own_lane_and_no_other() {
    let (sink, mut requests) = sink(settings());
    for id in 1000..1004 {
        sink.write(id).await.unwrap();
    }
    let retry = Verdict::Retry(Cause::Throttled { retry_after: Some(Duration::from_secs(60)) });
    let request = requests.recv().await.unwrap();
    request.answer(Outcome::per_entry(4, std::iter::repeat_n(retry, 4)));
    tokio::task::yield_now().await;
    sink.write(1004).await.unwrap();
    let mut first = Box::pin(sink.write(1005));
    assert_waits!(first);
    let mut second = Box::pin(sink.write(1006));
    assert_waits!(second);
    sink.write(2000).await.unwrap();
    sink.write(1).await.unwrap();
    assert!(sink.try_write(2).is_ok(), "there is room in all");
    drop((first, second));
    let mut third = Box::pin(sink.write(1007));
    assert_waits!(third);
}
