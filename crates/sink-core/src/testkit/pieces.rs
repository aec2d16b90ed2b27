//! Checks of the pieces by themselves: order, lanes, purity, silence.

use std::{collections::HashMap, ops::Range};

use crate::{
    destination::{Destination, Lane, OwnedBatch},
    outcome::Outcome,
    settings::{Ordering, Settings},
    testkit::{
        report::{Finding, Stop},
        run,
        service::{Service, Trouble},
        watched::{Call, Said},
    },
};

/// With one request in flight, the entries of a lane arrive in the order in which they were written;
/// with [`Ordering::PerLane`] they do so also where a request fails.
pub async fn order<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let lanes = service.destination(Ordering::PerLane);
        let (sink, log) = run::sink(service, run::settings(service))?;
        let (first, all) = (run::numbers(service, 2), run::numbers(service, 3));
        run::write(service, &sink, first.clone()).await?;
        run::close::<S>(&sink, &log).await?;
        let arrived = run::arrived_once(service, &log, first.clone()).await?;
        if let Some(why) = arrived.order {
            return Err(why.into());
        }
        let lane_of = lanes_of(service, &lanes, all.clone())?;
        in_order(&arrived.numbers, &lane_of, "nothing failed")?;

        let settings = Settings { ordering: Some(Ordering::PerLane), ..run::settings(service) };
        let (sink, log) = run::sink(service, settings)?;
        let fails = service.cause(Trouble::Unavailable).await;
        run::write(service, &sink, first.end..all.end).await?;
        if fails.is_ok() {
            let has_failed = |call: &Call| matches!(call.said, Said::RetryAll(_));
            run::met::<S>(&sink, &log, |calls| calls.iter().any(has_failed)).await;
            service.calm().await;
        }
        run::close::<S>(&sink, &log).await?;
        let arrived = run::arrived_once(service, &log, all).await?;
        if fails.is_ok() && log.calls().iter().all(|call| call.said == Said::Delivered) {
            return Err(run::trouble_did_not_show("a request was to fail as a whole", &log));
        }
        in_order(&arrived.numbers, &lane_of, "`ordering` is `per_lane`")?;
        Ok(match fails {
            Ok(()) => "kept, after a failure too".to_owned(),
            Err(cannot) => format!("kept; not tried after a failure: {cannot}"),
        })
    })
    .await
}

/// The lane of an entry is the same each time, whatever was asked before.
pub async fn lanes<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let mut count = 0;
        for ordering in [Ordering::None, Ordering::PerLane] {
            let destination = service.destination(ordering);
            let before = lanes_of(service, &destination, 1..200)?;
            // The same entries made anew, asked for in another order.
            for number in (1..200).rev() {
                let lane = destination.lane(&run::entry(service, number)?);
                if before.get(&number) != Some(&lane) {
                    return Err(Stop::broken(
                        "an entry's lane is the same each time",
                        format!("entry {number} was in {:?}, and then in {lane:?}", before[&number]),
                        "`Destination::lane`: a function of the entry, or of what `send` has learnt",
                    ));
                }
            }
            let mut lanes: Vec<_> = before.into_values().collect();
            lanes.sort_unstable();
            lanes.dedup();
            count = count.max(lanes.len());
        }
        Ok(format!("{count} of 199 entries"))
    })
    .await
}

/// The same batch gives the same request each time: built twice and sent twice, it arrives twice,
/// in the same order.
pub async fn build_request_is_pure<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let destination = service.destination(Ordering::None);
        let numbers = run::numbers(service, 1);
        let entries = numbers.clone().map(|number| run::entry(service, number));
        let batch = OwnedBatch::new(entries.collect::<Result<Vec<_>, _>>()?);
        let requests = [(); 2].map(|()| destination.build_request(&batch.as_batch()));
        drop(batch);
        let sent = run::batch_size(service);
        for request in requests {
            let outcome = destination.extract_failures(destination.send(request).await, sent);
            if !matches!(outcome, Outcome::Delivered) {
                return Err(impure(format!("a request built twice was answered with {outcome:?}")));
            }
        }
        let arrived = run::arrived_all(service, numbers.clone()).await?;
        let mut seen = arrived.numbers;
        let mut expected: Vec<_> = numbers.clone().chain(numbers).collect();
        seen.sort_unstable();
        expected.sort_unstable();
        if seen == expected {
            return Ok("built twice, it is the same request".to_owned());
        }
        Err(impure(format!("sent twice, {} arrived", run::some(&seen))))
    })
    .await
}

fn impure(seen: String) -> Stop {
    Stop::broken(
        "the same batch gives the same request each time",
        seen,
        "`build_request`: a function of the batch alone, with no counters and nothing taken",
    )
}

/// An answer to two entries says nothing of a third, and is not the answer to one.
pub async fn silence_is_not_success<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        if !service.answers_per_entry() {
            return Err(Stop::NotTried("an answer speaks of its request as a whole".to_owned()));
        }
        if service.limits().max_batch_size < 2 {
            return Err(Stop::NotTried("a request has one entry".to_owned()));
        }
        let destination = service.destination(Ordering::None);
        for claimed in [3, 1] {
            let entries = vec![run::entry(service, 1)?, run::entry(service, 2)?];
            let request = destination.build_request(&OwnedBatch::new(entries).as_batch());
            let outcome = destination.extract_failures(destination.send(request).await, claimed);
            if !matches!(outcome, Outcome::RetryAll(..)) {
                return Err(Stop::broken(
                    "an answer of the wrong length is no success, for no entry",
                    format!("the answer to 2 entries, taken for that to {claimed}: {outcome:?}"),
                    "`extract_failures`: give `Outcome::per_entry` one verdict for each result of \
                     the answer, with no `zip` and no `take`; `Service::answers_per_entry`, where \
                     there are no such results",
                ));
            }
        }
        Ok("an answer of another length is not believed".to_owned())
    })
    .await
}

fn lanes_of<S: Service>(
    service: &S,
    destination: &S::Destination,
    numbers: Range<u64>,
) -> Result<HashMap<u64, Lane>, Stop> {
    numbers.map(|number| Ok((number, destination.lane(&run::entry(service, number)?)))).collect()
}

fn in_order(numbers: &[u64], lane_of: &HashMap<u64, Lane>, when: &str) -> Result<(), Stop> {
    let mut last = HashMap::new();
    for number in numbers {
        let before = last.insert(lane_of.get(number), *number).unwrap_or(0);
        if before > *number {
            return Err(Stop::broken(
                "the entries of a lane arrive in the order in which they were written",
                format!("{number} arrived after {before}, though {when}"),
                "`build_request`: the entries in the order of the batch; `Destination::lane`; \
                 `Service::arrived`, where the service does not tell the order",
            ));
        }
    }
    Ok(())
}
