//! What one comparison does.

use serde_json::{Value, json};

use crate::speed::{plan::Sabotage, record::SAMPLE};

/// The service that is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Service {
    /// `PutRecords`.
    Kinesis,
    /// `PutRecordBatch`.
    Firehose,
    /// `PutMetricData`.
    Cloudwatch,
}

impl Service {
    /// What it is called in reports and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::Firehose => "firehose",
            Self::Cloudwatch => "cloudwatch",
        }
    }

    /// Entries and bytes in a request, at most: what the sink has for defaults.
    fn largest_request(self) -> (usize, usize) {
        match self {
            Self::Kinesis => (500, 5 << 20),
            Self::Firehose => (500, 4 << 20),
            Self::Cloudwatch => (1000, 1_000_000),
        }
    }

    /// Bytes that an entry counts beside its payload, at most: a key, or a whole datum.
    fn overhead(self) -> usize {
        match self {
            Self::Kinesis => 64,
            Self::Firehose => 0,
            Self::Cloudwatch => 300,
        }
    }
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Side {
    /// A bare loop around the SDK.
    Sdk,
    /// A sink.
    Sink,
}

impl Side {
    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sdk => "sdk",
            Self::Sink => "sink",
        }
    }
}

/// How the sink encodes the bodies of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BodyEncoding {
    /// As the SDK does.
    Sdk,
    /// JSON of the sink's own.
    Json,
    /// CBOR.
    Cbor,
}

impl BodyEncoding {
    /// What it is called in reports and in a sink's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sdk => "sdk",
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }
}

/// One comparison.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The service that is written to.
    pub service: Service,
    /// Bytes of a payload; 0 where the service's records have none.
    pub size: usize,
    /// Records to write in each run.
    pub records: u64,
    /// Requests in flight, at most.
    pub in_flight: usize,
    /// How the sink encodes the bodies of its requests. The floor is always stock.
    pub encoding: BodyEncoding,
    /// Runs of each side.
    pub pairs: usize,
    /// The only side that runs, if not both.
    pub only: Option<Side>,
    /// What is done to one record on its way, if anything: then the run must fail.
    pub sabotage: Option<Sabotage>,
}

impl Plan {
    /// A run of the stock SDK.
    pub fn new(service: Service, size: usize, records: u64, in_flight: usize) -> Self {
        let encoding = BodyEncoding::Sdk;
        Self { service, size, records, in_flight, encoding, pairs: 1, only: None, sabotage: None }
    }

    /// The same, but shorter: its figures do not count.
    #[must_use]
    pub fn warm_up(&self) -> Self {
        Self { records: (self.records / 10).max(1), sabotage: None, ..self.clone() }
    }

    /// Records in each request but the last, on both sides: as many as the sink takes by default.
    pub fn batch(&self) -> usize {
        let (most, bytes) = self.service.largest_request();
        most.min(bytes / (self.size + self.service.overhead()).max(1)).max(1)
    }

    /// The number of the record that is spoiled: one that the server reads byte by byte.
    pub fn victim(&self) -> u64 {
        self.records / 2 / SAMPLE * SAMPLE
    }

    /// The sink's configuration for this target, which stands under this key.
    ///
    /// The sink's defaults, but for the requests in flight, the time in the buffer (a request that
    /// is sent before it is full would differ from the floor's) and the room for so many requests and
    /// some that fill meanwhile, where the default is less. `body_encoding` is named, for the sink's own
    /// default may be another.
    pub fn sink_configuration(&self, key: &str, target: &str) -> Value {
        let (_, bytes) = self.service.largest_request();
        let requests = self.in_flight + self.in_flight.div_ceil(4) + 1;
        json!({
            key: target,
            "body_encoding": self.encoding.name(),
            "settings": {
                "max_batch_size": self.batch(),
                "max_in_flight_requests": self.in_flight,
                "max_buffered_requests": (requests * self.batch()).max(10_000),
                "max_buffered_bytes": (requests * bytes).max(64 << 20),
                "max_time_in_buffer": "5s",
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(service: Service, size: usize) -> Plan {
        Plan::new(service, size, 1_000_000, 16)
    }

    #[test]
    fn requests_are_as_full_as_the_service_takes_them() {
        for (service, size, expected) in [
            (Service::Kinesis, 100, 500),
            (Service::Kinesis, 10_240, 500),
            (Service::Firehose, 1024, 500),
            (Service::Firehose, 10_240, 409),
            (Service::Cloudwatch, 0, 1000),
        ] {
            assert_eq!(plan(service, size).batch(), expected, "{service:?} {size}");
        }
    }

    #[cfg(feature = "aws")]
    #[test]
    fn a_configuration_names_the_encoding() {
        let mut plan = plan(Service::Kinesis, 100);
        for (encoding, name) in [(BodyEncoding::Sdk, "sdk"), (BodyEncoding::Cbor, "cbor")] {
            plan.encoding = encoding;
            let configuration = plan.sink_configuration("stream", "flights");
            assert_eq!(configuration["stream"], "flights");
            assert_eq!(configuration["body_encoding"], name);
            let _: sink_kinesis::KinesisSinkConfig = serde_json::from_value(configuration).unwrap();
            let configuration = plan.sink_configuration("namespace", "flights");
            assert_eq!(configuration["body_encoding"], name);
            let _: sink_cloudwatch::CloudWatchSinkConfig =
                serde_json::from_value(configuration).unwrap();
        }
    }

    #[test]
    fn the_spoiled_record_is_one_that_is_looked_at_closely() {
        let mut plan = plan(Service::Firehose, 100);
        assert_eq!(plan.victim(), 500_000 / SAMPLE * SAMPLE);
        plan.records = 1;
        assert_eq!(plan.victim(), 0);
    }
}
