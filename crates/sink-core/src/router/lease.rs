//! The use of a route's sink: while somebody has one, the sink is not closed.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    RouteKey,
    state::{Open, Route, Shared, State},
};
use crate::{
    destination::Entry,
    error::{Error, ErrorKind},
    sink::Sink,
    snapshot::Snapshot,
};

/// Who asks for a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody with an element, who is refused once the router is closing.
    Writer,
    /// The router itself, to deliver what was restored.
    Router,
}

/// A sink that stays open as long as this lives.
pub(super) struct Lease<'a, K: RouteKey, T: 'static, E: Entry> {
    shared: &'a Arc<Shared<K, T, E>>,
    key: &'a K,
    sink: Arc<Sink<T, E>>,
}

/// What a look at the state gives to whoever asks for a sink.
enum Step<T, E: Entry> {
    Use(Arc<Sink<T, E>>),
    /// The place is taken: open the sink, with what was restored.
    Open(Option<Snapshot<E>>),
    Refused(Error),
}

impl<K: RouteKey, T: 'static, E: Entry> Shared<K, T, E> {
    /// A lease of the route's sink, which is opened if it is not. Waits for a place.
    ///
    /// Dropped before it is ready, it has opened nothing and holds nothing.
    pub(super) async fn lease<'a>(
        self: &'a Arc<Self>,
        key: &'a K,
        caller: Caller,
    ) -> Result<Lease<'a, K, T, E>, Error> {
        let mut queued = Queued { shared: self, key, is_queued: false };
        let step = self
            .wait_for(|mut state| {
                let step = state.step(key, caller, self.max_open);
                if step.is_none() && !queued.is_queued {
                    queued.is_queued = true;
                    state.join_queue(key);
                    self.make_room(&mut state);
                }
                step
            })
            .await;
        match step {
            Step::Use(sink) => Ok(Lease { shared: self, key, sink }),
            Step::Open(restored) => self.open_sink(key, restored),
            Step::Refused(error) => Err(error),
        }
    }

    /// The route's sink, opened if it was not.
    pub(super) async fn open(self: &Arc<Self>, key: &K) -> Result<Arc<Sink<T, E>>, Error> {
        Ok(Arc::clone(&self.lease(key, Caller::Router).await?.sink))
    }

    /// Opens the sink of a route that is `Opening`. There is no await in here: nobody who waits for
    /// the route waits longer than the user's function takes.
    fn open_sink<'a>(
        self: &'a Arc<Self>,
        key: &'a K,
        restored: Option<Snapshot<E>>,
    ) -> Result<Lease<'a, K, T, E>, Error> {
        let mut opening = Opening { shared: self, key, restored };
        let sink = Arc::new((self.open)(key, opening.restored.as_ref())?);
        opening.restored = None; // the sink's now
        let used_at = Instant::now();
        let mut state = self.lock();
        let last_use = state.uses;
        let open = Open { sink: Arc::clone(&sink), leases: 1, last_use, used_at };
        state.routes.insert(key.clone(), Route::Open(open));
        let idle_at = used_at.checked_add(self.idle_timeout);
        state.sweep_at = state.sweep_at.into_iter().chain(idle_at).min();
        self.announce(state);
        Ok(Lease { shared: self, key, sink })
    }
}

impl<K: RouteKey, T: 'static, E: Entry> State<K, T, E> {
    /// What can be done now; `None` is to wait.
    fn step(&mut self, key: &K, caller: Caller, max_open: usize) -> Option<Step<T, E>> {
        if self.closing && caller == Caller::Writer {
            let message = "the router was closed";
            return Some(Step::Refused(Error::new(ErrorKind::Closed, "write", message)));
        }
        match self.routes.get_mut(key) {
            Some(Route::Open(open)) => {
                open.leases += 1;
                return Some(Step::Use(Arc::clone(&open.sink)));
            }
            Some(Route::Failed(_, error)) => return Some(Step::Refused(error.clone())),
            Some(Route::Opening | Route::Draining(_)) => return None,
            None | Some(Route::Restored(_)) => {}
        }
        let ahead = self.in_need().take_while(|queued| *queued != key).count();
        if self.occupied() + ahead >= max_open {
            return None;
        }
        let restored = match self.routes.insert(key.clone(), Route::Opening) {
            Some(Route::Restored(snapshot)) => Some(snapshot),
            _ => None,
        };
        Some(Step::Open(restored))
    }

    fn join_queue(&mut self, key: &K) {
        match self.queue.iter_mut().find(|(queued, _)| queued == key) {
            Some((_, callers)) => *callers += 1,
            None => self.queue.push_back((key.clone(), 1)),
        }
    }

    fn leave_queue(&mut self, key: &K) {
        let Some(place) = self.queue.iter().position(|(queued, _)| queued == key) else { return };
        if let Some((_, callers)) = self.queue.get_mut(place) {
            *callers -= 1;
            if *callers == 0 {
                self.queue.remove(place);
            }
        }
    }
}

impl<K: RouteKey, T: 'static, E: Entry> Lease<'_, K, T, E> {
    /// Writes to the sink. What it says of itself is noted: a sink that failed takes no place.
    pub(super) async fn write(self, element: T) -> Result<(), Error> {
        let written = self.sink.write(element).await;
        match &written {
            Err(error) if error.kind() == ErrorKind::Fatal => {
                self.shared.note_failed(self.key, &self.sink, error);
            }
            // Somebody closed a clone of it: what it holds is still being sent.
            Err(error) if error.kind() == ErrorKind::Closed => {
                self.shared.note_closed(self.key, &self.sink);
            }
            _ => {}
        }
        written
    }
}

impl<K: RouteKey, T: 'static, E: Entry> Drop for Lease<'_, K, T, E> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.uses += 1;
        let last_use = state.uses;
        let is_last = match state.routes.get_mut(self.key) {
            Some(Route::Open(open)) if Arc::ptr_eq(&open.sink, &self.sink) => {
                open.leases -= 1;
                open.last_use = last_use;
                open.used_at = now;
                open.leases == 0
            }
            _ => false,
        };
        if is_last && (state.closing || !state.queue.is_empty()) {
            self.shared.make_room(&mut state);
        }
        if state.sweep_at.is_some_and(|at| at <= now) {
            self.shared.drain_idle(&mut state, now);
        }
    }
}

/// A place in the queue, as long as its caller waits.
struct Queued<'a, K: RouteKey, T: 'static, E: Entry> {
    shared: &'a Arc<Shared<K, T, E>>,
    key: &'a K,
    is_queued: bool,
}

impl<K: RouteKey, T: 'static, E: Entry> Drop for Queued<'_, K, T, E> {
    fn drop(&mut self) {
        if self.is_queued {
            let mut state = self.shared.lock();
            state.leave_queue(self.key);
            self.shared.announce(state); // whoever comes next in the queue has waited for it
        }
    }
}

/// Somebody opens the route's sink. Where that fails, or panics, the route is as it was.
struct Opening<'a, K: RouteKey, T: 'static, E: Entry> {
    shared: &'a Arc<Shared<K, T, E>>,
    key: &'a K,
    restored: Option<Snapshot<E>>,
}

impl<K: RouteKey, T: 'static, E: Entry> Drop for Opening<'_, K, T, E> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if !matches!(state.routes.get(self.key), Some(Route::Opening)) {
            return;
        }
        match self.restored.take() {
            Some(snapshot) => state.routes.insert(self.key.clone(), Route::Restored(snapshot)),
            None => state.routes.remove(self.key),
        };
        self.shared.announce(state);
    }
}
