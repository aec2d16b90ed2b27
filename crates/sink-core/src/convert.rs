//! The first piece of a connector: what the user writes becomes what the destination stores.

use std::fmt;

use crate::destination::Entry;

/// Turns an element, which the user writes, into an entry, which the destination stores.
///
/// Closures `Fn(T) -> Result<E, ConvertError>` implement it. It runs in the caller's task, before
/// the element is admitted: when it fails, `write` returns the error and nothing else happens.
pub trait ElementConverter<T>: Send + Sync + 'static {
    /// What the destination stores.
    type Entry: Entry;

    /// Converts one element.
    ///
    /// # Errors
    ///
    /// When the element cannot become an entry; the error says which element and why.
    fn convert(&self, element: T) -> Result<Self::Entry, ConvertError>;
}

impl<T, E, F> ElementConverter<T> for F
where
    E: Entry,
    F: Fn(T) -> Result<E, ConvertError> + Send + Sync + 'static,
{
    type Entry = E;

    fn convert(&self, element: T) -> Result<E, ConvertError> {
        self(element)
    }
}

/// Why an element could not become an entry.
#[derive(Debug)]
pub struct ConvertError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConvertError {
    /// An error that says what was wrong, where (name the element: its key, its line), and what
    /// would be accepted.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConvertError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
