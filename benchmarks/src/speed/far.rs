//! A destination at a distance: a thread that keeps each request for a time.
//!
//! A thread, because tokio's timers count whole milliseconds: five of a hundred would be lost on an
//! answer that takes twenty, and be taken for the sink's.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::service::{Gone, Refused, Request, Store};

struct Parcel {
    request: Request,
    sent_at: Instant,
    answer: oneshot::Sender<Refused>,
}

/// The way to the thread. It ends when this is dropped and what was sent is answered.
#[derive(Debug)]
pub struct Far {
    parcels: Sender<Parcel>,
}

impl Far {
    /// Starts a thread that lets each request arrive after half of the latency, and answers it
    /// after all of it.
    pub fn new(store: Arc<Store>, latency: Duration) -> Self {
        let (parcels, received) = mpsc::channel();
        // It ends with the last sender; if it panics, no request is answered, and the run fails.
        drop(thread::spawn(move || Roads::default().run(&received, &store, latency)));
        Self { parcels }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    ///
    /// When the thread is gone.
    pub async fn send(&self, request: Request) -> Result<Refused, Gone> {
        let (answer, answered) = oneshot::channel();
        let parcel = Parcel { request, sent_at: Instant::now(), answer };
        self.parcels.send(parcel).map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }
}

/// What is on its way. All take the same time, so the first to leave is the first to arrive.
#[derive(Default)]
struct Roads {
    there: VecDeque<Parcel>,
    back: VecDeque<(Instant, Refused, oneshot::Sender<Refused>)>,
}

impl Roads {
    fn run(mut self, parcels: &Receiver<Parcel>, store: &Store, latency: Duration) {
        loop {
            let due = [
                self.there.front().map(|parcel| parcel.sent_at + latency / 2),
                self.back.front().map(|(sent_at, ..)| *sent_at + latency),
            ];
            let next = match due.into_iter().flatten().min() {
                None => parcels.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => parcels.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match next {
                Ok(parcel) => self.there.push_back(parcel),
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody is left who would hear the answers.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            while let Some(parcel) = self.there.pop_front_if(|p| p.sent_at + latency / 2 <= now) {
                let refused = store.arrive(&parcel.request);
                self.back.push_back((parcel.sent_at, refused, parcel.answer));
            }
            while let Some((_, refused, answer)) =
                self.back.pop_front_if(|(sent_at, ..)| *sent_at + latency <= now)
            {
                let _gone = answer.send(refused); // given up meanwhile
            }
        }
    }
}
