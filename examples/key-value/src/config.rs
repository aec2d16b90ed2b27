//! Which table, and how to write to it.

use sink_core::{ElementConverter, Error, ErrorKind, Settings, Sink, SinkBuilder};

use crate::{
    converter::KeyValueEntry,
    request::{KeyValueClient, KeyValueDestination},
};

/// A sink whose destination is a table.
pub type KeyValueSink<T> = Sink<T, KeyValueEntry>;

/// Which table to write to, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyValueSinkConfig {
    /// Name of the table.
    pub table: String,
    /// How to buffer, batch and retry. Default: see [`Settings`], with the sizes of
    /// [`KeyValueDestination`].
    pub settings: Settings,
}

impl KeyValueSinkConfig {
    /// Writes to this table, with all else default.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into(), settings: Settings::default() }
    }

    /// Builds the sink and spawns its driver on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the table has no name, or with all that is wrong with the settings.
    pub fn build<T: 'static>(
        &self,
        client: impl KeyValueClient,
        converter: impl ElementConverter<T, Entry = KeyValueEntry>,
    ) -> Result<KeyValueSink<T>, Error> {
        self.builder(client, converter)?.build()
    }

    /// A builder with these settings, for what is no data: dead letters, a rate limiter, a snapshot.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the table has no name.
    pub fn builder<T: 'static, C: KeyValueClient>(
        &self,
        client: C,
        converter: impl ElementConverter<T, Entry = KeyValueEntry>,
    ) -> Result<SinkBuilder<T, KeyValueDestination<C>>, Error> {
        if self.table.is_empty() {
            let message = "the table is empty: write the name of one that is there";
            return Err(Error::new(ErrorKind::Config, "key-value configuration", message));
        }
        let destination = KeyValueDestination::new(client, &self.table);
        Ok(Sink::builder(converter, destination).settings(self.settings.clone()))
    }
}
