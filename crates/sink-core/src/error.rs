//! The crate's error.

use std::{any::Any, fmt, sync::Arc};

/// What kind of error it is, and so what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The settings or the environment are wrong: change them and build the sink again.
    Config,
    /// One element could not become an entry; the sink goes on.
    Convert,
    /// One entry is larger than `max_record_size_in_bytes`; the sink goes on.
    TooLarge,
    /// The sink was closed before this call.
    Closed,
    /// The sink stopped and keeps every entry: `into_unsent` or `snapshot` gives them.
    Fatal,
    /// A snapshot could not be taken or restored.
    Snapshot,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "config",
            Self::Convert => "convert",
            Self::TooLarge => "too large",
            Self::Closed => "closed",
            Self::Fatal => "fatal",
            Self::Snapshot => "snapshot",
        })
    }
}

/// An error of a sink. Cheap to clone: after a fatal error every call returns the same one.
///
/// `Display` is one line: operation, message, context. The cause, where there is one, is the
/// [`source`](std::error::Error::source).
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind, met during `operation` (such as `"PutRecords"`), that says what was
    /// wrong and what to do.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            operation,
            message: message.into(),
            context: Vec::new(),
            source: None,
        }))
    }

    /// Adds a fact that helps to find the cause, such as the stream's name. Never a secret.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.inner_mut().context.push((key, value.into()));
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.inner_mut().source = Some(source.into());
        self
    }

    fn inner_mut(&mut self) -> &mut Inner {
        if Arc::get_mut(&mut self.0).is_none() {
            // Shared already: start a new error that has the old one as its source.
            let shared = self.clone();
            self.0 = Arc::new(Inner {
                kind: shared.kind(),
                operation: shared.operation(),
                message: shared.message().to_owned(),
                context: shared.0.context.clone(),
                source: Some(Box::new(shared)),
            });
        }
        #[allow(clippy::expect_used)] // made unique just above
        Arc::get_mut(&mut self.0).expect("the only reference")
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What was wrong, without operation and context.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.message)?;
        for (position, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}={value}", if position == 0 { " (" } else { ", " })?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind);
        debug.field("operation", &self.0.operation);
        debug.field("message", &self.0.message);
        for (key, value) in &self.0.context {
            debug.field(key, value);
        }
        debug.field("source", &self.0.source);
        debug.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn display_is_one_line_with_the_context() {
        let error = Error::new(ErrorKind::Fatal, "PutRecords", "the stream does not exist")
            .with_context("stream", "flights")
            .with_context("region", "eu-central-1");
        assert_eq!(
            error.to_string(),
            "PutRecords: the stream does not exist (stream=flights, region=eu-central-1)"
        );
    }

    #[test]
    fn context_can_be_added_to_a_shared_error() {
        let first = Error::new(ErrorKind::Fatal, "PutRecords", "denied").with_context("a", "1");
        let second = first.clone().with_context("b", "2");
        assert_eq!(first.to_string(), "PutRecords: denied (a=1)");
        assert_eq!(second.to_string(), "PutRecords: denied (a=1, b=2)");
        assert!(second.source().is_some());
    }
}
