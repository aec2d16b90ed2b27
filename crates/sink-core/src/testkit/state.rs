//! Checks of what is kept: after an error that no retry mends, and in a snapshot.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::{
    destination::{Destination, Entry as _},
    error::ErrorKind,
    outcome::Cause,
    settings::Ordering,
    snapshot::{Snapshot, SnapshotEntry},
    testkit::{
        report::{Finding, Stop},
        run,
        service::{EntryOf, Service, Trouble},
        watched::{Call, Letters, Said},
    },
};

/// An error that no retry mends stops the sink, which keeps exactly what the service has not: a new
/// sink delivers it.
pub async fn fatal_errors<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let (sink, log) = run::sink(service, run::settings(service))?;
        let (first, all) = (run::numbers(service, 1), run::numbers(service, 3));
        run::write(service, &sink, first.clone()).await?;
        if let Err(error) = sink.flush().await {
            return Err(stopped_too_soon(&error.to_string()));
        }
        service.cause(Trouble::Fatal).await?;
        run::write(service, &sink, first.end..all.end).await?;
        // Whoever takes it for something that passes would try for ever.
        let is_failure =
            |call: &&Call| matches!(call.said, Said::RetryAll(_) | Said::PerEntry { .. });
        let ends = |calls: &[Call]| {
            calls.iter().any(|call| call.said == Said::Fatal)
                || calls.iter().filter(is_failure).count() >= 3
        };
        run::met::<S>(&sink, &log, ends).await;
        if !log.calls().iter().any(|call| call.said == Said::Fatal) {
            return Err(Stop::broken(
                "an error that no retry mends stops the sink, which keeps what is not delivered",
                run::told(&log.calls()),
                "`extract_failures` and its table of codes: missing permissions, credentials and \
                 destinations are `Outcome::Fatal`; or `Service::cause`",
            ));
        }
        match sink.flush().await {
            Err(error) if error.kind() == ErrorKind::Fatal => {}
            other => return Err(stopped_too_soon(&format!("after a fatal outcome: {other:?}"))),
        }

        let unsent = sink.into_unsent().await;
        let kept: Vec<_> = unsent.iter().map(S::number).collect();
        if !kept.iter().copied().eq(first.end..all.end) {
            return Err(Stop::broken(
                "after a fatal error the sink keeps what is not delivered, in order",
                format!("kept {}, expected {} to {}", run::some(&kept), first.end, all.end - 1),
                "`Service::number`, which must give what `Service::entry` was asked for; the \
                 requests before, which may not have failed as a whole",
            ));
        }
        service.calm().await;
        let (next, next_log) = run::sink(service, run::settings(service))?;
        for entry in unsent {
            run::admit::<S>(&next, entry).await?;
        }
        run::close::<S>(&next, &next_log).await?;
        run::arrived_once(service, &next_log, all).await?;
        Ok(format!("{} entries kept, and delivered by a new sink", kept.len()))
    })
    .await
}

fn stopped_too_soon(seen: &str) -> Stop {
    Stop::broken(
        "a sink stops for a fatal error, and for nothing else",
        seen,
        "`extract_failures` and its table of codes",
    )
}

/// A snapshot's bytes give back the same entries, and a new sink delivers them; bytes that are cut
/// short are refused without a panic.
pub async fn snapshot_round_trip<S>(service: &S) -> Finding
where
    S: Service,
    EntryOf<S>: SnapshotEntry + Clone,
{
    run::bounded(service, async {
        let numbers = run::numbers(service, 2);
        let snapshot = unsent(service, numbers.clone()).await?;
        let same = Snapshot::<EntryOf<S>>::from_bytes(snapshot.to_bytes()).map_err(|error| {
            Stop::broken("a snapshot can be read back", error.to_string(), ENCODING)
        })?;
        let destination = service.destination(Ordering::None);
        let look =
            |entry: &EntryOf<S>| (S::number(entry), entry.size_bytes(), destination.lane(entry));
        for (before, after) in snapshot.entries().iter().zip(same.entries()) {
            if look(before) != look(after) {
                return Err(Stop::broken(
                    "an entry in a snapshot keeps its content, its size and its lane",
                    format!("{:?} came back as {:?}", look(before), look(after)),
                    ENCODING,
                ));
            }
        }
        if same.to_bytes() != snapshot.to_bytes() {
            return Err(Stop::broken(
                "an entry in a snapshot keeps its content, its size and its lane",
                "a snapshot that was read back has other bytes",
                ENCODING,
            ));
        }
        cut_short::<S>(snapshot.entries().first())?;

        let (builder, log) = run::builder(service, run::settings(service));
        let sink = run::build::<S>(builder.restore(&same))?;
        run::close::<S>(&sink, &log).await?;
        run::arrived_once(service, &log, numbers).await?;
        Ok(format!("{} entries restored and delivered", same.len()))
    })
    .await
}

