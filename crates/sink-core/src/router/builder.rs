//! Puts a router together.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{
    RouteKey, SinkRouter,
    snapshot::RouterSnapshot,
    state::{OpenFn, RouteFn, Shared},
};
use crate::{
    destination::Entry,
    error::{Error, ErrorKind},
    snapshot::Snapshot,
};

/// Builds a [`SinkRouter`]. Made by [`SinkRouter::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct SinkRouterBuilder<K, T, E: Entry> {
    pub(super) route: RouteFn<K, T>,
    pub(super) open: OpenFn<K, T, E>,
    pub(super) max_open: usize,
    pub(super) idle_timeout: Duration,
    pub(super) restored: BTreeMap<K, Snapshot<E>>,
    problem: Option<Error>,
}

impl<K: RouteKey, T: 'static, E: Entry> SinkRouterBuilder<K, T, E> {
    pub(super) fn new(route: RouteFn<K, T>, open: OpenFn<K, T, E>) -> Self {
        Self {
            route,
            open,
            max_open: 100,
            idle_timeout: Duration::from_mins(5),
            restored: BTreeMap::new(),
            problem: None,
        }
    }

    /// How many sinks may be open at a time, at least 1. Default: 100. Each may hold its
    /// `max_buffered_bytes` in memory, and each is a task. Failed routes are not counted.
    pub fn max_open(mut self, sinks: usize) -> Self {
        self.max_open = sinks;
        self
    }

    /// After how long without a write a sink is drained and closed. Default: 5 minutes.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Gives each route what it had not delivered, before anything new. May be called several
    /// times: a route's snapshots are restored one after the other.
    ///
    /// A route is opened with it by its first write, or by [`flush`](SinkRouter::flush) or
    /// [`close`](SinkRouter::close), whichever comes first: until then it waits, and is part of
    /// every snapshot. To send all of it at once, call `flush` after building.
    pub fn restore(mut self, snapshot: &RouterSnapshot<K, E>) -> Self
    where
        E: Clone,
    {
        for (key, more) in snapshot.routes() {
            let merged = match self.restored.remove(key) {
                None => more.clone(),
                Some(restored) => {
                    if restored.kind() != more.kind() {
                        let message = format!(
                            "its snapshots are of a {} and of a {} sink",
                            restored.kind(),
                            more.kind()
                        );
                        let error = Error::new(ErrorKind::Snapshot, "restore", message);
                        self.problem = Some(error.with_context("route", key.to_string()));
                    }
                    let mut entries = restored.into_entries();
                    entries.extend(more.entries().iter().cloned());
                    Snapshot::new(more.kind(), entries)
                }
            };
            self.restored.insert(key.clone(), merged);
        }
        self
    }

    /// Builds the router. No sink is opened yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when `max_open` is 0, or when there is no tokio runtime to drain sinks
    /// on; [`ErrorKind::Snapshot`] when the snapshots of one route are of different kinds.
    pub fn build(mut self) -> Result<SinkRouter<K, T, E>, Error> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        if self.max_open == 0 {
            let message = "max_open is 0; it must be at least 1";
            return Err(Error::new(ErrorKind::Config, "build", message));
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            let message = "no tokio runtime runs here; call build within one";
            return Err(Error::new(ErrorKind::Config, "build", message));
        };
        Ok(SinkRouter { shared: Arc::new(Shared::new(self, runtime)) })
    }
}

impl<K, T, E: Entry> fmt::Debug for SinkRouterBuilder<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkRouterBuilder")
            .field("max_open", &self.max_open)
            .field("idle_timeout", &self.idle_timeout)
            .field("restored", &self.restored.len())
            .finish_non_exhaustive()
    }
}
