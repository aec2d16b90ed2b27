//! What a sink costs up to the wire, beside the bare SDK: `bench kinesis`, `firehose`, `cloudwatch`.
//!
//! The same records go by the same kind of client to the same server, alternately from a bare loop
//! around the SDK ([`floor`]) and through a sink ([`sink`]). The answer to "what does the sink cost?"
//! is the ratio of the two.
//!
//! - [`args`] is how a comparison is asked for, [`plan`] what it is, [`run`] does it.
//! - [`source`] makes the records. Each has a payload of its own, a partition key where the service
//!   wants one, and its number in it.
//! - [`server`] is another process, this program with the hidden workload `answer`; [`process`] is
//!   this side of it. It [`reads`](arrivals) the number of each record that comes, ticks it off, and
//!   gives an [`answer`](answers) of the length that the service's has. A run with a missing, doubled
//!   or altered record has failed, on whichever side.
//!
//! # What is measured
//!
//! CPU is that of this process: making the records, building, signing and sending requests, reading
//! the answers. The server's is another's, and told besides (`server_cpu_s`), for a server that is
//! busy all the time would set the pace.
//!
//! Both sides run on tokio's current-thread runtime, a new one for each run. There are two cores on a
//! small machine, and the server needs the other; with two workers the scheduler would take part in
//! the result. Both have retries off, since who has a sink leaves them to it, and the SDK's defaults
//! otherwise: protocol, gzip, stalled-stream protection. The SDK's HTTP client comes without TLS, so
//! that the figures are of neither side's cipher.
//!
//! # What is not
//!
//! The floor's gzip is faster than what the SDK gives by itself. `sink-cloudwatch` switches on
//! zlib-rs in flate2, and cargo has one flate2 for the whole program: the bare loop profits from it.
//! A program without the sink needs two and a half times as long to compress.

pub mod answers;
pub mod args;
pub mod arrivals;
pub mod floor;
pub mod plan;
pub mod process;
pub mod run;
pub mod server;
pub mod sink;
pub mod source;
