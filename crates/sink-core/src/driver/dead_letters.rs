//! Rejected entries on their way to the dead-letter handler.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::{task::JoinError, time::Instant};

use super::{Driver, panicked};
use crate::{
    dead_letter::DeadLetter,
    destination::Destination,
    error::{Error, ErrorKind},
};

impl<D: Destination> Driver<D> {
    /// Gives rejected entries to the dead-letter handler.
    pub(super) fn hand_over_rejected(&mut self) {
        let Some(handler) = &self.handler else { return };
        while self.dead_letters.len() < MOST_DEAD_LETTERS
            && let Some(sequence) = self.engine.poll_rejected()
            && let Some(rejected) = self.engine.rejected_entry(sequence)
        {
            let letter = DeadLetter {
                kind: D::KIND,
                entry: rejected.entry,
                sequence,
                attempts: rejected.attempts,
                age: Instant::now().into_std().saturating_duration_since(rejected.admitted_at),
                reason: rejected.reason,
            };
            // The user's code: a panic must stop the sink with an error, not the task without one.
            match catch_unwind(AssertUnwindSafe(|| handler.handle(&letter))) {
                Err(panic) => {
                    let error = panicked(D::KIND, "dead_letter", "dead-letter handler", &*panic);
                    return self.engine.handle_dead_letter(sequence, Err(error));
                }
                Ok(handled) => {
                    self.dead_letters.spawn(async move {
                        let result = handled.await.map_err(|error| not_put_away(sequence, error));
                        (sequence, result)
                    });
                }
            }
        }
    }

    pub(super) fn handle_dead_letter(
        &mut self,
        result: Result<(u64, Result<(), Error>), JoinError>,
    ) {
        match result {
            Ok((sequence, answer)) => self.engine.handle_dead_letter(sequence, answer),
            Err(error) => {
                // Nobody but the runtime's shutdown cancels a handler.
                if let Ok(panic) = error.try_into_panic() {
                    let part = "dead-letter handler";
                    self.engine.stop(panicked(D::KIND, "dead_letter", part, &*panic));
                }
            }
        }
    }
}

/// Dead letters that are with the handler at once, at most: a destination that rejects everything
/// must not start a million futures.
const MOST_DEAD_LETTERS: usize = 64;

/// A dead letter that could be put nowhere stops the sink, which keeps it.
fn not_put_away(sequence: u64, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let message = format!(
        "the dead-letter handler failed for entry {sequence}: {error}; it is kept, with all that is \
         unsent"
    );
    Error::new(ErrorKind::Fatal, "dead_letter", message).with_source(error)
}
