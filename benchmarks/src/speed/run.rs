//! One run: a fresh sink, its producers, and what came of them.

use std::{sync::Arc, time::Duration};

use sink_core::{Counters, Settings, Sink};
use tokio::{runtime::Runtime, task::JoinSet};

use super::{
    judge,
    ledger::{Arrived, Born, Ledger},
    plan::{Amount, Plan},
    record::Template,
    report::Report,
    service::{Service, Store},
    source::{Producer, Written},
    usage,
};
use crate::Result;

/// As a user's program has it on two processors.
///
/// # Errors
///
/// When its threads cannot be started.
pub fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?)
}

/// The defaults of Kinesis' connector, which are Flink's too, but for the plan's buffer.
pub fn settings(plan: &Plan) -> Settings {
    let mut settings = Settings::default();
    settings.max_batch_size = Some(500);
    settings.max_in_flight_requests = Some(50);
    settings.max_buffered_requests = Some(plan.buffer);
    settings.max_time_in_buffer = Some(Duration::from_secs(5));
    settings
}

/// Runs the plan once uncounted and shorter, and then for the report.
///
/// # Errors
///
/// When the sink fails, or `/proc` cannot be read. That records are wrong is said by the report.
pub fn run(plan: &Plan) -> Result<Report> {
    let runtime = runtime()?;
    let once = |plan: &Plan| match plan.lanes {
        0 | 1 => runtime.block_on(once::<false>(plan)),
        _ => runtime.block_on(once::<true>(plan)),
    };
    let warm_up = once(&plan.warm_up())?;
    usage::reset_peak()?;
    let measured = once(plan)?;
    let mut report = measured.report(plan);
    report.fail(warm_up.problems().into_iter().map(|problem| format!("warm-up: {problem}")));
    Ok(report)
}

/// What was measured in a run.
struct Measured {
    written: Vec<Written>,
    /// Until the last producer had written its last.
    writing: Duration,
    /// Until everything was delivered.
    wall: Duration,
    cpu: Duration,
    peak_rss: u64,
    /// What had arrived when the producers had done.
    arrived_while_writing: Arrived,
    counters: Counters,
    store: Arc<Store>,
}

async fn once<const LANES: bool>(plan: &Plan) -> Result<Measured> {
    let records = plan.most_records();
    let born = plan.timed.then(|| Arc::new(Born::new(records)));
    let template = Template::new(plan.size, plan.fresh);
    let ledger = Ledger::new(records, born.clone());
    let start = ledger.start();
    let (service, store) = Service::<LANES>::new(plan, template, ledger);
    let cpu = usage::cpu()?;
    let converter = move |number: u64| template.record(number);
    let sink = Sink::builder(converter, service).settings(settings(plan)).seed(1).build()?;

    let mut producers = JoinSet::new();
    for index in 0..plan.producers {
        let (sink, plan, born) = (sink.clone(), Arc::new(plan.clone()), born.clone());
        let producer = Producer { sink, index, plan, born, start };
        producers.spawn(async move { producer.run().await.map(|written| (index, written)) });
    }
    let mut written = Vec::new();
    while let Some(done) = producers.join_next().await {
        written.push(done??);
    }
    written.sort_unstable_by_key(|(index, _)| *index);
    let written = written.into_iter().map(|(_, written)| written).collect();
    let writing = start.elapsed();
    let arrived_while_writing = store.ledger(Ledger::arrived);

    sink.flush().await?;
    let (wall, cpu) = (start.elapsed(), usage::cpu()? - cpu);
    let peak_rss = usage::peak_rss()?;
    let counters = sink.close().await?.counters;
    Ok(Measured { written, writing, wall, cpu, peak_rss, arrived_while_writing, counters, store })
}

impl Measured {
    fn records(&self) -> u64 {
        self.written.iter().map(|written| written.records).sum()
    }

