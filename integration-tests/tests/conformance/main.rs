//! What every connector must do, against LocalStack, as far as that can be seen there.
//!
//! LocalStack 4.13.1 (with kinesis-mock 0.6.2) takes requests of any number of entries and bytes, and
//! entries of any size: all that is one beyond a limit of these three services was tried, and taken.
//! Nor does it throttle, or say what it meters. The project's fault hook fails calls and entries,
//! answers late, and with too few or too many results. The limits, and what each service itself finds
//! bad, are tried in each connector's `tests/conformance.rs`, against the emulator.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cloudwatch;
mod firehose;
mod kinesis;

use std::{sync::Mutex, time::Duration};

use integration_tests::{Fault, Faults, LocalStack, Target};
use sink_core::testkit::Cannot;

/// Longer than a busy machine takes for ten entries, shorter than [`LATE_MS`].
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
const LATE_MS: u64 = 6_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn no_limits() -> Cannot {
    Cannot::new("LocalStack takes requests and entries of any size")
}

/// The faults of one service; those that are set end those before.
#[derive(Default)]
struct Hook(Mutex<Option<Faults>>);

impl Hook {
    fn set(
        &self,
        localstack: &LocalStack,
        target: &impl Target,
        faults: impl IntoIterator<Item = Fault>,
    ) {
        let mut set = self.0.lock().unwrap();
        drop(set.take());
        *set = Some(localstack.inject(target, faults));
    }

    fn clear(&self) {
        drop(self.0.lock().unwrap().take());
    }
}
