//! The conformance suite finds what is wrong with a connector, and nothing wrong with a good one.
//!
//! Each connector here is wrong in one way, and breaks the checks that stand beside it and no others.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

mod memory;

use std::collections::BTreeSet;

use sink_core::testkit::{self, Finding, Report};

use self::memory::{Memory, Wrong};

async fn run<const OFF: usize>(wrong: Wrong, is_whole: bool) -> Report {
    testkit::all_with_snapshots(|| async move { Memory::<OFF>::new(wrong, is_whole) }).await
}

/// What one check says of a connector.
fn said(report: &Report, check: &str) -> String {
    report.findings().find(|(name, _)| *name == check).unwrap().1.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_good_connector_conforms_and_everything_is_tried() {
    let report = run::<0>(Wrong::Nothing, false).await;
    println!("{report}");
    report.assert_conforms(&[]);
}

#[tokio::test(start_paused = true)]
async fn a_good_connector_to_a_service_that_takes_all_or_nothing_conforms() {
    let report = run::<0>(Wrong::Nothing, true).await;
    println!("{report}");
    report.assert_conforms(&[
        "partial_throttling",
        "partial_failure",
        "short_answers",
        "long_answers",
        "silence_is_not_success",
    ]);
}

/// A connector that is wrong in one way, the checks that this breaks, and words that the first one of
/// them must say.
type Case = (Wrong, &'static [&'static str], &'static str);

const PER_ENTRY: &[Case] = &[
    (Wrong::TrustsTheFailedCount, &[], ""),
    (Wrong::RetriesAllOfAPartialFailure, &[], ""),
    (Wrong::MixesUpPositions, &[], ""),
    (Wrong::ForgetsTheKeyInTheSize, &[], ""),
    (Wrong::CountsAByteTooMuch, &[], ""),
    (Wrong::TakesFatalForDelivered, &[], ""),
    (Wrong::TakesFatalForUnavailable, &[], ""),
    (Wrong::TakesFatalForRejected, &[], ""),
    (Wrong::TakesThrottledForUnavailable, &[], ""),
    (Wrong::TakesThrottledEntriesForUnavailable, &[], ""),
    (Wrong::TakesUnavailableForDelivered, &[], ""),
    (Wrong::TakesUnavailableForFatal, &[], ""),
    (Wrong::TakesRefusalOfSizeForDelivered, &[], ""),
    (Wrong::TakesBadForDelivered, &[], ""),
    (Wrong::TakesBadForUnavailable, &[], ""),
    (Wrong::TakesDeliveredForUnavailable, &[], ""),
    (Wrong::FillsUpShortAnswers, &[], ""),
    (Wrong::CutsLongAnswers, &[], ""),
    (Wrong::RetriesByItself, &[], ""),
    (Wrong::SendsTwice, &[], ""),
    (Wrong::TakesSilenceForDelivered, &[], ""),
    (Wrong::Reverses, &[], ""),
    (Wrong::ChangesLanes, &[], ""),
    (Wrong::BuildsFromWhatIsPending, &[], ""),
    (Wrong::LosesBytesInSnapshots, &[], ""),
    (Wrong::PanicsAtShortSnapshots, &[], ""),
];

const WHOLE: &[Case] = &[
    (Wrong::TakesBadForDelivered, &[], ""),
    (Wrong::TakesBadForUnavailable, &[], ""),
    (Wrong::RejectsTheWholeRequestForABadEntry, &[], ""),
];

#[tokio::test(start_paused = true)]
async fn look() {
    for (cases, is_whole) in [(PER_ENTRY, false), (WHOLE, true)] {
        for (wrong, ..) in cases {
            let report = run::<0>(*wrong, is_whole).await;
            println!("{wrong:?} {:?}", report.broken());
            for check in report.broken() {
                println!("      {check}: {}", said(&report, check));
            }
        }
    }
    for report in [
        run::<1>(Wrong::Nothing, false).await,
        run::<2>(Wrong::Nothing, false).await,
        run::<3>(Wrong::Nothing, false).await,
        run::<4>(Wrong::Nothing, false).await,
        run::<5>(Wrong::Nothing, false).await,
        run::<6>(Wrong::Nothing, false).await,
    ] {
        println!("LIMIT {:?}", report.broken());
        for check in report.broken() {
            println!("      {check}: {}", said(&report, check));
        }
    }
}
