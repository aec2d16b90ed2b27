//! Core of the async sinks.

pub mod convert;
pub mod destination;
pub mod engine;
pub mod error;
pub mod outcome;
pub mod rate_limit;
pub mod settings;

pub use convert::{ConvertError, ElementConverter};
pub use destination::{Batch, Destination, Entry, Lane, Limits, OwnedBatch};
pub use engine::{Counters, EngineConfig, Load, Stats};
pub use error::{Error, ErrorKind};
pub use outcome::{Cause, Outcome, Reason, Verdict, Verdicts};
pub use rate_limit::{Aimd, CongestionControl, RateLimiter};
pub use settings::{OnTimeout, Settings};
