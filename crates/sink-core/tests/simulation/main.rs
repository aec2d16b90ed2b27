//! Seeded simulation of handle and driver against a hostile destination, on paused time.
//!
//! `SINK_SEED=17 cargo test -p sink-core --test simulation` replays one seed and prints its
//! history; `SINK_SEEDS=10000` runs that many instead of 300.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::print_stdout, clippy::print_stderr)] // and speaks by printing

mod destination;
mod scenario;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Runs a seed twice, and tells which one it was if it fails.
fn check(seed: u64) -> scenario::Report {
    let run = || {
        catch_unwind(AssertUnwindSafe(|| scenario::run(seed))).unwrap_or_else(|panic| {
            eprintln!("this was seed {seed}; replay it with SINK_SEED={seed}");
            resume_unwind(panic)
        })
    };
    let report = run();
    assert!(report == run(), "seed {seed} gave two histories: the simulation is not deterministic");
    report
}

#[test]
fn whatever_happens_nothing_is_lost_and_one_seed_gives_one_history() {
    if let Some(seed) = number("SINK_SEED") {
        let report = check(seed);
        println!("{}", report.history.join("\n"));
        println!("{} written, {} duplicates", report.written, report.duplicates);
        return;
    }
    let reports: Vec<_> = (0..number("SINK_SEEDS").unwrap_or(300)).map(check).collect();
    // The days must really have been bad, or all this proves nothing.
    let share = |word: &str| {
        let days = reports.iter().filter(|r| r.history.iter().any(|event| event.contains(word)));
        days.count() * 100 / reports.len()
    };
    for (event, least) in [
        ("Partial", 20),
        ("ThrottleAll", 10),
        ("Unavailable", 20),
        ("WrongLength", 5),
        ("Never", 5),
        ("AnswerLost", 5),
        ("crash", 20),
        ("gave up writing", 20),
    ] {
        assert!(share(event) >= least, "{event} happened on {} % of the days", share(event));
    }
    assert!(reports.iter().any(|report| report.duplicates > 0), "lost answers make duplicates");
}
