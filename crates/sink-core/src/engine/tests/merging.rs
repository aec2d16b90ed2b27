//! Entries that are merged while they wait.

use super::{history::invalid, *};
use crate::engine::{Counters, Load};

const MS: Duration = Duration::from_millis(1);

impl Bench {
    /// Pushes an entry with a name, and gives its number.
    fn push_named(&mut self, lane: Lane, size: usize, name: u64) -> u64 {
        self.push_item(lane, size, |item| item.name = name)
    }

    fn push_item(&mut self, lane: Lane, size: usize, change: impl FnOnce(&mut Item)) -> u64 {
        let mut item = Item::new(self.engine.last_sequence + 1, size);
        change(&mut item);
        let key = item.key();
        let sequence = self.engine.push_keyed(item, size, lane, key, false, self.now);
        self.engine.check_all();
        sequence
    }

    /// What is unsent: each entry with what it has taken in.
    fn groups(&self) -> Vec<Vec<u64>> {
        self.engine.unsent().into_iter().map(|item| item.numbers().collect()).collect()
    }

    /// The same of what a request carries.
    fn sent(&self, id: RequestId) -> Vec<Vec<u64>> {
        self.engine.batch(id).expect("in flight").iter().map(|i| i.numbers().collect()).collect()
    }

    fn counters(&self) -> Counters {
        self.engine.stats(self.now).counters
    }

    /// What is given back to the budget, its lanes' part with it.
    fn given_back(&mut self) -> (Load, Vec<(Lane, usize)>) {
        let mut lanes = Vec::new();
        let settled = self.engine.take_settled(&mut lanes);
        (settled, lanes)
    }
}

fn load(entries: usize, bytes: usize) -> Load {
    Load { entries, bytes }
}

#[test]
fn what_has_one_name_becomes_one_entry() {
    let mut bench = Bench::new(config());
    for name in [1, 2, 1, 1, 2] {
        bench.push_named(Lane::SHARED, 4, name);
    }
    // Names 1 and 3 have the same key, and nothing else in common.
    bench.push_named(Lane::SHARED, 4, 3);
    assert_eq!(bench.groups(), [vec![1, 3, 4], vec![2, 5], vec![6]]);
    assert_eq!(bench.engine.unsettled(), load(3, 8 + 6 + 4));
    assert_eq!(bench.counters().admitted, load(6, 24));
    assert_eq!(bench.counters().merged, load(3, 6), "each left 2 bytes of its 4");
    assert_eq!(bench.given_back(), (load(3, 6), vec![]), "all at once");

    bench.engine.start_flush();
    let (id, numbers) = bench.request();
    assert_eq!(numbers, [1, 2, 6]);
    assert_eq!(bench.engine.batch(id).unwrap().size_bytes(), 18);
    bench.answer(id, Outcome::Delivered);
    assert_eq!(bench.counters().delivered, load(3, 18), "as they were sent");
    assert_eq!(bench.given_back(), (load(3, 18), vec![]));
    assert_eq!(bench.engine.settled_up_to(), 6);
}

#[test]
fn the_mark_passes_a_merged_entry_when_its_host_is_settled() {
    let mut bench = Bench::new(EngineConfig { max_batch_size: 1, ..config() });
    bench.push_named(Lane::SHARED, 1, 1); // 1
    bench.push_named(Lane::SHARED, 1, 2); // 2
    bench.push_named(Lane::SHARED, 1, 2); // 3, into 2
    bench.push_named(Lane::SHARED, 1, 1); // 4, into 1
    bench.push_named(Lane::SHARED, 1, 4); // 5
    let (first, second, third) = (bench.request(), bench.request(), bench.request());
    assert_eq!([first.1, second.1, third.1], [[1], [2], [5]]);
    bench.answer(second.0, Outcome::Delivered);
    assert_eq!(bench.engine.settled_up_to(), 0, "1 is not settled, and 4 is in it");
    bench.answer(third.0, Outcome::Delivered);
    assert_eq!(bench.engine.settled_up_to(), 0);
    bench.answer(first.0, Outcome::Delivered);
    assert_eq!(bench.engine.settled_up_to(), 5);
}