    /// What is wrong with the run.
    fn problems(&self) -> Vec<String> {
        let written: Vec<_> = self.written.iter().map(|written| written.records).collect();
        let (mut problems, arrived) =
            self.store.ledger(|ledger| (ledger.problems(&written), ledger.arrived()));
        let sent = self.counters.sent.entries as u64;
        if sent != arrived.accepted + arrived.refused {
            problems.push(format!("the sink counted {sent} records sent, not {arrived:?}"));
        }
        let delivered = self.counters.delivered.entries as u64;
        if delivered != self.records() {
            problems.push(format!("the sink counted {delivered} of {} delivered", self.records()));
        }
        problems
    }

    fn report(&self, plan: &Plan) -> Report {
        let (records, wall) = (self.records(), self.wall.as_secs_f64());
        let mut report = Report::default();
        report.put("workload", plan.workload);
        report.put("size", plan.size);
        report.put("payload", if plan.fresh { "fresh" } else { "shared" });
        report.put("producers", plan.producers);
        report.put("call", plan.call.name());
        report.put("lanes", plan.lanes);
        report.put("buffer", plan.buffer);
        report.put("allocator", usage::allocator());
        report.put("machine", usage::machine());
        report.put("records", records);
        report.put("bytes", records * plan.size as u64);
        report.put_float("wall_s", wall);
        report.put_float("records_per_s", (records as f64 / wall).round());
        report.put_float("cpu_s", self.cpu.as_secs_f64());
        report.put_float("cpu_ns_per_record", self.cpu.as_secs_f64() * 1e9 / records as f64);
        report.put_float("peak_rss_mb", self.peak_rss as f64 / 1e6);
        report.put("requests", self.counters.requests);
        report.put("retries", self.counters.retried());
        self.put_shares(plan, &mut report);
        let mut times = self.written.first().map_or_else(Default::default, |w| w.times.clone());
        self.written.iter().skip(1).for_each(|written| times.merge(&written.times));
        report.put_times("write_us", &times);
        self.store.ledger(|ledger| report.put_times("delivery_us", ledger.delivery()));
        report.fail(self.problems());
        report
    }

    /// What was reached of what the destination allows.
    fn put_shares(&self, plan: &Plan, report: &mut Report) {
        let behaviour = &plan.behaviour;
        let latency = behaviour.latency.as_secs_f64();
        if latency > 0.0 {
            report.put_float("latency_ms", latency * 1e3);
        }
        if let Some(rate) = plan.offered {
            report.put_float("offered_per_s", rate);
        }
        if let Some(capacity) = &behaviour.capacity {
            let Arrived { accepted, refused } = self.arrived_while_writing;
            let room = capacity.records(Duration::ZERO..self.writing) + judge::burst(behaviour);
            report.put_float("capacity_per_s", capacity.at(Duration::ZERO));
            report.put_float("capacity_used", accepted as f64 / room);
            report.put_float("sent_per_accepted", (accepted + refused) as f64 / accepted as f64);
            if capacity.changes() {
                // For whoever wants to see how fast a change was found.
                report.put("accepted_per_100ms", self.store.ledger(|l| l.series().to_vec()));
            }
        } else if latency > 0.0 && plan.offered.is_none() {
            let bound = 50.0 * 500.0 / latency * (1.0 - behaviour.fails);
            report.put_float("fails", behaviour.fails);
            report.put_float("bound_per_s", bound);
            let used = |records: u64, time: Duration| records as f64 / time.as_secs_f64() / bound;
            report.put_float("bound_used", used(self.records(), self.wall));
            // Without the end, when a few unlucky records wait for their next attempt.
            let accepted = self.arrived_while_writing.accepted;
            report.put_float("bound_used_while_writing", used(accepted, self.writing));
        }
        if let (Some(stuck), Some(rate), Amount::For(time)) =
            (behaviour.stuck, plan.offered, plan.amount)
        {
            // Two seconds on end, so that a request at either end is half a percent.
            let windows = 20;
            let fewest = self.store.ledger(|ledger| {
                let start = ledger.start();
                ledger.fewest(windows, start + Duration::from_secs(1), start + time)
            });
            report.put_float("stuck_s", stuck.time.as_secs_f64());
            report.put("stuck_cause", format!("{:?}", stuck.cause));
            report.put_float("lowest_goodput", fewest.unwrap_or(0) as f64 / (2.0 * rate));
        }
    }
}
