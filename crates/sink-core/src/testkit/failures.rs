//! Checks of what goes wrong for a while: everything arrives, and only what failed is sent again.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    outcome::Cause,
    rate_limit::CongestionControl,
    settings::Settings,
    testkit::{
        report::{Finding, Stop},
        run,
        service::{Service, Trouble},
        watched::{Call, Heard, Log, Said, Told},
    },
};

/// With no trouble, each entry arrives exactly once, in full requests.
pub async fn good_day<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let (sink, log) = run::sink(service, run::settings(service))?;
        let numbers = run::numbers(service, 3);
        run::write(service, &sink, numbers.clone()).await?;
        let counters = run::close::<S>(&sink, &log).await?;
        run::arrived_once(service, &log, numbers.clone()).await?;
        if counters.failed_requests > 0 {
            return Err(Stop::broken(
                "on a good day nothing fails",
                run::told(&log.calls()),
                "`extract_failures`: success that it takes for failure; or the service",
            ));
        }
        Ok(format!("{} entries in {} requests", counters.delivered.entries, counters.requests))
    })
    .await
}

/// Of a request of which some entries are throttled, those are sent again, and no others.
pub async fn partial_throttling<S: Service>(service: &S) -> Finding {
    run::bounded(service, partial(service, Trouble::ThrottleSome)).await
}

/// Of a request of which some entries fail, those are sent again, and no others.
pub async fn partial_failure<S: Service>(service: &S) -> Finding {
    run::bounded(service, partial(service, Trouble::FailSome)).await
}

/// A request that fails as a whole is sent again.
pub async fn unavailable<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let (sink, log) = run::sink(service, run::settings(service))?;
        let is_shown = |calls: &[Call]| {
            matches!(first(calls), Some(Said::RetryAll(Cause::Unavailable | Cause::Timeout)))
        };
        let seen = through(service, &sink, &log, Trouble::Unavailable, 3, is_shown).await?;
        run::arrived_once(service, &log, run::numbers(service, 3)).await?;
        seen.then(|| "all of it was sent again, once".to_owned())
            .ok_or_else(|| run::trouble_did_not_show("a request was to fail as a whole", &log))
    })
    .await
}

/// When the service asks for less, the rate limiter hears of it and allows less.
pub async fn throttling<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let heard = Arc::new(Mutex::new(Told::default()));
        let batch = run::batch_size(service);
        let window = CongestionControl::new(batch, 4);
        let (builder, log) = run::builder(service, run::settings(service));
        let limiter = Heard { window, heard: Arc::clone(&heard) };
        let sink = run::build::<S>(builder.rate_limiter(limiter))?;
        if service.cause(Trouble::Throttle).await.is_err() {
            service.cause(Trouble::ThrottleSome).await?;
        }
        let is_shown = |calls: &[Call]| first(calls).is_some_and(|said| said != Said::Delivered);
        under(service, &sink, &log, 3, is_shown).await?;
        run::arrived_once(service, &log, run::numbers(service, 3)).await?;
        let told = *heard.lock().unwrap_or_else(PoisonError::into_inner);
        let smallest = told.smallest_window.unwrap_or(batch);
        if told.throttled == 0 || (smallest >= batch && batch > 1) {
            return Err(Stop::broken(
                "when the service asks for less, the rate limiter allows less",
                format!(
                    "the limiter was told of {} throttled entries, and its window of {batch} \
                     became {smallest}; the calls: {}",
                    told.throttled,
                    run::told(&log.calls())
                ),
                "the table of codes: what means \"too many\" is `Cause::Throttled`",
            ));
        }
        Ok(format!("{} throttled, the window of {batch} became {smallest}", told.throttled))
    })
    .await
}

/// An answer that speaks of fewer entries than were sent is no success.
pub async fn short_answers<S: Service>(service: &S) -> Finding {
    run::bounded(service, wrong_length(service, Trouble::AnswerTooShort)).await
}

/// An answer that speaks of more entries than were sent is no success.
pub async fn long_answers<S: Service>(service: &S) -> Finding {
    run::bounded(service, wrong_length(service, Trouble::AnswerTooLong)).await
}

