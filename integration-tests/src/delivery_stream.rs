//! A Firehose delivery stream for one test, and the S3 bucket that it delivers to.

use std::collections::BTreeMap;

use serde_json::json;

use crate::faults::tell;
use crate::{Event, LocalStack, Target};

/// A delivery stream with a name of its own, and a bucket of that name. Both are deleted when this
/// is dropped.
#[derive(Debug)]
pub struct DeliveryStream {
    localstack: LocalStack,
    name: String,
}

impl DeliveryStream {
    pub(crate) fn create(localstack: &LocalStack, purpose: &str) -> Self {
        let name = crate::unique(purpose);
        localstack.s3("PUT", &format!("/{name}")).expect("a new bucket");
        let stream = Self { localstack: localstack.clone(), name };
        // The least that Firehose takes. LocalStack ignores it: it makes an object of each request
        // before it answers, so what was acknowledged can be read at once.
        let hints = json!({ "SizeInMBs": 1, "IntervalInSeconds": 0 });
        let body = json!({
            "DeliveryStreamName": stream.name,
            "DeliveryStreamType": "DirectPut",
            "ExtendedS3DestinationConfiguration": {
                "RoleARN": "arn:aws:iam::000000000000:role/firehose",
                "BucketARN": format!("arn:aws:s3:::{}", stream.name),
                "BufferingHints": hints,
            },
        });
        stream.firehose("CreateDeliveryStream", &body).expect("a new delivery stream");
        stream
    }

    fn firehose(&self, operation: &str, body: &serde_json::Value) -> Result<(), String> {
        self.localstack.aws(&format!("Firehose_20150804.{operation}"), body).map(drop)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has delivered: each object in the bucket, in the order of their names, which is that
    /// of time only to the second.
    ///
    /// # Panics
    ///
    /// When the bucket cannot be read.
    #[must_use]
    pub fn read_objects(&self) -> Vec<Vec<u8>> {
        let keys = self.keys().expect("the bucket's objects");
        let get = |key: String| self.localstack.s3("GET", &format!("/{}/{key}", self.name));
        keys.into_iter().map(|key| get(key).expect("an object")).collect()
    }

    /// The events in its objects, a line each, and how often each is there.
    ///
    /// # Panics
    ///
    /// When one is damaged, or does not end with a newline.
    #[must_use]
    pub fn read_events(&self) -> BTreeMap<Event, usize> {
        let mut events = BTreeMap::new();
        for object in self.read_objects() {
            for line in object.split_inclusive(|byte| *byte == b'\n') {
                let data = line.strip_suffix(b"\n").expect("a newline after each event");
                let event = Event::read(data).expect("an undamaged event");
                *events.entry(event).or_default() += 1;
            }
        }
        events
    }

    fn keys(&self) -> Result<Vec<String>, String> {
        let list = self.localstack.s3("GET", &format!("/{}?list-type=2", self.name))?;
        let list = String::from_utf8_lossy(&list);
        if !list.contains("<IsTruncated>false<") {
            return Err(format!("more than one page of objects: {list}"));
        }
        let after = list.split("<Key>").skip(1);
        Ok(after.filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect())
    }

    fn delete(&self) -> Result<(), String> {
        self.firehose("DeleteDeliveryStream", &json!({ "DeliveryStreamName": self.name }))?;
        for key in self.keys()? {
            self.localstack.s3("DELETE", &format!("/{}/{key}", self.name))?;
        }
        self.localstack.s3("DELETE", &format!("/{}", self.name)).map(drop)
    }
}

impl Target for DeliveryStream {
    fn write_call(&self) -> [&str; 3] {
        ["firehose", "PutRecordBatch", &self.name]
    }
}

impl Drop for DeliveryStream {
    fn drop(&mut self) {
        if let Err(wrong) = self.delete() {
            tell(&wrong);
        }
    }
}
