//! Closing sinks: to make room, because they are idle, or because the router closes.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    RouteKey,
    errors::in_route,
    state::{Open, Part, Route, Shared, State},
};
use crate::{destination::Entry, error::Error, sink::Sink};

impl<K: RouteKey, T: 'static, E: Entry> Shared<K, T, E> {
    /// Drains as many sinks as there are keys that wait for a place and will not get one otherwise;
    /// all of them when the router closes. To be called whenever one of these changes.
    pub(super) fn make_room(self: &Arc<Self>, state: &mut State<K, T, E>) {
        if state.closing {
            self.drain_where(state, |_| true);
            return;
        }
        let free = self.max_open.saturating_sub(state.occupied());
        // The place of a drained sink whose own key waits is that key's.
        let on_the_way = state
            .routes
            .iter()
            .filter(|(key, route)| matches!(route, Route::Draining(_)) && !state.is_queued(key));
        let needed = state.in_need().count().saturating_sub(free + on_the_way.count());
        for _ in 0..needed {
            let Some(key) = state.least_recently_used() else { return };
            self.drain(state, &key);
        }
    }

    /// Drains what is idle, and says when the next may be.
    pub(super) fn drain_idle(self: &Arc<Self>, state: &mut State<K, T, E>, now: Instant) {
        let idle_timeout = self.idle_timeout;
        self.drain_where(state, |open| now.duration_since(open.used_at) >= idle_timeout);
        let open = state.routes.values().filter_map(Route::as_open);
        // One that is leased is not idle, however long ago that began.
        let idle_at = open.filter_map(|open| {
            let since = if open.leases == 0 { open.used_at } else { now };
            since.checked_add(idle_timeout)
        });
        state.sweep_at = idle_at.min();
    }

    /// Drains the sinks that nobody uses and that are so.
    fn drain_where(
        self: &Arc<Self>,
        state: &mut State<K, T, E>,
        is_so: impl Fn(&Open<T, E>) -> bool,
    ) {
        let unused = state.routes.iter().filter(|(_, route)| {
            route.as_open().is_some_and(|open| open.leases == 0 && is_so(open))
        });
        let keys: Vec<_> = unused.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.drain(state, &key);
        }
    }

    /// Closes an open sink in a task of its own: so it goes on whoever stops waiting for it.
    fn drain(self: &Arc<Self>, state: &mut State<K, T, E>, key: &K) {
        let Some(route) = state.routes.get_mut(key) else { return };
        let Some(open) = route.as_open() else { return };
        let sink = Arc::clone(&open.sink);
        *route = Route::Draining(Arc::clone(&sink));
        let (shared, key) = (Arc::clone(self), key.clone());
        // The task ends when the sink does; how it ended is in the route's state.
        drop(self.runtime().spawn(async move {
            let error = sink.close().await.err();
            shared.note_drained(&key, sink, error);
        }));
    }

    fn note_drained(self: &Arc<Self>, key: &K, sink: Arc<Sink<T, E>>, error: Option<Error>) {
        let mut state = self.lock();
        if !state.is_draining(key, &sink) {
            return; // somebody took its entries
        }
        match error {
            Some(error) => {
                state.routes.insert(key.clone(), Route::Failed(sink, error));
            }
            None => {
                state.routes.remove(key);
                drop(sink); // and its connections with it, before another one is opened
            }
        }
        self.make_room(&mut state);
        self.announce(state);
    }

    /// A sink said that it failed.
    pub(super) fn note_failed(self: &Arc<Self>, key: &K, sink: &Arc<Sink<T, E>>, error: &Error) {
        let mut state = self.lock();
        if state.is_open(key, sink) {
            state.routes.insert(key.clone(), Route::Failed(Arc::clone(sink), error.clone()));
            self.make_room(&mut state);
            self.announce(state);
        }
    }

    /// A sink said that it is closed, and not by this router.
    pub(super) fn note_closed(self: &Arc<Self>, key: &K, sink: &Arc<Sink<T, E>>) {
        let mut state = self.lock();
        if state.is_open(key, sink) {
            self.drain(&mut state, key);
        }
    }

    /// Delivers what a route holds. What is being opened is delivered too, once it is open.
    pub(super) async fn flush(
        self: &Arc<Self>,
        key: &K,
        part: Part<T, E, ()>,
    ) -> Result<(), Error> {
        let part = match part {
            Part::Opening => self.opened(key, |_| ()).await,
            part => Some(part),
        };
        match part {
            Some(Part::Sink(sink)) => sink.flush().await,
            Some(Part::Restored(())) => self.open(key).await?.flush().await,
            Some(Part::Opening) | None => Ok(()),
        }
    }

    /// Refuses writers from now on, drains what nobody uses, and gives the keys that were restored
    /// and never opened.
    pub(super) fn start_closing(self: &Arc<Self>) -> Vec<K> {
        let mut state = self.lock();
        state.closing = true;
        self.make_room(&mut state);
        let restored = state.routes.iter();
        let restored = restored.filter(|(_, route)| matches!(route, Route::Restored(_)));
        let keys = restored.map(|(key, _)| key.clone()).collect();
        self.announce(state);
        keys
    }

    /// Waits until no sink is open.
    pub(super) async fn all_ended(&self) {
        self.wait_for(|state| (state.occupied() == 0).then_some(())).await;
    }

    /// Drains what is idle, and gives everything that is being drained.
    pub(super) fn start_closing_idle(self: &Arc<Self>, now: Instant) -> Vec<(K, Arc<Sink<T, E>>)> {
        let mut state = self.lock();
        self.drain_idle(&mut state, now);
        let draining = state.routes.iter().filter_map(|(key, route)| match route {
            Route::Draining(sink) => Some((key.clone(), Arc::clone(sink))),
            _ => None,
        });
        draining.collect()
    }

    /// Waits until these are drained, and gives the errors of those that could not be.
    pub(super) async fn drained(&self, draining: &[(K, Arc<Sink<T, E>>)]) -> Vec<Error> {
        self.wait_for(|state| {
            if draining.iter().any(|(key, sink)| state.is_draining(key, sink)) {
                return None;
            }
            let errors = draining.iter().filter_map(|(key, sink)| match state.routes.get(key) {
                Some(Route::Failed(failed, error)) if Arc::ptr_eq(failed, sink) => {
                    Some(in_route(key, error.clone()))
                }
                _ => None,
            });
            Some(errors.collect())
        })
        .await
    }
}

impl<K: RouteKey, T: 'static, E: Entry> State<K, T, E> {
    /// Of the sinks that nobody uses or is about to.
    fn least_recently_used(&self) -> Option<K> {
        let open = self.routes.iter().filter_map(|(key, route)| Some((key, route.as_open()?)));
        open.filter(|(key, open)| open.leases == 0 && !self.is_queued(key))
            .min_by_key(|(_, open)| open.last_use)
            .map(|(key, _)| key.clone())
    }

    fn is_draining(&self, key: &K, sink: &Arc<Sink<T, E>>) -> bool {
        matches!(self.routes.get(key), Some(Route::Draining(other)) if Arc::ptr_eq(other, sink))
    }

    fn is_open(&self, key: &K, sink: &Arc<Sink<T, E>>) -> bool {
        let open = self.routes.get(key).and_then(Route::as_open);
        open.is_some_and(|open| Arc::ptr_eq(&open.sink, sink))
    }
}

impl<T: 'static, E: Entry> Route<T, E> {
    fn as_open(&self) -> Option<&Open<T, E>> {
        match self {
            Self::Open(open) => Some(open),
            _ => None,
        }
    }
}
