//! This side of the server's process.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use super::plan::Plan;
use crate::Result;

/// A server in a process of its own, for as long as this lives.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `None` only while it ends.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
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
        let mut child = Command::new(env::current_exe()?)
            .args(["answer", plan.service.name(), &plan.size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or("the server has no pipes")?;
        let mut server =
            Self { child, input: Some(input), output: BufReader::new(output), url: String::new() };
        server.url = format!("http://{}", server.line()?);
        Ok(server)
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
        self.say("start")?;
        match &*self.line()? {
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
        self.say(&format!("stop {records}"))?;
        let line = self.line()?;
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

    fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("the server ends")?;
        Ok(writeln!(input, "{line}")?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("the server is gone; it may have said why above".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take()); // the end of its input is its end
        let _gone_anyway = self.child.wait();
    }
}
