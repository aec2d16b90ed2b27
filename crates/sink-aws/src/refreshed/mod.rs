//! A view of the service that is kept up to date beside the writing, which never waits for it.

mod schedule;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, timeout};

use self::schedule::Schedule;

/// For one fetch, with all the calls that it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a view comes from.
pub trait Source: Send + Sync + 'static {
    /// What is known of the service. Its default is what is known before the first fetch.
    type View: Default + Send + Sync + 'static;

    /// Asks the service. Given up after 30 s; never called twice at a time.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the time is up, and with the [`Refreshed`].
    fn fetch(&self) -> impl Future<Output = Result<Self::View, Trouble>> + Send;

    /// Logs why there is no new view, and what that costs. Called once for [`Trouble::Denied`]
    /// until a fetch succeeds, and at most every 5 minutes for other trouble.
    fn warn(&self, trouble: &Trouble);
}

/// Why there is no new view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The credentials may not ask for it.
    Denied,
    /// Something else, in words.
    Other(String),
}

impl<E> From<SdkError<E, HttpResponse>> for Trouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        if matches!(error.code(), Some("AccessDeniedException" | "AccessDenied")) {
            Self::Denied
        } else {
            Self::Other(crate::describe(&error))
        }
    }
}

/// A view of the service, such as a stream's shards, that is fetched again when that seems due.
///
/// It is due at first use, 5 minutes after the last fetch, and 10 s after it where something shows
/// that the view is out of date. A fetch that fails leaves the old view in use; the next comes after
/// 10 s, 20 s, 40 s, and at most 5 minutes. One fetch at a time, in a task of its own, which ends
/// when this is dropped.
///
/// For what an old view cannot spoil: nothing waits for a fetch, and nothing fails with it. Whatever
/// decides over entries belongs to the engine.
pub struct Refreshed<S: Source> {
    shared: Arc<Shared<S>>,
}

/// What the task that fetches needs: it must not hold [`Refreshed`] itself, whose end ends it.
struct Shared<S: Source> {
    source: S,
    /// Read often, for each entry mostly, and replaced once in minutes.
    view: RwLock<S::View>,
    schedule: Mutex<Schedule>,
}

impl<S: Source> Refreshed<S> {
    /// Nothing is fetched yet.
    pub fn new(source: S) -> Self {
        let shared = Shared { source, view: RwLock::default(), schedule: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// What is known now. A fetch that has just ended waits until this is dropped, so not to be
    /// held for long.
    pub fn view(&self) -> impl Deref<Target = S::View> {
        self.shared.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a fetch if it is due. Does not wait for it. `is_outdated` says whether something
    /// shows that the view is out of date.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn refresh_if_due(&self, is_outdated: bool) {
        let mut schedule = self.shared.schedule();
        if schedule.is_due(Instant::now(), is_outdated) {
            let shared = Arc::clone(&self.shared);
            schedule.begun(tokio::spawn(shared.refresh()).abort_handle());
        }
    }
}

/// Ends the fetch that may be under way: nobody needs it any more.
impl<S: Source> Drop for Refreshed<S> {
    fn drop(&mut self) {
        self.shared.schedule().abort();
    }
}

impl<S: Source<View: fmt::Debug>> fmt::Debug for Refreshed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshed").field("view", &self.shared.view).finish_non_exhaustive()
    }
}

impl<S: Source> Shared<S> {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(self: Arc<Self>) {
        let fetched = timeout(PATIENCE, self.source.fetch()).await.unwrap_or_else(|_| {
            Err(Trouble::Other(format!("no complete answer within {PATIENCE:?}")))
        });
        match fetched {
            Ok(view) => {
                *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
                self.schedule().succeeded();
            }
            Err(trouble) => {
                if self.schedule().failed(Instant::now(), &trouble) {
                    self.source.warn(&trouble);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
