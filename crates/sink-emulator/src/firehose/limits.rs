//! What Amazon Data Firehose takes, by its documentation.

/// Limits of PutRecordBatch and PutRecord, and of a delivery stream. `Default` is the service's;
/// what is `None` is not enforced.
///
/// Sources: the API reference of PutRecordBatch, and "Amazon Data Firehose Quota" in the
/// developer guide: Direct PUT in US East (N. Virginia), US West (Oregon) and Europe (Ireland),
/// the regions of the highest quotas. The reference says "1,000 KB" and "4 MB"; the model's
/// constraint on a record is 1,024,000 bytes, so they are taken as KiB and MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirehoseLimits {
    /// Records in one PutRecordBatch request: 500.
    pub records_per_request: Option<usize>,
    /// Data in one PutRecordBatch request, in bytes before base64: 4 MiB.
    pub bytes_per_request: Option<usize>,
    /// Data of one record, in bytes before base64: 1,024,000.
    pub bytes_per_record: Option<usize>,
    /// Requests that a delivery stream takes a second: 2,000, and as many at once after a quiet
    /// second.
    pub stream_requests_per_second: Option<u64>,
    /// Records that a delivery stream takes a second: 500,000, likewise.
    pub stream_records_per_second: Option<u64>,
    /// Data that a delivery stream takes a second, in bytes: 5 MiB, likewise.
    pub stream_bytes_per_second: Option<u64>,
}

impl Default for FirehoseLimits {
    fn default() -> Self {
        Self {
            records_per_request: Some(500),
            bytes_per_request: Some(4 << 20),
            bytes_per_record: Some(1_024_000),
            stream_requests_per_second: Some(2000),
            stream_records_per_second: Some(500_000),
            stream_bytes_per_second: Some(5 << 20),
        }
    }
}

impl FirehoseLimits {
    /// The service's limits, but delivery streams that take anything at any rate.
    pub fn without_rates() -> Self {
        Self {
            stream_requests_per_second: None,
            stream_records_per_second: None,
            stream_bytes_per_second: None,
            ..Self::default()
        }
    }
}
