//! Dead letters as a program sees them: what the handler gets, and what becomes of the sink.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod common;

use std::time::Duration;

use common::{Item, TestSink, ids, reject, scripted, settings};
use sink_core::{
    DeadLetter, DeadLetterFuture, DeadLetterHandler, ErrorKind, Outcome, Reason, Settings, Sink,
    SinkDeadLetters,
};
use tokio::sync::{mpsc, oneshot};

/// Hands each dead letter to the test, with what to answer.
struct Handler {
    letters: mpsc::UnboundedSender<Letter>,
    panics: bool,
}

struct Letter {
    text: String,
    answer: oneshot::Sender<Result<(), &'static str>>,
}

impl DeadLetterHandler<Item> for Handler {
    fn handle(&self, letter: &DeadLetter<'_, Item>) -> DeadLetterFuture {
        assert!(!self.panics, "told to panic");
        let (answer, answered) = oneshot::channel();
        let text = format!(
            "{} {} #{} attempt {} after {:?}: {}",
            letter.kind,
            letter.entry.id,
            letter.sequence,
            letter.attempts,
            letter.age,
            letter.reason
        );
        self.letters.send(Letter { text, answer }).unwrap();
        Box::pin(async move { answered.await.expect("the test answers").map_err(Into::into) })
    }
}

type Requests = mpsc::UnboundedReceiver<common::Request>;

fn sink(settings: Settings) -> (TestSink, Requests, mpsc::UnboundedReceiver<Letter>) {
    let (destination, requests) = scripted();
    let (letters, received) = mpsc::unbounded_channel();
    let handler = Handler { letters, panics: false };
    let sink = Sink::builder(common::convert, destination)
        .settings(settings)
        .dead_letters(handler)
        .build()
        .unwrap();
    (sink, requests, received)
}

