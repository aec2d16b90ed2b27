//! What the sinks for AWS services share. Knows no service.
//!
//! - [`AwsConfig`] is how a sink reaches AWS, as configuration data; [`AwsConfig::load`] makes the
//!   SDK's configuration from it and from the environment, with the SDK's own retries off.
//! - [`Classifier`] says what a failed call means: try again, ask for less, or stop and tell the
//!   user what to do. Its tables are [`codes::COMMON`] and the one that the service's crate brings.
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

mod classify;
mod client;
pub mod codes;
mod patience;
mod text;

pub use classify::Classifier;
pub use client::{AssumeRole, AwsConfig};
pub use text::describe;
