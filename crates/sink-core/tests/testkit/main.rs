//! The conformance suite finds what is wrong with a connector, and nothing wrong with a good one.
//!
//! Each connector is wrong in one way, and breaks the checks that stand beside it and no others.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

mod item;
mod memory;

use std::collections::BTreeSet;

use sink_core::testkit::{self, Finding, Report};

use self::{item::Wrong, memory::Memory};

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

/// What is wrong, the checks that it breaks, and words that the first one of them must say.
type Case = (Wrong, &'static [&'static str], &'static str);

const PER_ENTRY: &[Case] = &[
    (Wrong::TrustsTheFailedCount, PARTIAL, "3 of 30 never arrived: number 2, 5, 8"),
    (Wrong::MixesUpPositions, PARTIAL, "each entry's own verdict at its own position"),
    (Wrong::RetriesAllOfAPartialFailure, PARTIAL, "number 1, 3, 4, 6, 7, 9, 10 arrived more than"),
    (Wrong::TakesThrottledEntriesForUnavailable, &["partial_throttling"], "0 count as such and 3"),
    (Wrong::TakesThrottledForUnavailable, &["throttling"], "told of 0 throttled entries"),
    (Wrong::TakesUnavailableForDelivered, &["unavailable", "order"], "10 of 30 never arrived"),
    (Wrong::TakesUnavailableForFatal, &["unavailable", "order"], "stops only for what no retry"),
    (Wrong::RetriesByItself, &["unavailable", "order"], "a client that retries by itself"),
    (Wrong::TakesFatalForDelivered, &["fatal_errors"], "10 sent: delivered; 10 sent: delivered"),
    (Wrong::TakesFatalForUnavailable, &["fatal_errors"], "10 sent: all unavailable"),
    (Wrong::TakesFatalForRejected, &["fatal_errors"], "10 sent: all rejected"),
    (Wrong::TakesSilenceForDelivered, &["timeouts"], "never arrived"),
    (Wrong::FillsUpShortAnswers, &["short_answers", "silence_is_not_success"], "no `zip`"),
    (Wrong::CutsLongAnswers, &["long_answers", "silence_is_not_success"], "no `take`"),
    (Wrong::TakesBadForDelivered, &["bad_entry"], "rejected none, bad number 3, 10, 17"),
    (Wrong::TakesBadForUnavailable, &["bad_entry"], "and not sent for ever"),
    (Wrong::ForgetsTheKeyInTheSize, &["size_accounting", "record_size"], "what the service meters"),
    (
        Wrong::CountsAByteTooMuch,
        &["size_accounting", "batch_bytes", "record_size"],
        "`Entry::size_bytes`",
    ),
    (
        Wrong::TakesRefusalOfSizeForDelivered,
        &["beyond_batch_size", "beyond_batch_bytes", "beyond_record_size"],
        "a refusal is no delivery",
    ),
    (Wrong::Reverses, &["order"], "7 arrived after 10, though nothing failed"),
    (Wrong::ChangesLanes, &["lanes", "snapshot_round_trip"], "entry 199 was in Lane(199)"),
    (Wrong::BuildsFromWhatIsPending, &["build_request_is_pure"], "number 1, 2, 2, 2, 3, 3"),
    (
        Wrong::LosesBytesInSnapshots,
        &["snapshot_round_trip"],
        "(2, 11, Lane(2)) came back as (2, 10",
    ),
    (
        Wrong::PanicsAtShortSnapshots,
        &["snapshot_round_trip"],
        "the first 3 of 9 bytes make it panic",
    ),
];

/// What only a service shows that takes or refuses a request as a whole.
const WHOLE: &[Case] = &[
    (Wrong::RejectsTheWholeRequestForABadEntry, &["bad_entry"], "`Outcome::Bisect`"),
    (Wrong::TakesBadForDelivered, &["bad_entry"], "rejected none, bad number 3, 10, 17"),
    (Wrong::TakesBadForUnavailable, &["bad_entry"], "and not sent for ever"),
];

const PARTIAL: &[&str] = &["partial_throttling", "partial_failure", "bad_entry"];

