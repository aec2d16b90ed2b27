//! What CloudWatch takes, by its documentation.

/// Limits of PutMetricData that may be changed; those of a datum may not. `Default` is the
/// service's; what is `None` is not enforced.
///
/// Source: the API reference of PutMetricData.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloudWatchLimits {
    /// Data in one request: 1,000.
    pub data_per_request: Option<usize>,
    /// Bytes of a request's body, before compression: 1,000,000.
    ///
    /// The reference says that "each request is limited to 1 MB in size for HTTP POST requests" and
    /// that the payload may be compressed, but not whether that is before or after, nor which
    /// megabyte it is. This is the strictest way to read it: what keeps to it keeps to all others.
    pub bytes_per_request: Option<usize>,
    /// Requests a second for the whole endpoint, and as many at once after a quiet second: 500.
    ///
    /// Unverified: the quota of an account and region is in its Service Quotas console.
    pub requests_per_second: Option<u64>,
}

impl Default for CloudWatchLimits {
    fn default() -> Self {
        Self {
            data_per_request: Some(1000),
            bytes_per_request: Some(1_000_000),
            requests_per_second: Some(500),
        }
    }
}

impl CloudWatchLimits {
    /// The service's limits, but requests at any rate.
    pub fn without_rates() -> Self {
        Self { requests_per_second: None, ..Self::default() }
    }
}
