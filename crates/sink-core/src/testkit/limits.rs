//! Checks of sizes: the limits at their edge and one beyond, and what is metered.

use crate::{
    destination::Limits,
    error::ErrorKind,
    outcome::Outcome,
    settings::{Ordering, Settings},
    testkit::{
        report::{Finding, Stop},
        run,
        service::{EntryOf, Limit, Service},
        watched::Said,
    },
};

/// A request of exactly [`max_batch_size`](Limits::max_batch_size) entries is taken.
pub async fn batch_size<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let most = service.limits().max_batch_size;
        at_the_edge(service, smallest(service, most)?, &format!("{most} entries")).await
    })
    .await
}

/// A request of exactly [`max_batch_size_in_bytes`](Limits::max_batch_size_in_bytes) is taken.
pub async fn batch_bytes<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let most = service.limits().max_batch_size_in_bytes;
        at_the_edge(service, of_bytes(service, most)?, &format!("{most} bytes")).await
    })
    .await
}

/// An entry of exactly [`max_record_size_in_bytes`](Limits::max_record_size_in_bytes) is taken, and
/// one that has a byte more is refused by `write`, so that the service never sees it.
pub async fn record_size<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let most = service.limits().max_record_size_in_bytes;
        let (sink, log) = run::sink(service, run::settings(service))?;
        let largest = vec![service.entry(1, most)?];
        let size = format!("{most} bytes");
        let Ok(larger) = service.entry(2, most + 1) else {
            let seen = at_the_edge(service, largest, &size).await?;
            return Ok(format!("{seen}; no larger entry can be made"));
        };
        match sink.write(larger).await {
            Err(error) if error.kind() == ErrorKind::TooLarge => {}
            other => {
                return Err(Stop::broken(
                    "an entry that is larger than the limit is refused by `write`",
                    format!("an entry metered at {} bytes gave {other:?}", most + 1),
                    "`Entry::size_bytes`: it must be what the service meters",
                ));
            }
        }
        run::close::<S>(&sink, &log).await?;
        let seen = at_the_edge(service, largest, &size).await?;
        Ok(format!("{seen}, one byte more is refused by `write`"))
    })
    .await
}

/// The service refuses a request of one entry more than
/// [`max_batch_size`](Limits::max_batch_size): the limit is not needlessly low, and the refusal is
/// not taken for success.
pub async fn beyond_batch_size<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        service.enforces(Limit::BatchSize)?;
        let most = service.limits().max_batch_size;
        beyond(service, smallest(service, most + 1)?, &format!("{} entries", most + 1)).await
    })
    .await
}

/// The same of one byte more than [`max_batch_size_in_bytes`](Limits::max_batch_size_in_bytes).
pub async fn beyond_batch_bytes<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        service.enforces(Limit::BatchBytes)?;
        let most = service.limits().max_batch_size_in_bytes;
        beyond(service, of_bytes(service, most + 1)?, &format!("{} bytes", most + 1)).await
    })
    .await
}

/// The same of an entry with a byte more than
/// [`max_record_size_in_bytes`](Limits::max_record_size_in_bytes).
pub async fn beyond_record_size<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        service.enforces(Limit::RecordSize)?;
        let most = service.limits().max_record_size_in_bytes;
        let entry = service.entry(1, most + 1)?;
        beyond(service, vec![entry], &format!("entries of {} bytes", most + 1)).await
    })
    .await
}

/// [`Entry::size_bytes`](crate::Entry::size_bytes) is what the service meters, to the byte.
pub async fn size_accounting<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let (sink, log) = run::sink(service, run::settings(service))?;
        // Far from the limit, which is not the question here.
        let largest = (service.limits().max_record_size_in_bytes / 2).max(service.smallest_size());
        let mut asked = 0;
        let numbers = run::numbers(service, 3);
        for number in numbers.clone() {
            // Small and middling sizes, odd and even.
            let size = (service.smallest_size() + (number * number) as usize).min(largest);
            asked += size as u64;
            run::admit::<S>(&sink, service.entry(number, size)?).await?;
        }
        let counted = run::close::<S>(&sink, &log).await?.delivered.bytes as u64;
        let arrived = run::arrived_once(service, &log, numbers).await?;
        let metered = arrived
            .metered_bytes
            .ok_or_else(|| Stop::NotTried("the service does not say what it metered".to_owned()))?;
        if counted != metered {
            return Err(Stop::broken(
                "an entry's size is what the service meters",
                format!("the service metered {metered} bytes where the sink counted {counted}"),
                "`Entry::size_bytes`: keys, names, separators and encodings as the service counts \
                 them",
            ));
        }
        if asked != metered {
            return Err(Stop::broken(
                "`Service::entry` makes entries of exactly the size it is asked for",
                format!("the service metered {metered} bytes where {asked} were asked for"),
                "`Service::entry`",
            ));
        }
        Ok(format!("{metered} bytes counted and metered"))
    })
    .await
}

