//! The rate limiters that are compared. To compare another one, add a line to [`ALL`].

use std::fmt;

use sink_core::{Aimd, CongestionControl, SinkBuilder};

use crate::throttled::{Record, Throttled};

/// A sink before its limiter is chosen.
pub type Builder = SinkBuilder<Record, Throttled>;

/// A limiter, by what chooses it.
#[derive(Clone, Copy)]
pub struct Limiter {
    /// How tables and charts call it.
    pub name: &'static str,
    /// Gives the sink this limiter.
    pub choose: fn(Builder) -> Builder,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limiter").field(&self.name).finish()
    }
}

/// What a sink has when nothing is chosen.
pub const DEFAULT: Limiter = Limiter { name: "AdaptiveRate (default)", choose: |builder| builder };

/// Flink's default: ten entries more for a request, half for a request of which anything was
/// throttled.
pub const FLINK: Limiter = Limiter {
    name: "AIMD +10 x0.5 (Flink)",
    choose: |builder| builder.rate_limiter(aimd(Aimd::flink())),
};

/// What Flink's Kinesis sink sets instead.
pub const FLINK_KINESIS: Limiter = Limiter {
    name: "AIMD +10 x0.99 (Flink Kinesis)",
    choose: |builder| builder.rate_limiter(aimd(Aimd::flink_kinesis())),
};

/// All that are compared, in the order of the table.
pub const ALL: &[Limiter] = &[DEFAULT, FLINK, FLINK_KINESIS];

/// With Flink's first window: one request.
fn aimd(strategy: Aimd) -> CongestionControl {
    CongestionControl::with_strategy(strategy, 500, 50)
}
