//! This side of the other processes: the server, and the bare loop.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use clap::ValueEnum;
use serde_json::Value;

use super::{plan::Plan, used::Used};
use crate::Result;

/// Another process that answers lines with lines, for as long as this lives.
#[derive(Debug)]
struct Other {
    name: &'static str,
    child: Child,
    /// `None` only while it ends.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the {name} does not start: {error}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| format!("the {name} has no pipes"))?;
        Ok(Self { name, child, input: Some(input), output: BufReader::new(output) })
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("it ends")?;
        Ok(writeln!(input, "{line}").map_err(|error| format!("the {}: {error}", self.name))?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("the {} is gone; it may have said why above", self.name).into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.input.take()); // the end of its input is its end
        let _gone_anyway = self.child.wait();
    }
}

/// The program [`floor`](super::floor), which stands beside this one.
#[derive(Debug)]
pub struct Floor {
    other: Other,
    is_stock: bool,
}

impl Floor {
    /// Starts it, to write to the server at this URL.
    ///
    /// # Errors
    ///
    /// When it does not start: it may not have been built.
    pub fn start(plan: &Plan, url: &str) -> Result<Self> {
        let program = env::current_exe()?.with_file_name("floor");
        if !program.exists() {
            return Err(format!(
                "{} is missing; build it by itself, so that it gets no features of the sinks: \
                 cargo build --release -p sink-benchmarks --features mimalloc,sdk --bin floor",
                program.display()
            )
            .into());
        }
        let mut command = Command::new(program);
        command.args([plan.service.name(), &plan.size.to_string(), &plan.in_flight.to_string()]);
        command.arg(url);
        if let Some(how) = plan.sabotage.as_ref().and_then(ValueEnum::to_possible_value) {
            command.args(["--sabotage", how.get_name()]);
        }
        let mut other = Other::start("bare loop", &mut command)?;
        let line = other.line()?;
        let said: Value = serde_json::from_str(&line)?;
        let is_stock = said["is_stock"].as_bool();
        let is_stock = is_stock.ok_or_else(|| format!("the bare loop began with `{line}`"))?;
        Ok(Self { other, is_stock })
    }

    /// Whether it was built without the sinks, so that the SDK has only what it has by itself.
    pub fn is_stock(&self) -> bool {
        self.is_stock
    }

    /// Has so many records written, and spoils one of them if that is planned and this is no warm-up.
    ///
    /// # Errors
    ///
    /// When it fails; then it is gone.
    pub fn run(&mut self, records: u64, is_warm_up: bool) -> Result<Used> {
        self.other.say(&format!("{} {records}", if is_warm_up { "warm-up" } else { "whole" }))?;
        let line = self.other.line()?;
        let used = Used::from_value(&serde_json::from_str(&line)?);
        Ok(used.ok_or_else(|| format!("the bare loop said `{line}` instead of what it took"))?)
    }
}

/// A server in a process of its own, for as long as this lives.
#[derive(Debug)]
pub struct Server {
    other: Other,
    url: String,
}

/// What came to the server.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Requests with records.
    pub requests: u64,
    /// Records in them, each time counted.
    pub records: u64,
    /// Bytes of their bodies, as they were sent.
    pub bytes: u64,
    /// Seconds of CPU that the server needed.
    pub cpu_s: f64,
    /// What is wrong, if each record was to come once.
    pub problems: Vec<String>,
}

impl Server {
    /// Starts this program as the server of a plan.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(plan: &Plan) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["answer", plan.service.name(), &plan.size.to_string()]);
        let mut other = Other::start("server", &mut command)?;
        let url = format!("http://{}", other.line()?);
        Ok(Self { other, url })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Counts from now on.
    ///
    /// # Errors
    ///
    /// When the server is gone.
    pub fn start_counting(&mut self) -> Result<()> {
        self.other.say("start")?;
        match &*self.other.line()? {
            "started" => Ok(()),
            line => Err(format!("the server said `{line}` instead of `started`").into()),
        }
    }

    /// What came since then, if so many records were to come.
    ///
    /// # Errors
    ///
    /// When the server is gone.
    pub fn counts(&mut self, records: u64) -> Result<Counts> {
        self.other.say(&format!("stop {records}"))?;
        let line = self.other.line()?;
        let value: Value = serde_json::from_str(&line)?;
        let counts = || {
            let problems = value["problems"].as_array()?;
            Some(Counts {
                requests: value["requests"].as_u64()?,
                records: value["records"].as_u64()?,
                bytes: value["bytes"].as_u64()?,
                cpu_s: value["cpu_s"].as_f64()?,
                problems: problems.iter().filter_map(|p| p.as_str().map(str::to_owned)).collect(),
            })
        };
        Ok(counts().ok_or_else(|| format!("the server said `{line}` instead of its counts"))?)
    }
}
