//! What a tracked write gives: when the entry is settled, and how.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::{
    error::{Error, ErrorKind},
    inbox::Inbox,
    outcome::Settled,
};

pub(crate) type SettledSender = oneshot::Sender<Settled>;

/// Resolves when the entry of a [`write_tracked`](crate::Sink::write_tracked) is settled: delivered,
/// or rejected and safe with the dead-letter handler.
///
/// Dropping it changes nothing for the entry.
///
/// # Errors
///
/// [`ErrorKind::Fatal`] when the sink failed first, [`ErrorKind::Closed`] when it was ended with
/// the entry unsent. In both cases the sink has kept the entry.
#[must_use = "a receipt says when the entry is settled to whoever awaits it"]
pub struct Receipt {
    sequence: u64,
    settled: oneshot::Receiver<Settled>,
    inbox: Arc<dyn Gate>,
}

/// Why a sink takes nothing more, whatever its entries are.
trait Gate: Send + Sync {
    fn error(&self) -> Option<Error>;
}

impl<E: Send> Gate for Inbox<E> {
    fn error(&self) -> Option<Error> {
        Self::error(self)
    }
}

impl Receipt {
    pub(crate) fn new<E: Send + 'static>(
        sequence: u64,
        settled: oneshot::Receiver<Settled>,
        inbox: Arc<Inbox<E>>,
    ) -> Self {
        Self { sequence, settled, inbox }
    }

    /// The entry's admission number: 1, 2, 3 … per sink, restored entries first.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl Future for Receipt {
    type Output = Result<Settled, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.settled).poll(context).map(|settled| {
            settled.map_err(|_| match self.inbox.error() {
                Some(error) if error.kind() == ErrorKind::Fatal => error,
                _ => Error::new(
                    ErrorKind::Closed,
                    "write",
                    format!(
                        "the sink was ended with entry {} unsent; it has kept it",
                        self.sequence
                    ),
                ),
            })
        })
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}