#[tokio::test(start_paused = true)]
async fn a_rejected_entry_goes_to_the_handler_and_the_sink_goes_on() {
    let (sink, mut requests, mut letters) = sink(settings());
    for id in 1..=4 {
        sink.write(id).await.unwrap();
    }
    let request = requests.recv().await.unwrap();
    tokio::time::advance(Duration::from_millis(250)).await;
    request.answer(reject(4, &[2]));
    let letter = letters.recv().await.unwrap();
    assert_eq!(letter.text, "scripted 3 #3 attempt 1 after 250ms: Invalid: not a number");
    let flushing = tokio::spawn({
        let sink = sink.clone();
        async move { sink.flush().await }
    });
    tokio::task::yield_now().await;
    assert!(!flushing.is_finished(), "the letter is not put away");
    assert_eq!(ids(sink.snapshot().await.entries()), [3], "so the sink still has it");
    letter.answer.send(Ok(())).unwrap();
    flushing.await.unwrap().unwrap();
    assert!(sink.snapshot().await.is_empty());
    let counters = sink.close().await.unwrap().counters;
    assert_eq!((counters.delivered.entries, counters.rejected.entries), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_stops_the_sink_which_keeps_the_entry() {
    let (sink, mut requests, mut letters) = sink(settings());
    for id in 1..=4 {
        sink.write(id).await.unwrap();
    }
    requests.recv().await.unwrap().answer(reject(4, &[0, 3]));
    letters.recv().await.unwrap().answer.send(Ok(())).unwrap();
    letters.recv().await.unwrap().answer.send(Err("the disk is full")).unwrap();
    let error = sink.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("handler failed for entry 4: the disk is full"), "{error}");
    assert_eq!(ids(&sink.into_unsent().await), [4]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_stops_the_sink_which_keeps_the_entry() {
    let (destination, mut requests) = scripted();
    let (letters, _received) = mpsc::unbounded_channel();
    let sink = Sink::builder(common::convert, destination)
        .settings(settings())
        .dead_letters(Handler { letters, panics: true })
        .build()
        .unwrap();
    sink.write(1).await.unwrap();
    requests.recv().await.unwrap().answer(reject(1, &[0]));
    let error = sink.close().await.unwrap_err();
    assert!(error.to_string().contains("dead-letter handler panicked (told to panic)"), "{error}");
    assert_eq!(ids(&sink.into_unsent().await), [1]);

    // The same in its future: the test drops the answer, and `expect` panics.
    let (sink, mut requests, mut letters) = self::sink(settings());
    sink.write(1).await.unwrap();
    requests.recv().await.unwrap().answer(reject(1, &[0]));
    drop(letters.recv().await.unwrap().answer);
    let error = sink.close().await.unwrap_err();
    assert!(error.to_string().contains("dead-letter handler panicked"), "{error}");
    assert_eq!(ids(&sink.into_unsent().await), [1]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_64_letters_are_with_the_handler_at_once() {
    let mut settings = settings();
    settings.max_batch_size = Some(200);
    settings.max_buffered_requests = Some(200);
    let (sink, mut requests, mut letters) = sink(settings);
    for id in 100..300 {
        sink.write(id).await.unwrap();
    }
    requests.recv().await.unwrap().answer(Outcome::RejectAll(Reason::new("Invalid", "")));
    let mut held = vec![letters.recv().await.unwrap()];
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    held.extend(std::iter::from_fn(|| letters.try_recv().ok()));
    assert_eq!(held.len(), 64);
    let closing = tokio::spawn(async move { sink.close().await });
    let mut handled = 0;
    for letter in held {
        letter.answer.send(Ok(())).unwrap();
        handled += 1;
    }
    while let Some(letter) = letters.recv().await {
        letter.answer.send(Ok(())).unwrap();
        handled += 1;
    }
    assert_eq!(handled, 200);
    assert_eq!(closing.await.unwrap().unwrap().counters.rejected.entries, 200);
}

#[tokio::test(start_paused = true)]
async fn entries_that_were_tried_too_often_are_dead_letters() {
    let mut settings = settings();
    settings.max_attempts = Some(2);
    let (sink, mut requests, mut letters) = sink(settings);
    sink.write(1).await.unwrap();
    for _ in 0..2 {
        requests.recv().await.unwrap().answer(common::unavailable());
    }
    let letter = letters.recv().await.unwrap();
    assert!(letter.text.contains("MaxAttempts: given up after 2 attempts"), "{}", letter.text);
    letter.answer.send(Ok(())).unwrap();
    sink.close().await.unwrap();
}

/// A sink whose dead letters go into another one, and the requests of both.
fn chained() -> (TestSink, Requests, TestSink, Requests) {
    let (destination, rejected) = scripted();
    let other = Sink::builder(common::convert, destination).settings(settings()).build().unwrap();
    let (destination, requests) = scripted();
    let handler =
        SinkDeadLetters::new(other.clone(), |letter: &DeadLetter<'_, Item>| letter.entry.id + 100);
    let sink = Sink::builder(common::convert, destination)
        .settings(settings())
        .dead_letters(handler)
        .build()
        .unwrap();
    (sink, requests, other, rejected)
}

#[tokio::test(start_paused = true)]
async fn a_letter_to_another_sink_is_safe_when_that_has_delivered_it() {
    let (sink, mut requests, other, mut letters) = chained();
    for id in 1..=4 {
        sink.write(id).await.unwrap();
    }
    requests.recv().await.unwrap().answer(reject(4, &[1]));
    let letter = letters.recv().await.unwrap();
    assert_eq!(letter.ids, [102]);
    assert_eq!(ids(sink.snapshot().await.entries()), [2], "not delivered yet");
    letter.deliver();
    sink.close().await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_the_other_sink_cannot_deliver_stops_the_first_one_which_keeps_the_entry() {
    for (answer, why) in [
        (common::denied(), "handler failed for entry 1: send: access denied"),
        // Without dead letters of its own, a rejection stops it too.
        (
            Outcome::RejectAll(Reason::new("Invalid", "")),
            "handler failed for entry 1: send: entry 1",
        ),
    ] {
        let (sink, mut requests, other, mut letters) = chained();
        sink.write(1).await.unwrap();
        requests.recv().await.unwrap().answer(reject(1, &[0]));
        letters.recv().await.unwrap().answer(answer);
        let error = sink.close().await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(ids(&sink.into_unsent().await), [1]);
        assert_eq!(ids(&other.into_unsent().await), [101]);
    }
}