#[test]
fn what_was_sent_takes_nothing_in() {
    type Answer = fn() -> Option<Outcome>;
    let answers: [(&str, Answer); 5] = [
        ("in flight", || None),
        ("waits for its next attempt", || Some(unavailable_all())),
        ("throttled", || Some(Outcome::per_entry(2, [throttled(), throttled()]))),
        ("halves", || Some(Outcome::Bisect(invalid()))),
        ("rejected", || Some(Outcome::RejectAll(invalid()))),
    ];
    for (what, answer) in answers {
        for lane in [Lane::SHARED, Lane::new(1)] {
            let mut bench = Bench::new(config());
            bench.engine.hand_over_rejected();
            bench.push_named(lane, 1, 1);
            bench.push_named(lane, 1, 2);
            bench.engine.start_flush();
            let (id, _) = bench.request();
            if let Some(outcome) = answer() {
                bench.answer(id, outcome);
            }
            bench.push_named(lane, 1, 1);
            assert_eq!(bench.groups(), [[1], [2], [3]], "{what} {lane:?}");
            bench.advance(2000 * MS);
            bench.push_named(lane, 1, 2);
            assert_eq!(bench.groups(), [[1], [2], [3], [4]], "{what} {lane:?}");
        }
    }
}

#[test]
fn a_host_that_is_full_is_followed_by_another() {
    let mut bench = Bench::new(config());
    for _ in 0..14 {
        bench.push_named(Lane::SHARED, 1, 1);
    }
    let groups: [Vec<u64>; 3] = [(1..=6).collect(), (7..=12).collect(), (13..=14).collect()];
    assert_eq!(bench.groups(), groups);
}

#[test]
fn both_together_may_be_as_large_as_a_record_and_no_larger() {
    let mut bench = Bench::new(config());
    bench.push_named(Lane::SHARED, 20, 1);
    bench.push_named(Lane::SHARED, 20, 1); // 40: as large as a record may be; becomes 30
    bench.push_named(Lane::SHARED, 11, 1); // 41
    assert_eq!(bench.groups(), [vec![1, 2], vec![3]]);
    bench.push_named(Lane::SHARED, 1, 1);
    assert_eq!(bench.groups(), [vec![1, 2], vec![3, 4]], "the newest is asked");
}

#[test]
fn lanes_are_not_mixed() {
    let mut bench = Bench::new(config());
    for lane in [1, 2, 1, 2, 0, 0] {
        bench.push_named(Lane::new(lane), 2, 1);
    }
    assert_eq!(bench.groups(), [[1, 3], [2, 4], [5, 6]]);
    let lanes = vec![(Lane::new(1), 1), (Lane::new(2), 1)];
    assert_eq!(bench.given_back(), (load(3, 3), lanes));
}

#[test]
fn in_order_nothing_is_merged() {
    let mut bench = Bench::new(EngineConfig { ordering: Ordering::PerLane, ..config() });
    for _ in 0..3 {
        bench.push_named(Lane::new(1), 1, 1);
    }
    assert_eq!(bench.groups(), [[1], [2], [3]]);
    assert_eq!(bench.drain(), [1, 2, 3]);
}

#[test]
fn a_tracked_entry_is_never_taken_in_and_may_take_others_in() {
    let mut bench = Bench::new(config());
    bench.push_named(Lane::SHARED, 1, 1);
    let (now, item) = (bench.now, Item { name: 1, ..Item::new(2, 1) });
    bench.engine.push_keyed(item, 1, Lane::SHARED, 1, true, now);
    bench.push_named(Lane::SHARED, 1, 1);
    assert_eq!(bench.groups(), [vec![1], vec![2, 3]]);
    bench.drain();
    let told: Vec<_> = bench.engine.take_settled_tracked().map(|(n, _)| n).collect();
    assert_eq!(told, [2]);
}

#[test]
fn what_has_no_key_takes_no_part() {
    let mut bench = Bench::new(config());
    bench.push(Lane::SHARED, 1);
    assert!(!bench.engine.may_merge());
    bench.push_named(Lane::SHARED, 1, 0);
    bench.push(Lane::SHARED, 1);
    bench.push_named(Lane::SHARED, 1, 0);
    assert!(bench.engine.may_merge());
    assert_eq!(bench.groups(), [vec![1], vec![2, 4], vec![3]]);
}

