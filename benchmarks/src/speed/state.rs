//! What a snapshot costs: taking it from a full sink, encoding, decoding, restoring it.

use std::time::{Duration, Instant};

use sink_core::{Sink, Snapshot};

use super::{
    kept::{Kept, Silent},
    plan::Plan,
    record::Template,
    report::Report,
    run::{runtime, settings},
    usage,
};
use crate::Result;

/// Fills a sink whose destination never answers, and measures its snapshot. The
/// first round does not count.
///
/// # Errors
///
/// When the sink fails, or `/proc` cannot be read.
pub fn run(plan: &Plan) -> Result<Report> {
    let runtime = runtime()?;
    runtime.block_on(once(plan))?;
    usage::reset_peak()?;
    runtime.block_on(once(plan))
}

async fn once(plan: &Plan) -> Result<Report> {
    let entries = plan.most_records();
    let template = Template::new(plan.size, true);
    let sink = build(plan, template, None)?;
    for number in 0..entries {
        sink.write(number).await?;
    }
    let (snapshot, taking) = {
        let start = Instant::now();
        (sink.snapshot().await, start.elapsed())
    };
    let (bytes, encoding) = timed(|| snapshot.to_bytes());
    let length = bytes.len();
    let (decoded, decoding) = timed(|| Snapshot::<Kept>::from_bytes(bytes));
    let decoded = decoded?;
    let (restored, restoring) = timed(|| build(plan, template, Some(&decoded)));
    let again = restored?.into_unsent().await;

    let mut report = Report::default();
    let of_bytes = |time: Duration| length as f64 / 1e9 / time.as_secs_f64();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    report.put("workload", plan.workload);
    report.put("size", plan.size);
    report.put("records", entries);
    report.put("bytes", length);
    report.put("machine", usage::machine());
    report.put_float("take_ms", milliseconds(taking));
    report.put_float("encode_ms", milliseconds(encoding));
    report.put_float("encode_gb_per_s", of_bytes(encoding));
    report.put_float("decode_ms", milliseconds(decoding));
    report.put_float("decode_gb_per_s", of_bytes(decoding));
    report.put_float("restore_ms", milliseconds(restoring));
    report.put_float("peak_rss_mb", usage::peak_rss()? as f64 / 1e6);
    let written = (0..entries).map(|number| template.record(number).map(Kept::from).ok());
    if !written.eq(again.into_iter().map(Some)) {
        report.fail(["what was restored is not what was written, in its order".to_owned()]);
    }
    sink.into_unsent().await;
    Ok(report)
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// A sink with room for all entries, of which none is ever answered.
fn build(
    plan: &Plan,
    template: Template,
    restored: Option<&Snapshot<Kept>>,
) -> Result<Sink<u64, Kept>> {
    let mut settings = settings(plan);
    settings.max_buffered_bytes = Some(plan.buffer * plan.size);
    settings.max_batch_size_in_bytes = settings.max_buffered_bytes.map(|all| all.min(5 << 20));
    let mut builder =
        Sink::builder(move |number: u64| template.record(number).map(Kept::from), Silent)
            .settings(settings);
    if let Some(snapshot) = restored {
        builder = builder.restore(snapshot);
    }
    Ok(builder.build()?)
}