const ENCODING: &str = "`SnapshotEntry::encode` and `decode`: all of the entry, and nothing else";

/// A snapshot of a sink that delivered nothing: its driver never ran.
async fn unsent<S>(service: &S, numbers: std::ops::Range<u64>) -> Result<Snapshot<EntryOf<S>>, Stop>
where
    S: Service,
    EntryOf<S>: Clone,
{
    let (builder, _log) = run::builder(service, run::settings(service));
    let (sink, driver) = builder.pair().map_err(|error| stopped_too_soon(&error.to_string()))?;
    run::write(service, &sink, numbers).await?;
    drop(driver);
    Ok(sink.snapshot().await)
}

/// Decodes an entry that is cut at each place.
fn cut_short<S>(entry: Option<&EntryOf<S>>) -> Result<(), Stop>
where
    S: Service,
    EntryOf<S>: SnapshotEntry,
{
    let Some(entry) = entry else { return Ok(()) };
    let bytes = Bytes::from(entry.to_bytes());
    for end in 0..bytes.len() {
        let cut = bytes.slice(..end);
        let seen = match catch_unwind(AssertUnwindSafe(|| EntryOf::<S>::decode(cut).is_ok())) {
            Ok(false) => continue,
            Ok(true) => "are taken for an entry",
            Err(_) => "make it panic",
        };
        return Err(Stop::broken(
            "bytes that are cut short are refused in words",
            format!("the first {end} of {} bytes {seen}", bytes.len()),
            "`SnapshotEntry::decode`: check each length before it is used",
        ));
    }
    Ok(())
}

/// An entry that the service never stores reaches the dead letters alone; the others of its request
/// arrive.
pub async fn bad_entry<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let all = run::numbers(service, 2);
        let is_bad = |number: u64| number % 7 == 3;
        let (builder, log) = run::builder(service, run::settings(service));
        let letters = Letters::<S>::new();
        let sink = run::build::<S>(builder.dead_letters(letters.clone()))?;
        for number in all.clone() {
            let bad = is_bad(number).then(|| service.bad_entry(number)).transpose()?;
            let entry = bad.map_or_else(|| run::entry(service, number), Ok)?;
            run::admit::<S>(&sink, entry).await?;
        }
        run::met::<S>(&sink, &log, stuck).await;
        if stuck(&log.calls()) {
            return Err(Stop::broken(
                "what the service never stores is rejected, and not sent for ever",
                run::told(&log.calls()),
                "`extract_failures` and its table of codes: `Verdict::Reject` or `Outcome::Bisect`",
            ));
        }
        run::close::<S>(&sink, &log).await?;
        let mut rejected = letters.numbers();
        rejected.sort_unstable();
        let expected: Vec<_> = all.clone().filter(|number| is_bad(*number)).collect();
        if rejected != expected {
            return Err(Stop::broken(
                "a bad entry reaches the dead letters, and takes no good one with it",
                format!(
                    "rejected {}, bad {}; the calls: {}",
                    run::some(&rejected),
                    run::some(&expected),
                    run::told(&log.calls())
                ),
                "`extract_failures`: a refused entry is `Verdict::Reject`, at its own position; a \
                 request refused for one entry's sake is `Outcome::Bisect`, not \
                 `Outcome::RejectAll`",
            ));
        }
        run::arrived_once(service, &log, all.filter(|number| !is_bad(*number))).await?;
        Ok(format!("{} rejected, the others arrived", rejected.len()))
    })
    .await
}

/// Whether nothing but retries was seen for a while.
fn stuck(calls: &[Call]) -> bool {
    let is_retry = |call: &&Call| match call.said {
        Said::RetryAll(Cause::Throttled { .. } | Cause::Unavailable | Cause::Timeout) => true,
        Said::PerEntry { throttled, failed, rejected } => throttled + failed > 0 && rejected == 0,
        Said::Delivered | Said::RejectAll | Said::Bisect | Said::Fatal | Said::GivenUp => false,
    };
    calls.iter().filter(is_retry).count() >= 50
}
