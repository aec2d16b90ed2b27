//! Logs to standard error, above the progress bar if there is one.

use std::{
    io::{self, IsTerminal as _},
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::progress::Progress;

/// What shows progress now, if anything.
static PROGRESS: Mutex<Option<Progress>> = Mutex::new(None);

pub(crate) fn init(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "warn,sink=info,sink_core=info,sink_aws=info,sink_kinesis=info",
        _ => "warn,sink=debug,sink_core=debug,sink_aws=debug,sink_kinesis=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_target(verbose > 0)
        .without_time()
        .with_writer(AboveProgress)
        .init();
}

/// From now on, logs are printed above this.
pub(crate) fn attach(progress: &Progress) {
    *PROGRESS.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
}

pub(crate) fn detach() {
    *PROGRESS.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

struct AboveProgress;

/// One line of the log, printed whole when it is complete.
#[derive(Default)]
struct Line(Vec<u8>);

impl<'a> MakeWriter<'a> for AboveProgress {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line::default()
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.0);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        let progress = PROGRESS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match progress {
            Some(progress) => progress.say(line),
            // Standard error may be gone; then there is nobody to tell.
            None => drop(io::Write::write_all(&mut io::stderr(), format!("{line}\n").as_bytes())),
        }
    }
}
