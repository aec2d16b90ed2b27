//! What arrived, and how.

use std::collections::{BTreeMap, HashSet};

use super::{datum::Datum, limits::CloudWatchLimits};
use crate::token_bucket::TokenBucket;

#[derive(Debug)]
pub(super) struct Store {
    pub(super) limits: CloudWatchLimits,
    forget_records: bool,
    /// By namespace.
    pub(super) data: BTreeMap<String, Vec<Datum>>,
    pub(super) totals: BTreeMap<String, u64>,
    pub(super) sizes: Vec<RequestSize>,
    pub(super) largest: RequestSize,
    pub(super) refused_metrics: HashSet<String>,
    bucket: Option<TokenBucket>,
}

/// How large one request was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestSize {
    /// Its data, those of entities among them.
    pub data: usize,
    /// Bytes of its body, before compression: what the limit of a request counts.
    pub bytes: usize,
    /// Bytes of its body as they came: fewer if it was compressed.
    pub sent_bytes: usize,
}

impl Store {
    pub(super) fn new(limits: CloudWatchLimits, forget_records: bool) -> Self {
        Self {
            bucket: limits.requests_per_second.map(TokenBucket::new),
            limits,
            forget_records,
            data: BTreeMap::new(),
            totals: BTreeMap::new(),
            sizes: Vec::new(),
            largest: RequestSize::default(),
            refused_metrics: HashSet::new(),
        }
    }

    /// Notes a request's size, whatever becomes of it.
    pub(super) fn count_request(&mut self, size: RequestSize) {
        let largest = &mut self.largest;
        largest.data = largest.data.max(size.data);
        largest.bytes = largest.bytes.max(size.bytes);
        largest.sent_bytes = largest.sent_bytes.max(size.sent_bytes);
        if !self.forget_records {
            self.sizes.push(size);
        }
    }

    /// Whether the rate lets one more request in; counts it if so.
    pub(super) fn admit_request(&mut self) -> bool {
        let Some(bucket) = &mut self.bucket else { return true };
        let admits = bucket.has(1);
        if admits {
            bucket.take(1);
        }
        admits
    }

    pub(super) fn store(&mut self, namespace: String, data: Vec<Datum>) {
        *self.totals.entry(namespace.clone()).or_default() += data.len() as u64;
        if !self.forget_records {
            self.data.entry(namespace).or_default().extend(data);
        }
    }

    pub(super) fn forget(&mut self) {
        self.data.clear();
        self.totals.clear();
        self.sizes.clear();
        self.largest = RequestSize::default();
    }
}
