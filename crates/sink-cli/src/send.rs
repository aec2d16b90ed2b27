//! `sink send`: from lines to deliveries, and the many ways in which that can end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use sink_core::{Entry, Error, ErrorKind, Sink, Stats};
use tokio::sync::mpsc;

use crate::{
    args::Send,
    bad_lines::BadLines,
    input,
    progress::{Progress, Speed},
    records::{self, Item},
    signals::Interrupts,
    summary::Report,
    target::{self, Opened, Service, Target},
};

/// How a run ended; the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    AllDelivered,
    Failed,
    SomeRejected,
    Interrupted,
}

impl End {
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::AllDelivered => 0,
            Self::Failed => 1,
            Self::SomeRejected => 3,
            Self::Interrupted => 130,
        }
    }
}

/// Why reading stopped.
enum Stop {
    /// There is nothing more.
    EndOfInput,
    /// A bad line or broken input: what was read before it is still to be delivered.
    Input(String),
    Sink(Error),
    Interrupted,
    Stalled(Duration),
}

pub(crate) async fn run(args: &Send, target: Target) -> Result<End, String> {
    match target {
        Target::Kinesis(kinesis) => run_to(args, kinesis).await,
        Target::Firehose(firehose) => run_to(args, firehose).await,
        Target::CloudWatch(cloudwatch) => run_to(args, cloudwatch).await,
    }
}

async fn run_to(args: &Send, service: impl Service) -> Result<End, String> {
    let name = args.file.display();
    let opened = target::open(&service, args).await.map_err(|error| chain(&error))?;
    // Opening may block for ever on a pipe without a writer: the signals must work already.
    let mut interrupts = Interrupts::new().map_err(|error| format!("signals: {error}"))?;
    let path = args.file.clone();
    let input = tokio::select! {
        input = tokio::task::spawn_blocking(move || input::open(&path)) => input,
        () = interrupts.next() => return Ok(End::Interrupted),
    };
    let input = input
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("{name} cannot be read: {error}"))?;
    let mut bad_lines = BadLines::new(&args.on_bad_line, &args.file, input.name.clone())
        .map_err(|error| format!("the dead-letter file cannot be written: {error}"))?;

    let progress = Progress::new(args.progress, input.size);
    crate::logging::attach(&progress);
    let shower = tokio::spawn({
        let (progress, sink) = (progress.clone(), opened.sink.clone());
        let position = input.position.clone();
        async move {
            let mut speed = Speed::new();
            let mut ticks = tokio::time::interval(progress.interval());
            ticks.tick().await; // the first is at once, and there is nothing to show yet
            loop {
                ticks.tick().await;
                progress.show(&sink.stats(), &mut speed, &position);
            }
        }
    });

    let started = Instant::now();
    let mut job = Job { opened, read: 0, give_up_after: args.give_up_after };
    let file_name = input.name.clone();
    let lines = records::read(input, service.lines(), job.opened.max_record_size_in_bytes);
    let stop = job.feed(lines, &mut bad_lines, &file_name, &mut interrupts).await;
    let outcome = job.finish(stop, &progress, &mut interrupts).await;
    shower.abort();
    progress.finish();
    crate::logging::detach();

    let kept = bad_lines.finish();
    let counters = job.opened.sink.stats().counters;
    let mut rejected: BTreeMap<_, _> =
        bad_lines.counts.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    let dead_letters = counters.rejected.entries as u64;
    if dead_letters > 0 {
        rejected.insert("dead letters", dead_letters);
    }
    let report = Report::new(
        job.read,
        rejected,
        &counters,
        started.elapsed(),
        job.opened.max_batch_size,
        job.opened.arrived(),
    );
    report.print(args.json);
    kept?;
    match outcome? {
        End::AllDelivered if report.unsent > 0 => {
            Err(format!("{} records were read and not delivered", report.unsent))
        }
        End::AllDelivered if !report.rejected.is_empty() => Ok(End::SomeRejected),
        end => Ok(end),
    }
}

struct Job<S: Service> {
    opened: Opened<S>,
    /// Lines that held something, those that could not be sent included.
    read: u64,
    give_up_after: Option<Duration>,
}

impl<S: Service> Job<S> {
    fn sink(&self) -> &Sink<S::Entry, S::Entry> {
        &self.opened.sink
    }

