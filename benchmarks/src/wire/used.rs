//! What a process measures of its own run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{Result, speed::usage};

/// What a run took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Records written, as the side counts them.
    pub written: u64,
    /// From the first record until everything was answered.
    pub wall: Duration,
    /// CPU of the process meanwhile.
    pub cpu: Duration,
    /// The most memory that it had meanwhile, in bytes.
    pub peak_rss: u64,
}

impl Used {
    /// Measures a run that gives how many records it wrote, and something else.
    ///
    /// # Errors
    ///
    /// Those of the run; when `/proc` cannot be read.
    pub fn measure<R>(run: impl FnOnce(&Runtime) -> Result<(u64, R)>) -> Result<(Self, R)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        usage::reset_peak()?;
        let (cpu, start) = (usage::cpu()?, Instant::now());
        let (written, more) = run(&runtime)?;
        let (wall, cpu) = (start.elapsed(), usage::cpu()? - cpu);
        Ok((Self { written, wall, cpu, peak_rss: usage::peak_rss()? }, more))
    }

    /// As a line for another process.
    pub fn to_value(self) -> Value {
        json!({
            "written": self.written,
            "wall_s": self.wall.as_secs_f64(),
            "cpu_s": self.cpu.as_secs_f64(),
            "peak_rss": self.peak_rss,
        })
    }

    /// What [`to_value`](Self::to_value) made; `None` if it did not.
    pub fn from_value(value: &Value) -> Option<Self> {
        let time = |name: &str| Duration::try_from_secs_f64(value[name].as_f64()?).ok();
        Some(Self {
            written: value["written"].as_u64()?,
            wall: time("wall_s")?,
            cpu: time("cpu_s")?,
            peak_rss: value["peak_rss"].as_u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_reads_what_was_measured() {
        let used = Used {
            written: 7,
            wall: Duration::from_millis(1500),
            cpu: Duration::from_millis(1250),
            peak_rss: 4096,
        };
        assert_eq!(Used::from_value(&used.to_value()), Some(used));
        assert_eq!(Used::from_value(&json!({ "written": 7 })), None);
    }
}
