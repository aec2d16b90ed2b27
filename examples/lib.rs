//! Keeps the examples of the project's README and guides compiled: they run as this crate's doctests.

#[doc = include_str!("../README.md")]
mod readme {}

#[doc = include_str!("../docs/rate-limits.md")]
mod rate_limits {}

#[doc = include_str!("../docs/new-connector.md")]
mod new_connector {}
