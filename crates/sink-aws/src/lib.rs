//! What the sinks for AWS services share. Knows no service.
//!
//! - [`AwsConfig`] is how a sink reaches AWS, as configuration data; [`AwsConfig::load`] makes the
//!   SDK's configuration from it and from the environment, with the SDK's own retries off.
//! - [`Classifier`] says what a failed call means: try again, ask for less, or stop and tell the
//!   user what to do. Its tables are [`codes::COMMON`] and the one that the service's crate brings.
//! - [`Setup`] is what `build` and `builder` of every connector do: all that is wrong with a
//!   configuration, at once. [`Resource`] is what a name or an ARN stands for, and
//!   [`without_retries!`] makes a user's client fit for a sink.
//! - [`BodyEncoding`] is how batches are written and their answers read: [`Bodies`] writes their
//!   records, [`answer`] makes a call with them, and says where every record is stored. [`Lists`] and
//!   [`send`] are the same for a service whose client takes no protocol; [`cbor`] is what its bodies
//!   are written with.
//! - [`Serializer`] and [`parts`] are what converters and `SnapshotEntry`s are written with.
//! - [`Refreshed`] keeps what a connector knows of its service up to date, beside the writing.
//!
//! # Who retries
//!
//! The engine alone. A client that retries by itself hides throttling from the rate limiter, sends
//! entries again that the engine believes in flight, and breaks its time limits. So the SDK's
//! retries, its stalled-stream protection and its operation timeouts are off; only its connect
//! timeout stays. The SDK's credential providers keep their own retries: nobody else sees them.
//!
//! # Features
//!
//! `aws-lc` (default) or `ring` is the TLS stack. `credentials-process` and `sso` are the
//! credential providers that need more crates than the others.

pub mod cbor;
mod classify;
mod client;
pub mod codes;
pub mod parts;
mod patience;
mod protocol;
mod refreshed;
mod resource;
mod serializer;
mod setup;
mod text;

#[doc(hidden)] // for `without_retries!`
pub use aws_config::retry::RetryConfig;
#[doc(hidden)]
pub use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
pub use classify::{Classifier, not_stored};
pub use client::{AssumeRole, AwsConfig};
pub use protocol::{
    Answer, Bodies, Body, BodyEncoding, CBOR_REFUSED, List, Lists, Record, Stored, answer, send,
};
pub use refreshed::{Refreshed, Source, Trouble};
pub use resource::{Resource, ResourceKind, Target};
pub use serializer::{BoxError, Serializer};
pub use setup::Setup;
pub use text::{describe, shortened};