    /// Writes what comes until there is nothing more, or something is in the way.
    async fn feed(
        &mut self,
        mut lines: mpsc::Receiver<Vec<Item<S::Entry>>>,
        bad_lines: &mut BadLines,
        file_name: &str,
        interrupts: &mut Interrupts,
    ) -> Stop {
        let sink = self.sink().clone();
        let stalled = stalled(sink.clone(), self.give_up_after);
        let read = &mut self.read;
        let feeding = async {
            while let Some(items) = lines.recv().await {
                for item in items {
                    match item {
                        Item::Record(entry) => {
                            let written = sink.write(entry).await;
                            // Not before: an interrupted write has not taken its record.
                            *read += 1;
                            if let Err(error) = written {
                                return Stop::Sink(error);
                            }
                        }
                        Item::Bad(bad) => {
                            *read += 1;
                            if let Err(message) = bad_lines.take(&bad) {
                                return Stop::Input(message);
                            }
                        }
                        Item::Broken { after_line, error } => {
                            return Stop::Input(format!(
                                "{file_name} cannot be read on after line {after_line}: {error}"
                            ));
                        }
                    }
                }
            }
            Stop::EndOfInput
        };
        tokio::select! {
            biased;
            () = interrupts.next() => Stop::Interrupted,
            stop = feeding => stop,
            limit = stalled => Stop::Stalled(limit),
        }
    }

    /// Delivers what is left, as far as the reason of stopping lets it.
    async fn finish(
        &mut self,
        stop: Stop,
        progress: &Progress,
        interrupts: &mut Interrupts,
    ) -> Result<End, String> {
        match stop {
            Stop::EndOfInput => self.drain(interrupts).await,
            Stop::Input(message) => {
                let drained = self.drain(interrupts).await;
                let mut said = message;
                if let Err(error) = drained {
                    said = format!("{said}\nand then: {error}");
                }
                Err(said)
            }
            Stop::Sink(error) => Err(self.failed(&error).await),
            Stop::Interrupted => {
                progress
                    .say("interrupted: sending what was read; once more Ctrl-C stops without that");
                self.drain(interrupts).await.map(|_| End::Interrupted)
            }
            Stop::Stalled(limit) => Err(self.gave_up(limit).await),
        }
    }

    /// Waits until all is delivered.
    async fn drain(&self, interrupts: &mut Interrupts) -> Result<End, String> {
        let sink = self.sink();
        tokio::select! {
            biased;
            closed = sink.close() => match closed {
                Ok(_) => Ok(End::AllDelivered),
                Err(error) => Err(self.failed(&error).await),
            },
            () = interrupts.next() => {
                let unsent = sink.clone().into_unsent().await.len();
                Err(format!("interrupted: {unsent} records were read and not delivered"))
            }
            limit = stalled(sink.clone(), self.give_up_after) => Err(self.gave_up(limit).await),
        }
    }

    async fn failed(&self, error: &Error) -> String {
        let unsent = self.sink().clone().into_unsent().await.len();
        match error.kind() {
            ErrorKind::Fatal => {
                let error = chain(error);
                let hint = hint(&error);
                format!("{error}\n{unsent} records were read and not delivered{hint}")
            }
            _ => chain(error),
        }
    }

    async fn gave_up(&self, limit: Duration) -> String {
        let failure = self.sink().stats().last_failure;
        let unsent = self.sink().clone().into_unsent().await.len();
        let because =
            failure.map(|failure| format!("; last failure: {failure}")).unwrap_or_default();
        format!(
            "gave up: nothing was delivered for {}{because}\n{unsent} records were read and not \
             delivered",
            humantime::format_duration(limit)
        )
    }
}

/// What to do where the sink had nowhere to put a record that is not stored for good.
fn hint(error: &str) -> String {
    let causes = [
        ("MaxAttempts", "--max-attempts gives up"),
        ("MaxAge", "--max-age gives up"),
        ("a dead-letter handler would take it", "the destination refuses"),
    ];
    match causes.into_iter().find(|(words, _)| error.contains(words)) {
        Some((_, who)) => format!(
            "\nhint: --dead-letters FILE keeps the records that {who}, and the others go on"
        ),
        None => String::new(),
    }
}

/// Ends when nothing was delivered for so long although something waits; never without a limit.
async fn stalled<E: Entry>(sink: Sink<E, E>, limit: Option<Duration>) -> Duration {
    let Some(limit) = limit else { return std::future::pending().await };
    let waits = |stats: &Stats| stats.buffered.entries + stats.in_flight.entries > 0;
    let mut delivered = sink.stats().counters.delivered.entries;
    let mut since = Instant::now();
    loop {
        tokio::time::sleep((limit / 10).min(Duration::from_millis(500))).await;
        let stats = sink.stats();
        if stats.counters.delivered.entries != delivered || !waits(&stats) {
            delivered = stats.counters.delivered.entries;
            since = Instant::now();
        } else if since.elapsed() >= limit {
            return limit;
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors repeat their cause's words.
        if !text.contains(&cause_text) {
            text += &format!(": {cause_text}");
        }
        source = cause.source();
    }
    text
}
