//! The errors of many routes as one.

use std::fmt::Display;

use tokio::task::JoinSet;

use crate::error::{Error, ErrorKind};

/// The error with its route's name.
pub(super) fn in_route(key: &impl Display, error: Error) -> Error {
    error.with_context("route", key.to_string())
}

/// Waits for all, and gives the errors.
pub(super) async fn joined(mut routes: JoinSet<Result<(), Error>>) -> Vec<Error> {
    let mut errors = Vec::new();
    while let Some(result) = routes.join_next().await {
        match result.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => errors.push(error),
            // What opens the sinks panicked; as in `write`, the panic is the caller's.
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(stopped)) => errors.push(
                Error::new(ErrorKind::Fatal, "route", "the runtime is shutting down")
                    .with_source(stopped),
            ),
        }
    }
    errors
}

/// One error of all: each route that failed is in its message, the first is its source.
pub(super) fn gathered(operation: &'static str, mut errors: Vec<Error>) -> Result<(), Error> {
    // In the order of their words: routes end in any order.
    errors.sort_by_cached_key(Error::to_string);
    let kinds: Vec<_> = errors.iter().map(Error::kind).collect();
    let words: Vec<_> = errors.iter().map(Error::to_string).collect();
    let Some(first) = errors.into_iter().next() else { return Ok(()) };
    if words.len() == 1 {
        return Err(first);
    }
    // The one that asks most of the caller.
    let fatal = kinds.contains(&ErrorKind::Fatal);
    let kind = if fatal { ErrorKind::Fatal } else { first.kind() };
    let message = format!("{} routes failed: {}", words.len(), words.join("; "));
    Err(Error::new(kind, operation, message).with_source(first))
}
