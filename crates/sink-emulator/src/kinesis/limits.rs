//! What Kinesis takes, by its documentation.

/// Limits of PutRecords and of a shard. `Default` is the service's; what is `None` is not enforced.
///
/// Sources: the API reference of PutRecords and "Quotas and limits" in the Amazon Kinesis Data
/// Streams Developer Guide.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KinesisLimits {
    /// Records in one PutRecords request: 500.
    pub records_per_request: Option<usize>,
    /// Data and partition keys in one PutRecords request, in bytes: 10 MiB.
    pub bytes_per_request: Option<usize>,
    /// Data and partition key of one record, in bytes, unless the stream has a limit of its own
    /// (`MaxRecordSizeInKiB`): 1 MiB.
    pub bytes_per_record: Option<usize>,
    /// Records that a shard takes a second: 1,000, and as many at once after a quiet second.
    pub shard_records_per_second: Option<u64>,
    /// Data and partition keys that a shard takes a second, in bytes: 1 MiB, likewise.
    pub shard_bytes_per_second: Option<u64>,
}

impl Default for KinesisLimits {
    fn default() -> Self {
        Self {
            records_per_request: Some(500),
            bytes_per_request: Some(10 << 20),
            bytes_per_record: Some(1 << 20),
            shard_records_per_second: Some(1000),
            shard_bytes_per_second: Some(1 << 20),
        }
    }
}

impl KinesisLimits {
    /// The service's limits, but shards that take anything.
    pub fn without_shard_rates() -> Self {
        Self { shard_records_per_second: None, shard_bytes_per_second: None, ..Self::default() }
    }
}