/// Exactly these checks are broken, and the first of them says so.
fn assert_breaks(report: &Report, what: &str, checks: &[&str], words: &str) {
    let expected: BTreeSet<_> = checks.iter().copied().collect();
    assert_eq!(BTreeSet::from_iter(report.broken()), expected, "{what}\n{report}");
    let said = said(report, checks[0]);
    assert!(said.contains(words), "{what}: `{words}` is missing in: {said}");
}

#[tokio::test(start_paused = true)]
async fn each_wrong_connector_breaks_its_checks_and_no_others() {
    for (wrong, checks, words) in PER_ENTRY {
        let report = run::<0>(*wrong, false).await;
        assert_breaks(&report, &format!("{wrong:?}"), checks, words);
    }
    for (wrong, checks, words) in WHOLE {
        let report = run::<0>(*wrong, true).await;
        assert_breaks(&report, &format!("{wrong:?}, of all or nothing"), checks, words);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_one_too_high_or_too_low_is_found() {
    for (report, check, words) in [
        (run::<1>(Wrong::Nothing, false).await, "batch_size", "21 entries"),
        (run::<2>(Wrong::Nothing, false).await, "beyond_batch_size", "20 entries in one request"),
        (run::<3>(Wrong::Nothing, false).await, "batch_bytes", "2001 bytes"),
        (run::<4>(Wrong::Nothing, false).await, "beyond_batch_bytes", "2000 bytes"),
        (run::<5>(Wrong::Nothing, false).await, "record_size", "301 bytes"),
        (run::<6>(Wrong::Nothing, false).await, "beyond_record_size", "300 bytes"),
    ] {
        assert_breaks(&report, check, &[check], words);
        assert!(said(&report, check).contains("`Destination::LIMITS`"), "{report}");
    }
}

/// Who stores twice breaks nearly everything; the first line of the report says what to mend.
#[tokio::test(start_paused = true)]
async fn who_stores_twice_has_no_good_day() {
    for wrong in [Wrong::SendsTwice, Wrong::TakesDeliveredForUnavailable] {
        let report = run::<0>(wrong, false).await;
        assert_eq!(report.broken()[0], "good_day", "{wrong:?}\n{report}");
        let said = said(&report, "good_day");
        assert!(said.contains("number 1, 2, 3, 4, 5, 6, 7, 8 … arrived more than once"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_check_is_broken_by_some_connector() {
    let limits = ["batch_size", "batch_bytes", "record_size"];
    let beyond = ["beyond_batch_size", "beyond_batch_bytes", "beyond_record_size"];
    let of_cases = PER_ENTRY.iter().chain(WHOLE).flat_map(|(_, checks, _)| checks.iter().copied());
    let broken: BTreeSet<_> = of_cases.chain(limits).chain(beyond).chain(["good_day"]).collect();
    let report = run::<0>(Wrong::Nothing, false).await;
    let all: BTreeSet<_> = report.findings().map(|(check, _)| check).collect();
    assert_eq!(broken, all);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_never_ends_is_broken() {
    let memory = Memory::<0>::new(Wrong::NeverArrives, false);
    let Finding::Broken(broken) = testkit::good_day(&memory).await else { panic!("not broken") };
    assert_eq!(broken.seen(), "the check had not ended after 60s");
}

#[tokio::test(start_paused = true)]
async fn without_snapshots_that_check_is_not_tried() {
    let report = testkit::all(|| async { Memory::<0>::new(Wrong::Nothing, false) }).await;
    report.assert_conforms(&["snapshot_round_trip"]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "not tried are [\"snapshot_round_trip\"], expected []")]
async fn a_check_that_goes_untried_is_noticed() {
    testkit::all(|| async { Memory::<0>::new(Wrong::Nothing, false) }).await.assert_conforms(&[]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the connector does not conform")]
async fn a_broken_rule_fails_the_test() {
    run::<0>(Wrong::Reverses, false).await.assert_conforms(&[]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "BROKEN: the entries of a lane arrive in the order")]
async fn one_check_alone_fails_the_test() {
    testkit::order(&Memory::<0>::new(Wrong::Reverses, false)).await.assert_not_broken();
}
