//! Faults on demand, by the hook in `localstack/init/start.d/faults.py`.

use serde_json::{Map, Value, json};

use crate::LocalStack;

/// Where a sink writes to, and faults can be set for it alone.
pub trait Target {
    /// Service, operation and name of the resource, as AWS spells them.
    fn write_call(&self) -> [&str; 3];
}

/// What shall go wrong in calls that write.
#[derive(Clone, Debug)]
pub struct Fault {
    rule: Map<String, Value>,
}

impl Fault {
    fn new(rule: Value) -> Self {
        let Value::Object(rule) = rule else { panic!("a rule is an object: {rule}") };
        Self { rule }
    }

    /// Every n-th entry of a request fails with this code; the others are stored.
    #[must_use]
    pub fn every_nth_entry(n: u32, code: &str) -> Self {
        Self::new(json!({ "fail_every": n, "entry_code": code }))
    }

    /// The entries that hold this text in their data or partition key fail with this code; the
    /// others are stored.
    #[must_use]
    pub fn entries_with(text: &str, code: &str) -> Self {
        Self::new(json!({ "fail_matching": text, "entry_code": code }))
    }

    /// The call fails with this HTTP status and error code; nothing is stored.
    #[must_use]
    pub fn call(status: u16, code: &str) -> Self {
        Self::new(json!({ "status": status, "code": code }))
    }

    /// As [`call`](Self::call), for the calls of which an entry holds this text in its data,
    /// partition key or metric name: the service finds an entry bad, and refuses all of the request.
    #[must_use]
    pub fn call_holding(text: &str, status: u16, code: &str) -> Self {
        Self::new(json!({ "holding": text, "status": status, "code": code }))
    }

    /// Everything is stored, and the answer has so many results more than there were entries; fewer,
    /// if negative.
    #[must_use]
    pub fn more_results(more: i32) -> Self {
        Self::new(json!({ "more_results": more }))
    }

    /// The call is answered this much later.
    #[must_use]
    pub fn delay(milliseconds: u64) -> Self {
        Self::new(json!({ "latency_ms": milliseconds }))
    }

    /// Only in the first `count` calls that it would happen in.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.rule.insert("times".to_owned(), json!(count));
        self
    }
}

/// Faults that are set. They end when this is dropped.
#[derive(Debug)]
pub struct Faults {
    localstack: LocalStack,
    path: String,
}

impl Faults {
    pub(crate) fn inject(
        localstack: &LocalStack,
        target: &impl Target,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Self {
        let [service, operation, resource] = target.write_call();
        let rules: Vec<Value> = faults
            .into_iter()
            .map(|Fault { mut rule }| {
                rule.insert("service".to_owned(), json!(service));
                rule.insert("operation".to_owned(), json!(operation));
                rule.insert("resource".to_owned(), json!(resource));
                Value::Object(rule)
            })
            .collect();
        let path = format!("/_lab/faults/{resource}");
        if let Err(wrong) = localstack.call("POST", &path, Some(&Value::Array(rules))) {
            panic!(
                "{wrong}\nThis LocalStack has no fault hook: start it with `cargo xtask test`, or \
                 mount integration-tests/localstack/init as its /etc/localstack/init"
            );
        }
        Self { localstack: localstack.clone(), path }
    }

    /// How many calls had a fault so far.
    ///
    /// # Panics
    ///
    /// When LocalStack does not answer.
    #[must_use]
    pub fn applied(&self) -> u64 {
        let rules = self.localstack.call("GET", &self.path, None).expect("the faults");
        let rules = rules.as_array().expect("a list of rules");
        rules.iter().map(|rule| rule["applied"].as_u64().expect("a count")).sum()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // LocalStack may be what has failed; a second panic would hide the first.
        if let Err(wrong) = self.localstack.call("DELETE", &self.path, None) {
            tell(&wrong);
        }
    }
}

/// One of LocalStack's own settings, changed until this is dropped.
#[derive(Debug)]
pub struct Setting {
    localstack: LocalStack,
    variable: &'static str,
    afterwards: Value,
}

impl Setting {
    pub(crate) fn new(
        localstack: &LocalStack,
        variable: &'static str,
        value: Value,
        afterwards: Value,
    ) -> Self {
        let setting = Self { localstack: localstack.clone(), variable, afterwards };
        setting.set(value).expect("a setting that LocalStack takes");
        setting
    }

    fn set(&self, value: Value) -> Result<(), String> {
        let body = json!({ "variable": self.variable, "value": value });
        self.localstack.call("POST", "/_localstack/config", Some(&body)).map(drop)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(wrong) = self.set(self.afterwards.clone()) {
            tell(&wrong);
        }
    }
}

/// Says that something could not be undone, where a panic would be one too many.
pub(crate) fn tell(wrong: &str) {
    #[expect(clippy::print_stderr, reason = "a test's output")]
    {
        eprintln!("not undone: {wrong}");
    }
}
