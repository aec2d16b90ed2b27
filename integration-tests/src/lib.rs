//! What the tests against LocalStack share.
//!
//! `cargo xtask test` starts LocalStack, sets the environment that [`LocalStack::from_env`] reads,
//! and runs these tests with all the others. Without that environment each of them fails and says
//! so: a test that skips itself looks like one that passes.
//!
//! Tests run side by side in one LocalStack, so each has a place of its own to write to ([`Stream`],
//! [`DeliveryStream`], [`Namespace`]) and faults that hold for that alone ([`Faults`]). All of it is undone when it is dropped, after a panic
//! too; that is why the calls that set it up and tear it down are blocking ones.
//!
//! These functions panic where they fail: their caller is a test.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "its caller is a test")]

mod delivery_stream;
mod event;
mod faults;
mod http;
mod metrics;
mod stream;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use serde_json::{Value, json};

pub use delivery_stream::DeliveryStream;
pub use event::Event;
pub use faults::{Fault, Faults, Setting, Target};
pub use metrics::{Namespace, Statistics};
pub use stream::{Record, Stream};

/// The LocalStack that the environment names.
#[derive(Clone, Debug)]
pub struct LocalStack {
    endpoint: String,
}

impl LocalStack {
    /// Reads the environment that `cargo xtask test` sets.
    ///
    /// # Panics
    ///
    /// When any of it is missing, with what to do.
    #[must_use]
    pub fn from_env() -> Self {
        match Self::from_settings(|name| std::env::var(name).ok()) {
            Ok(localstack) => localstack,
            Err(wrong) => panic!("{wrong}"),
        }
    }

    fn from_settings(setting: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        const HOW: &str = "this is a test against LocalStack: run it with `cargo xtask test`, or \
                           alone with `cargo xtask test -- -p integration-tests <its name>`";
        let set = |name| setting(name).filter(|value: &String| !value.is_empty());
        match set("SINK_INTEGRATION").as_deref() {
            Some("localstack") => {}
            Some(other) => {
                return Err(format!("SINK_INTEGRATION is `{other}`, not `localstack`; {HOW}"));
            }
            None => return Err(format!("SINK_INTEGRATION is not set; {HOW}")),
        }
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            if set(name).is_none() {
                return Err(format!("SINK_INTEGRATION is set and {name} is not; {HOW}"));
            }
        }
        let endpoint = set("AWS_ENDPOINT_URL")
            .ok_or_else(|| format!("SINK_INTEGRATION is set and AWS_ENDPOINT_URL is not; {HOW}"))?;
        Ok(Self { endpoint: endpoint.trim_end_matches('/').to_owned() })
    }

    /// Where it is, such as `http://127.0.0.1:4566`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Configuration for clients that look at what a sink did: the environment's, with retries.
    ///
    /// # Panics
    ///
    /// When the environment makes no configuration.
    pub async fn sdk_config(&self) -> SdkConfig {
        let config = sink_aws::AwsConfig::default().load(Duration::from_secs(60)).await;
        let config = config.expect("an SDK configuration from the environment").to_builder();
        config.retry_config(RetryConfig::standard()).build()
    }

    /// Makes a Kinesis stream of this many shards, with a name that no other has. `purpose` is
    /// part of it.
    ///
    /// # Panics
    ///
    /// When it cannot be made, or is not active in time.
    pub async fn stream(&self, purpose: &str, shards: i32) -> Stream {
        Stream::create(self, purpose, shards).await
    }

    /// Makes a Firehose delivery stream that delivers to an S3 bucket of its own; `purpose` is part
    /// of the names.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn delivery_stream(&self, purpose: &str) -> DeliveryStream {
        DeliveryStream::create(self, purpose)
    }

    /// A CloudWatch namespace that nobody else writes to; `purpose` is part of its name. It stays
    /// until LocalStack ends: CloudWatch has no call that deletes metrics.
    pub async fn namespace(&self, purpose: &str) -> Namespace {
        Namespace::new(self, purpose).await
    }

    /// Makes calls that write there fail until the answer is dropped; the first fault that fits a
    /// call is the one that happens.
    ///
    /// # Panics
    ///
    /// When this LocalStack was started without the project's fault hook.
    pub fn inject(&self, target: &impl Target, faults: impl IntoIterator<Item = Fault>) -> Faults {
        Faults::inject(self, target, faults)
    }

    /// Changes one of LocalStack's own settings until the answer is dropped. It holds for every
    /// test, so one that uses this stands alone in its file.
    ///
    /// # Panics
    ///
    /// When LocalStack refuses it.
    pub fn set(&self, variable: &'static str, value: Value, afterwards: Value) -> Setting {
        Setting::new(self, variable, value, afterwards)
    }

    /// A call to LocalStack itself; the answer's JSON.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        http::json(&http::call(&self.endpoint, method, path, &[], &body)?)
    }

    /// A call to S3, without the SDK: the tests need too little of its client, which is a large one.
    /// LocalStack takes what is unsigned and names no service for a call to S3.
    fn s3(&self, method: &str, path: &str) -> Result<Vec<u8>, String> {
        http::call(&self.endpoint, method, path, &[], "")
    }

    /// A call to an AWS service that speaks JSON, without the SDK: for what has to work in a drop.
    fn aws(&self, target: &str, body: &Value) -> Result<Value, String> {
        let headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", target)];
        http::json(&http::call(&self.endpoint, "POST", "/", &headers, &body.to_string())?)
    }

    fn delete_stream(&self, name: &str) -> Result<(), String> {
        let body = json!({ "StreamName": name, "EnforceConsumerDeletion": true });
        self.aws("Kinesis_20131202.DeleteStream", &body).map(drop)
    }
}

/// A name that no other test has, in this run or another.
fn unique(purpose: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("sink-{purpose}-{}-{}-{count}", since.as_millis(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 5] = [
        ("SINK_INTEGRATION", "localstack"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566/"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];

    fn read(environment: &[(&str, &str)]) -> Result<LocalStack, String> {
        LocalStack::from_settings(|name| {
            let found = environment.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_whole_environment_is_read() {
        assert_eq!(read(&WHOLE).unwrap().endpoint(), "http://127.0.0.1:4566");
    }

    #[test]
    fn no_environment_and_half_of_one_say_what_is_missing_and_what_to_run() {
        for missing in WHOLE {
            let mut half = WHOLE.to_vec();
            half.retain(|setting| *setting != missing);
            for environment in [half.clone(), [half, vec![(missing.0, "")]].concat()] {
                let wrong = read(&environment).unwrap_err();
                assert!(wrong.contains(missing.0) && wrong.contains("cargo xtask test"), "{wrong}");
            }
        }
    }
}
