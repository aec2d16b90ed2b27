//! Requests on their way: each has a task of its own, unless the destination answers at once.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    task::{AbortHandle, Id, JoinError},
    time::Instant,
};

use super::{Driver, panicked};
use crate::{destination::Destination, engine::RequestId, inbox::Closing, outcome::Outcome};

/// An answer that takes no longer came at once: to wake a thread for a task takes as long.
const AT_ONCE: Duration = Duration::from_micros(50);

/// So many requests a step are sent by the driver itself: a task should not keep its thread for
/// more than some hundred microseconds.
pub(super) const MOST_AT_ONCE: usize = 16;

/// What came of a request.
pub(super) struct Sent {
    id: RequestId,
    outcome: Outcome,
    /// Whether sending it never waited, nor took long.
    at_once: bool,
}

/// The connector's part of a request.
async fn send<D: Destination>(destination: Arc<D>, request: D::Request, entries: usize) -> Outcome {
    let answer = destination.send(request).await;
    destination.extract_failures(answer, entries)
}

/// Sends it in a task.
async fn send_beside(id: RequestId, mut sending: Pin<Box<impl Future<Output = Outcome>>>) -> Sent {
    let mut began = Some(Instant::now());
    poll_fn(|cx| {
        let polled = sending.as_mut().poll(cx);
        let at_once = began.take().is_some_and(|began| began.elapsed() <= AT_ONCE);
        polled.map(|outcome| Sent { id, outcome, at_once })
    })
    .await
}

impl<D: Destination> Driver<D> {
    /// Builds a request and sends it.
    ///
    /// As a task of its own, so that requests use several processors. But where the last one was
    /// answered at once, a task would cost more than the sending: then the driver tries it by
    /// itself, and makes a task of it only when it has to wait; up to `here` times.
    pub(super) fn start(&mut self, id: RequestId, here: &mut usize) {
        let Some(batch) = self.engine.batch(id) else { return };
        let entries = batch.len();
        // The connector's code: a panic must stop the sink with an error, not the task without one.
        let built = catch_unwind(AssertUnwindSafe(|| self.destination.build_request(&batch)));
        let request = match built {
            Ok(request) => request,
            Err(panic) => {
                let error = panicked(D::KIND, "build_request", "connector", &*panic);
                let now = Instant::now().into_std();
                return self.engine.handle_outcome(id, Outcome::Fatal(error), now);
            }
        };
        // Boxed at once: a client's future is some 10 KB, which tokio moves about with a task's output.
        let mut sending = Box::pin(send(Arc::clone(&self.destination), request, entries));
        if !self.answers_at_once || *here == 0 {
            let task = self.requests.spawn(send_beside(id, sending));
            return self.note_task(id, task);
        }
        *here -= 1;
        let began = Instant::now();
        // If it has to wait, its task polls it again, and is the one to be woken.
        let mut nobody = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| sending.as_mut().poll(&mut nobody)));
        self.answers_at_once = matches!(polled, Ok(Poll::Ready(_))) && began.elapsed() <= AT_ONCE;
        match polled {
            Ok(Poll::Ready(outcome)) => {
                self.handle_outcome(id, outcome);
                self.engine.drop_settled(); // while they are in the processor's cache
            }
            Ok(Poll::Pending) => {
                let task = self.requests.spawn(send_beside(id, sending));
                self.note_task(id, task);
            }
            Err(panic) => {
                let error = panicked(D::KIND, "send", "connector", &*panic);
                self.handle_outcome(id, Outcome::Fatal(error));
            }
        }
    }

    /// Handles what a task gave, and sends the next request in its place.
    ///
    /// At once, and not when all answers are handled: of many that came together the last one's
    /// place would be empty for as long as all the others take, and the requests that then follow
    /// each other quickly would be answered together again. But no request is given up before all
    /// answers are handled that are there: one of them may be its own. Nor does a request go that is
    /// not full: they may bring back what fills it.
    pub(super) fn answered(&mut self, result: Result<(Id, Sent), JoinError>) {
        self.handle_result(result);
        if self.engine.has_full_request()
            && self.settling.is_empty()
            && self.inbox.closing() != Closing::Now
        {
            let now = Instant::now().into_std();
            if let Some(id) = self.engine.poll_request(now) {
                self.start(id, &mut 0);
            }
        }
    }

    fn note_task(&mut self, id: RequestId, task: AbortHandle) {
        let slot = id.slot();
        if self.tasks.len() <= slot {
            self.tasks.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.tasks.get_mut(slot) {
            *place = Some((id, task));
        }
    }

    /// What a task gave.
    fn handle_result(&mut self, result: Result<(Id, Sent), JoinError>) {
        let (id, outcome) = match result {
            Ok((_, sent)) => {
                self.answers_at_once = sent.at_once;
                (sent.id, sent.outcome)
            }
            Err(error) => {
                let of_this = |task: &&(RequestId, AbortHandle)| task.1.id() == error.id();
                // Not there: it was given up and aborted.
                let Some(&(id, _)) = self.tasks.iter().flatten().find(of_this) else { return };
                match error.try_into_panic() {
                    Ok(panic) => {
                        (id, Outcome::Fatal(panicked(D::KIND, "send", "connector", &*panic)))
                    }
                    // Nobody but the runtime's shutdown cancels a request that was not given up.
                    Err(_) => return,
                }
            }
        };
        if let Some(place) = self.tasks.get_mut(id.slot())
            && place.as_ref().is_some_and(|(current, _)| *current == id)
        {
            *place = None;
        }
        self.handle_outcome(id, outcome);
    }

    fn handle_outcome(&mut self, id: RequestId, outcome: Outcome) {
        self.warnings.note(D::KIND, &outcome);
        let now = Instant::now();
        if outcome.is_throttled() {
            self.lanes_matter(now);
        }
        self.engine.handle_outcome(id, outcome, now.into_std());
    }
}
