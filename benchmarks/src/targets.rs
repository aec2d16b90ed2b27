//! What is good enough, said before it was measured.

/// Delivered, as a share of what the destination takes; at least.
pub const GOODPUT: f64 = 0.97;
/// Throttled sends, as a share of all sends; at most.
pub const WASTE: f64 = 0.03;
/// Seconds until a changed rate is found; at most.
pub const RECOVERY: f64 = 3.0;
/// Jain's index of sinks that share a destination; at least. 1 is even, a quarter is one of four
/// having it all.
pub const FAIRNESS: f64 = 0.95;
/// What is left of a lane's rate when another lane is throttled; at least.
pub const OTHER_LANES: f64 = 0.99;