#[test]
fn a_host_goes_when_its_own_time_is_up() {
    let mut bench = Bench::new(config());
    bench.push_named(Lane::SHARED, 1, 1);
    bench.advance(4999 * MS);
    bench.push_named(Lane::SHARED, 1, 1);
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.engine.poll_timeout(), Some(bench.now + MS));
    bench.advance(MS);
    let (id, _) = bench.request();
    assert_eq!(bench.sent(id), [[1, 2]]);
}

#[test]
fn a_host_is_given_up_by_its_own_age_with_all_that_it_holds() {
    let mut bench = Bench::new(EngineConfig { max_age: Some(6000 * MS), ..config() });
    bench.engine.hand_over_rejected();
    bench.push_named(Lane::SHARED, 2, 1);
    bench.advance(4000 * MS);
    bench.push_named(Lane::SHARED, 2, 1);
    bench.advance(2000 * MS);
    let (id, _) = bench.request();
    bench.answer(id, unavailable_all());
    assert_eq!(bench.engine.poll_rejected(), Some(1));
    let rejected = bench.engine.rejected_entry(1).unwrap();
    assert_eq!(rejected.entry.numbers().collect::<Vec<_>>(), [1, 2]);
    assert_eq!((rejected.reason.code(), bench.engine.settled_up_to()), ("MaxAge", 0));
    bench.engine.handle_dead_letter(1, Ok(()));
    assert_eq!(bench.counters().rejected, load(1, 3));
    assert_eq!(bench.engine.settled_up_to(), 2);
}

#[test]
fn a_merge_that_panics_stops_the_engine_with_its_books_in_order() {
    let mut bench = Bench::new(config());
    bench.push_named(Lane::SHARED, 3, 1);
    bench.push_item(Lane::SHARED, 3, |item| (item.name, item.quirk) = (1, Quirk::Panics));
    let says = bench.engine.fatal().expect("stopped").to_string();
    assert!(says.starts_with("merge: merging entry 2 into entry 1: "), "{says}");
    assert!(says.contains("told to panic"), "{says}");
    bench.push_named(Lane::SHARED, 3, 1);
    assert_eq!(bench.groups(), [[1], [3]], "nothing more is merged");
    assert_eq!(bench.engine.settled_up_to(), 0, "neither is said to be settled");
    assert_eq!((bench.engine.last_sequence(), bench.poll()), (3, None));
}

#[test]
fn a_merge_that_grows_beyond_both_stops_the_engine_which_keeps_both() {
    let mut bench = Bench::new(config());
    bench.push_named(Lane::SHARED, 3, 1);
    bench.push_item(Lane::SHARED, 4, |item| (item.name, item.quirk) = (1, Quirk::Grows));
    assert_eq!(
        bench.engine.fatal().expect("stopped").to_string(),
        "merge: merging entry 2 into entry 1: the connector made one of 8 bytes of 3 and 4; it may \
         be no larger than both together, 7; the entries are kept"
    );
    assert_eq!(bench.groups(), [[1, 2]]);
    assert_eq!(bench.engine.unsettled(), load(1, 7));
}

#[test]
fn a_lane_that_gets_a_pace_loses_its_hosts_and_the_others_go_on() {
    let lane = Lane::new(1);
    let mut bench = Bench::new(config());
    for _ in 0..4 {
        bench.push(lane, 1);
    }
    let (id, _) = bench.request();
    bench.push_named(lane, 1, 1);
    bench.push_named(Lane::new(2), 1, 1);
    bench.answer(id, Outcome::per_entry(4, (0..4).map(|_| throttled())));
    bench.engine.check_all();
    bench.push_named(lane, 1, 1);
    bench.push_named(Lane::new(2), 1, 1);
    bench.push_named(Lane::new(2), 1, 1);
    assert_eq!(bench.groups()[4..], [vec![5], vec![6], vec![7], vec![8, 9]]);
}

#[test]
fn what_is_known_of_hosts_is_bounded_by_what_waits() {
    let mut bench = Bench::new(config());
    for name in 0..10_000 {
        bench.push_named(Lane::SHARED, 1, 2 * name); // one key, and nothing to merge
        bench.push_named(Lane::SHARED, 1, 2 * name + 1);
        while let Some(id) = bench.poll() {
            bench.answer(id, Outcome::Delivered);
        }
        bench.engine.check_all(); // no more hosts than fresh entries
    }
    bench.drain();
    bench.engine.check_all();
}
