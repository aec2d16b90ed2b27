//! Shows how it goes, on standard error: a bar on a terminal, else a line now and then.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use sink_core::Stats;

use crate::{args::ProgressKind, input::Position};

/// What is shown, if anything. Clones share one bar.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    is_plain: bool,
}

impl Progress {
    pub(crate) fn new(kind: ProgressKind, size: Option<u64>) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let (bar, is_plain) = match kind {
            ProgressKind::Auto => (is_terminal, !is_terminal),
            ProgressKind::Bar => (true, false),
            ProgressKind::Plain => (false, true),
            ProgressKind::None => (false, false),
        };
        let bar = bar.then(|| {
            let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = if size.is_some() {
                "{bar:20.cyan/dim} {percent:>3} %  {wide_msg}"
            } else {
                "{spinner:.cyan} {wide_msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━━─"));
            }
            bar
        });
        Self { bar, is_plain }
    }

    /// How often to call [`show`](Self::show).
    pub(crate) fn interval(&self) -> Duration {
        if self.bar.is_some() { Duration::from_millis(100) } else { Duration::from_secs(5) }
    }

    pub(crate) fn show(&self, stats: &Stats, speed: &mut Speed, position: &Position) {
        if let Some(bar) = &self.bar {
            bar.set_position(position.get());
            bar.set_message(message(stats, speed));
        } else if self.is_plain {
            self.say(&message(stats, speed));
        }
    }

    /// Prints a line without tearing the bar.
    pub(crate) fn say(&self, line: &str) {
        let print = || {
            // If even standard error is gone, there is nobody to tell.
            let _gone = writeln!(io::stderr(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Deliveries a second, over the last seconds.
#[derive(Debug)]
pub(crate) struct Speed {
    /// When, and what was delivered by then.
    seen: Vec<(Instant, usize, usize)>,
}

impl Speed {
    pub(crate) fn new() -> Self {
        Self { seen: vec![(Instant::now(), 0, 0)] }
    }

    fn measure(&mut self, stats: &Stats) -> (f64, f64) {
        let now = Instant::now();
        let delivered = stats.counters.delivered;
        self.seen.push((now, delivered.entries, delivered.bytes));
        let keep = |seen: &(Instant, usize, usize)| now - seen.0 <= Duration::from_secs(3);
        let first = self.seen.iter().position(keep).unwrap_or(0).saturating_sub(1);
        self.seen.drain(..first);
        let Some(&(since, records, bytes)) = self.seen.first() else { return (0.0, 0.0) };
        let seconds = (now - since).as_secs_f64().max(1e-3);
        #[allow(clippy::cast_precision_loss)] // for display
        {
            (
                (delivered.entries - records) as f64 / seconds,
                (delivered.bytes - bytes) as f64 / seconds,
            )
        }
    }
}

fn message(stats: &Stats, speed: &mut Speed) -> String {
    let (records, bytes) = speed.measure(stats);
    let mut message = format!(
        "{} delivered  {records:.0} records/s  {:.1} MB/s  {} buffered  {} in flight",
        HumanCount(stats.counters.delivered.entries as u64),
        bytes / 1e6,
        HumanCount(stats.buffered.entries as u64),
        HumanCount(stats.in_flight.entries as u64),
    );
    if let Some(window) = stats.window {
        message += &format!("  window {}", HumanCount(window as u64));
    }
    let retried = stats.counters.retried();
    if retried > 0 {
        message += &format!("  {} retries", HumanCount(retried));
        if let Some(failure) = &stats.last_failure {
            message += &format!("  (last: {failure})");
        }
    }
    let rejected = stats.counters.rejected.entries;
    if rejected > 0 {
        message += &format!("  {} rejected", HumanCount(rejected as u64));
    }
    message
}

/// Bytes for people.
pub(crate) fn human_bytes(bytes: usize) -> String {
    HumanBytes(bytes as u64).to_string()
}
