//! What a sink costs up to the wire, beside the bare SDK: `bench kinesis`, `firehose`, `cloudwatch`.
//!
//! The same records go by the same kind of client to the same server, alternately from a bare loop
//! around the SDK ([`floor`]) and through a sink (`sink`). The answer to "what does the sink cost?"
//! is the ratio of the two.
//!
//! - `args` is how a comparison is asked for, [`plan`] what it is, `run` does it.
//! - [`source`] makes the records. Each has a payload of its own, a partition key where the service
//!   wants one, and its number in it.
//! - The bare loop is a program of its own, `floor`, for cargo gives one program one version of each
//!   crate, with the features that anybody in it asks for: `sink-cloudwatch` switches on zlib-rs in
//!   flate2, and a bare loop beside it would compress two and a half times as fast as the SDK does.
//! - `server` is another process, this program with the hidden workload `answer`. It reads the number
//!   of each record that comes (`arrivals`), ticks it off, and gives an answer of the length that the
//!   service's has (`answers`). A run with a missing, doubled or altered record has failed, on
//!   whichever side.
//! - `process` is this side of both.
//!
//! # What is measured
//!
//! CPU is that of the process that writes: making the records, building, signing and sending requests,
//! reading the answers. The server's is another's, and told besides (`server_cpu_s`), for a server
//! that is busy all the time would set the pace.
//!
//! Both sides run on tokio's current-thread runtime, a new one for each run. There are two cores on a
//! small machine, and the server needs the other; with two workers the scheduler would take part in
//! the result. Both have retries off, since who has a sink leaves them to it, and the SDK's defaults
//! otherwise: protocol, gzip, stalled-stream protection. The SDK's HTTP client comes without TLS, so
//! that the figures are of neither side's cipher.

#[cfg(feature = "aws")]
pub mod answers;
#[cfg(feature = "aws")]
pub mod args;
#[cfg(feature = "aws")]
pub mod arrivals;
pub mod floor;
pub mod plan;
#[cfg(feature = "aws")]
pub mod process;
#[cfg(feature = "aws")]
pub mod run;
#[cfg(feature = "aws")]
pub mod server;
#[cfg(feature = "aws")]
pub mod sink;
pub mod source;
pub mod used;
