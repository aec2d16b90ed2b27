//! What the clones of a router share: each route's state, and who waits for a place.
//!
//! All of it is under one short lock that no user code but `Clone` runs under. Whatever takes time
//! is written down as a state first (`Opening`, `Draining`), so a future that is dropped anywhere
//! leaves a state from which others go on.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time::Instant};

use super::{RouteKey, builder::SinkRouterBuilder};
use crate::{
    destination::Entry,
    error::{Error, ErrorKind},
    sink::Sink,
    snapshot::Snapshot,
};

pub(super) type RouteFn<K, T> = Box<dyn Fn(&T) -> K + Send + Sync>;
pub(super) type OpenFn<K, T, E> =
    Box<dyn Fn(&K, Option<&Snapshot<E>>) -> Result<Sink<T, E>, Error> + Send + Sync>;

pub(super) struct Shared<K, T, E: Entry> {
    route: RouteFn<K, T>,
    pub(super) open: OpenFn<K, T, E>,
    pub(super) max_open: usize,
    pub(super) idle_timeout: Duration,
    runtime: Handle,
    state: Mutex<State<K, T, E>>,
    /// Wakes whoever waits for a route to change.
    changed: Notify,
}

pub(super) struct State<K, T, E: Entry> {
    pub(super) routes: BTreeMap<K, Route<T, E>>,
    /// The keys whose callers wait, first come first served, and how many wait for each.
    pub(super) queue: VecDeque<(K, usize)>,
    /// Rises with each use of a sink.
    pub(super) uses: u64,
    /// When the next sink may be idle.
    pub(super) sweep_at: Option<Instant>,
    pub(super) closing: bool,
}

/// Not there at all: never written to, or drained.
pub(super) enum Route<T, E: Entry> {
    /// Restored, not opened yet.
    Restored(Snapshot<E>),
    /// Somebody is opening it, and holds what was restored.
    Opening,
    Open(Open<T, E>),
    /// A task closes the sink. It takes no new lease.
    Draining(Arc<Sink<T, E>>),
    /// The sink has stopped and keeps its entries.
    Failed(Arc<Sink<T, E>>, Error),
}

pub(super) struct Open<T, E: Entry> {
    pub(super) sink: Arc<Sink<T, E>>,
    /// How many callers use the sink now. It is not closed before there is none.
    pub(super) leases: usize,
    /// When it was used last, as a number of `State::uses` and as a time.
    pub(super) last_use: u64,
    pub(super) used_at: Instant,
}

/// What a route holds, as far as a caller can see at once.
pub(super) enum Part<T, E: Entry, R> {
    Restored(R),
    Opening,
    Sink(Arc<Sink<T, E>>),
}

/// What [`Shared::end_route`] found.
pub(super) enum Ended<T, E: Entry> {
    Nothing,
    Restored(Snapshot<E>),
    Sink(Arc<Sink<T, E>>),
}

impl<T: 'static, E: Entry> Route<T, E> {
    pub(super) fn takes_place(&self) -> bool {
        matches!(self, Self::Opening | Self::Open(_) | Self::Draining(_))
    }

    fn part<R>(&self, restored: impl FnOnce(&Snapshot<E>) -> R) -> Part<T, E, R> {
        match self {
            Self::Restored(snapshot) => Part::Restored(restored(snapshot)),
            Self::Opening => Part::Opening,
            Self::Open(Open { sink, .. }) | Self::Draining(sink) | Self::Failed(sink, _) => {
                Part::Sink(Arc::clone(sink))
            }
        }
    }
}