/// A request that is never answered is given up and sent again.
pub async fn timeouts<S: Service>(service: &S) -> Finding {
    run::bounded(service, async {
        let timeout = service.request_timeout();
        let settings = Settings { request_timeout: Some(timeout), ..run::settings(service) };
        let (sink, log) = run::sink(service, settings)?;
        let is_shown =
            |calls: &[Call]| matches!(first(calls), Some(Said::GivenUp | Said::RetryAll(_)));
        let seen = through(service, &sink, &log, Trouble::Silence, 2, is_shown).await?;
        run::arrived_all(service, run::numbers(service, 2)).await?;
        seen.then(|| format!("no answer within {timeout:?}, and nothing is lost")).ok_or_else(
            || {
                Stop::broken(
                    "a request that is not answered is not delivered",
                    run::told(&log.calls()),
                    "`send`: a time-out of its own must be an error; `extract_failures`; or \
                 `Service::cause`, which must keep silent for longer than \
                 `Service::request_timeout`",
                )
            },
        )
    })
    .await
}

async fn partial<S: Service>(service: &S, trouble: Trouble) -> Result<String, Stop> {
    if run::batch_size(service) < 2 {
        return Err(Stop::NotTried("a request has one entry: no part of it can fail".to_owned()));
    }
    let (sink, log) = run::sink(service, run::settings(service))?;
    let is_partial = |call: &Call| matches!(call.said, Said::PerEntry { .. });
    let is_shown = |calls: &[Call]| calls.iter().any(is_partial);
    let seen = through(service, &sink, &log, trouble, 3, is_shown).await?;
    run::arrived_once(service, &log, run::numbers(service, 3)).await?;
    if !seen {
        return Err(run::trouble_did_not_show("some entries of a request were to fail", &log));
    }
    let (mut throttled, mut failed) = (0, 0);
    for call in log.calls() {
        if let Said::PerEntry { throttled: more, failed: others, .. } = call.said {
            throttled += more;
            failed += others;
        }
    }
    let (expected, other, name) = match trouble {
        Trouble::ThrottleSome => (throttled, failed, "throttled"),
        _ => (failed, throttled, "unavailable"),
    };
    if expected == 0 || other > 0 {
        return Err(Stop::broken(
            "an entry that failed is sent again for the cause that the service gave",
            format!("of entries that were {name}, {expected} count as such and {other} do not"),
            "the table of codes of single entries: `Cause::Throttled` or `Cause::Unavailable`",
        ));
    }
    Ok(format!("{expected} {name} and sent again, no others"))
}

async fn wrong_length<S: Service>(service: &S, trouble: Trouble) -> Result<String, Stop> {
    if !service.answers_per_entry() {
        return Err(Stop::NotTried("an answer speaks of its request as a whole".to_owned()));
    }
    let (sink, log) = run::sink(service, run::settings(service))?;
    let is_shown = |calls: &[Call]| matches!(first(calls), Some(Said::RetryAll(_)));
    let seen = through(service, &sink, &log, trouble, 2, is_shown).await?;
    run::arrived_all(service, run::numbers(service, 2)).await?;
    seen.then(|| "the whole request was sent again".to_owned()).ok_or_else(|| {
        Stop::broken(
            "an answer of the wrong length is no success, for no entry",
            run::told(&log.calls()),
            "`extract_failures`: give `Outcome::per_entry` one verdict for each result of the \
             answer, with no `zip` and no `take`; or `Service::cause`",
        )
    })
}

/// Writes under this trouble until it has shown, then lets everything through. Gives whether it
/// has shown.
async fn through<S: Service>(
    service: &S,
    sink: &run::TestSink<S>,
    log: &Log,
    trouble: Trouble,
    requests: usize,
    is_shown: impl Fn(&[Call]) -> bool + Send + Sync,
) -> Result<bool, Stop> {
    service.cause(trouble).await?;
    under(service, sink, log, requests, is_shown).await
}

/// The same, when the trouble is there already.
async fn under<S: Service>(
    service: &S,
    sink: &run::TestSink<S>,
    log: &Log,
    requests: usize,
    is_shown: impl Fn(&[Call]) -> bool + Send + Sync,
) -> Result<bool, Stop> {
    run::write(service, sink, run::numbers(service, requests)).await?;
    // A trouble that the connector takes for something else would be waited for in vain.
    run::met::<S>(sink, log, |calls| is_shown(calls) || calls.len() >= 10).await;
    service.calm().await;
    run::close::<S>(sink, log).await?;
    Ok(is_shown(&log.calls()))
}

fn first(calls: &[Call]) -> Option<Said> {
    calls.first().map(|call| call.said)
}