/// Writes what fills one request exactly; it must go out as one, and be taken.
async fn at_the_edge<S: Service>(
    service: &S,
    entries: Vec<EntryOf<S>>,
    size: &str,
) -> Result<String, Stop> {
    let count = entries.len();
    let settings = Settings {
        max_batch_size: Some(service.limits().max_batch_size),
        ..run::settings(service)
    };
    let (sink, log) = run::sink(service, settings)?;
    let numbers: Vec<_> = entries.iter().map(S::number).collect();
    for entry in entries {
        run::admit::<S>(&sink, entry).await?;
    }
    run::met::<S>(&sink, &log, |calls| !calls.is_empty()).await;
    let calls = log.calls();
    if calls.iter().any(|call| call.said != Said::Delivered) {
        return Err(Stop::broken(
            "the service takes a request that is exactly at the limit",
            format!("{size} in {count} entries; the calls: {}", run::told(&calls)),
            "`Destination::LIMITS`, which may be too high; `Entry::size_bytes`; `Service::limits`",
        ));
    }
    let requests = run::close::<S>(&sink, &log).await?.requests;
    run::arrived_once(service, &log, numbers).await?;
    if requests != 1 {
        return Err(Stop::broken(
            "what fits into one request goes out as one",
            format!("{size} in {count} entries went out as {requests} requests"),
            "`Entry::size_bytes`, which may count too much; `Service::entry`",
        ));
    }
    Ok(format!("{size} in one request"))
}

/// Sends a request that is one beyond a limit past the sink, which would never make it.
async fn beyond<S: Service>(
    service: &S,
    entries: Vec<EntryOf<S>>,
    size: &str,
) -> Result<String, Stop> {
    let outcome = run::send_directly::<S>(&service.destination(Ordering::None), entries).await;
    if !matches!(outcome, Outcome::Delivered) {
        return Ok(format!("{size} are refused"));
    }
    let arrived = service.arrived().await.numbers.len();
    let (seen, look_at) = if arrived > 0 {
        (
            format!("{size} in one request were taken"),
            "`Destination::LIMITS`, which may be too low; `Service::enforces`, where the service \
             does not check it or the limit is lower on purpose",
        )
    } else {
        (
            format!("{size} in one request count as delivered, and nothing arrived"),
            "`extract_failures`: a refusal is no delivery",
        )
    };
    Err(Stop::broken("the service refuses a request that is one beyond the limit", seen, look_at))
}

/// So many of the smallest entries.
fn smallest<S: Service>(service: &S, count: usize) -> Result<Vec<EntryOf<S>>, Stop> {
    let (size, limits) = (service.smallest_size(), service.limits());
    if size.saturating_mul(count) > limits.max_batch_size_in_bytes {
        return Err(Stop::NotTried(format!(
            "{count} entries have at least {} bytes, and a request {} at most: their count is \
             never the limit",
            size.saturating_mul(count),
            limits.max_batch_size_in_bytes
        )));
    }
    (1..=count as u64).map(|number| Ok(service.entry(number, size)?)).collect()
}

/// Entries, as few as there can be but two at least, that have so many bytes together.
fn of_bytes<S: Service>(service: &S, bytes: usize) -> Result<Vec<EntryOf<S>>, Stop> {
    let Limits { max_batch_size, max_record_size_in_bytes: largest, .. } = service.limits();
    let count = bytes.div_ceil(largest.max(1)).max(2);
    if count > max_batch_size {
        return Err(Stop::NotTried(format!(
            "{max_batch_size} entries of {largest} bytes have fewer than {bytes} bytes: the bytes \
             of a request are never the limit"
        )));
    }
    let (each, rest) = (bytes / count, bytes % count);
    (0..count)
        .map(|index| Ok(service.entry(index as u64 + 1, each + usize::from(index < rest))?))
        .collect()
}