impl<K: RouteKey, T: 'static, E: Entry> Shared<K, T, E> {
    pub(super) fn new(builder: SinkRouterBuilder<K, T, E>, runtime: Handle) -> Self {
        let restored = builder.restored.into_iter();
        Self {
            route: builder.route,
            open: builder.open,
            max_open: builder.max_open,
            idle_timeout: builder.idle_timeout,
            runtime,
            state: Mutex::new(State {
                routes: restored.map(|(key, unsent)| (key, Route::Restored(unsent))).collect(),
                queue: VecDeque::new(),
                uses: 0,
                sweep_at: None,
                closing: false,
            }),
            changed: Notify::new(),
        }
    }

    pub(super) fn route(&self, element: &T) -> K {
        (self.route)(element)
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<K, T, E>> {
        // Nothing that can panic runs under the lock but a user's `Clone` and `Ord`, and never
        // between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the lock and wakes whoever waits for a change.
    pub(super) fn announce(&self, state: MutexGuard<'_, State<K, T, E>>) {
        drop(state);
        self.changed.notify_waiters();
    }

    /// Looks at the state now and after each change, until there is an answer.
    pub(super) async fn wait_for<R>(
        &self,
        mut look: impl FnMut(MutexGuard<'_, State<K, T, E>>) -> Option<R>,
    ) -> R {
        loop {
            // Listens before it looks, so no change is missed in between.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(answer) = look(self.lock()) {
                return answer;
            }
            changed.await;
        }
    }

    /// What each route holds.
    pub(super) fn parts<R>(&self, restored: impl Fn(&Snapshot<E>) -> R) -> Vec<(K, Part<T, E, R>)> {
        let state = self.lock();
        state.routes.iter().map(|(key, route)| (key.clone(), route.part(&restored))).collect()
    }

    /// What this route holds once nobody is opening it.
    pub(super) async fn opened<R>(
        &self,
        key: &K,
        restored: impl Fn(&Snapshot<E>) -> R + Send + Sync,
    ) -> Option<Part<T, E, R>> {
        self.wait_for(|state| match state.routes.get(key) {
            Some(Route::Opening) => None,
            route => Some(route.map(|route| route.part(&restored))),
        })
        .await
    }

    /// Makes a route ready to be taken from the router: nobody opens, drains or writes to it anew.
    pub(super) async fn end_route(self: &Arc<Self>, key: &K) -> Ended<T, E> {
        self.wait_for(|mut state| {
            let (sink, error) = match state.routes.remove(key) {
                None => return Some(Ended::Nothing),
                Some(Route::Restored(snapshot)) => return Some(Ended::Restored(snapshot)),
                Some(Route::Opening) => {
                    state.routes.insert(key.clone(), Route::Opening);
                    return None;
                }
                Some(Route::Open(Open { sink, .. }) | Route::Draining(sink)) => {
                    let message = "the route was ended by into_unsent";
                    (sink, Error::new(ErrorKind::Closed, "write", message))
                }
                Some(Route::Failed(sink, error)) => (sink, error),
            };
            state.routes.insert(key.clone(), Route::Failed(Arc::clone(&sink), error));
            self.make_room(&mut state);
            self.announce(state);
            Some(Ended::Sink(sink))
        })
        .await
    }

    /// Removes a failed route, if it still is the one with this sink.
    pub(super) fn forget(self: &Arc<Self>, key: &K, sink: &Arc<Sink<T, E>>) {
        let mut state = self.lock();
        if let Some(Route::Failed(failed, _)) = state.routes.get(key)
            && Arc::ptr_eq(failed, sink)
        {
            state.routes.remove(key);
            self.make_room(&mut state);
            self.announce(state);
        }
    }

    pub(super) fn occupied(&self) -> usize {
        self.lock().occupied()
    }

    pub(super) fn failures(&self) -> Vec<(K, Error)> {
        let state = self.lock();
        let failed = state.routes.iter().filter_map(|(key, route)| match route {
            Route::Failed(_, error) => Some((key.clone(), error.clone())),
            _ => None,
        });
        failed.collect()
    }
}

impl<K: RouteKey, T: 'static, E: Entry> State<K, T, E> {
    /// How many places are taken.
    pub(super) fn occupied(&self) -> usize {
        self.routes.values().filter(|route| route.takes_place()).count()
    }

    pub(super) fn is_queued(&self, key: &K) -> bool {
        self.queue.iter().any(|(queued, _)| queued == key)
    }

    /// The keys that wait for a place, first come first. One whose last sink is still being drained
    /// is not among them: it gets that sink's place, and no other before.
    pub(super) fn in_need(&self) -> impl Iterator<Item = &K> {
        self.queue
            .iter()
            .map(|(key, _)| key)
            .filter(|key| matches!(self.routes.get(key), None | Some(Route::Restored(_))))
    }
}

impl<K, T, E: Entry> fmt::Debug for Shared<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Shared")
            .field("max_open", &self.max_open)
            .field("idle_timeout", &self.idle_timeout)
            .field("routes", &state.routes.len())
            .field("closing", &state.closing)
            .finish_non_exhaustive()
    }
}
