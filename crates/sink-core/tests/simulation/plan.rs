//! What a seed decides before the day begins.

use std::time::Duration;

use fastrand::Rng;
use sink_core::{Ordering, Settings};

use crate::{
    limiter::Limiter,
    weather::Weather,
    world::{Item, Quality},
};

#[derive(Debug)]
pub(crate) struct Plan {
    /// What is to be written, by id. Written again after a crash, an element is the same.
    pub(crate) items: Vec<Item>,
    pub(crate) weather: Weather,
    pub(crate) in_order: bool,
    pub(crate) limiter: Limiter,
    /// How often the process dies.
    pub(crate) deaths: usize,
    /// Whether two sinks share the work until the first death.
    pub(crate) two_sinks: bool,
    /// Whether the destination refuses some entries for good.
    pub(crate) has_bad_items: bool,
    max_attempts: bool,
    max_age: bool,
    pub(crate) stuck: Option<Stuck>,
}

/// A lane that is throttled without end, on an otherwise fine day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stuck {
    pub(crate) lane: u64,
    pub(crate) until_ms: u64,
}

impl Plan {
    pub(crate) fn new(random: &mut Rng) -> Self {
        let in_order = random.u8(0..100) < 40;
        let stuck = (random.u8(0..100) < 12).then_some(Stuck { lane: 1, until_ms: 30_000 });
        let bad = if stuck.is_none() && random.bool() { random.u8(0..8) } else { 0 };
        let few_lanes = random.u64(2..6);
        // A lane in order takes one entry a round trip: fewer entries where there are few lanes.
        let most = if in_order && stuck.is_none() { 120 } else { 250 };
        let elements = if stuck.is_some() { random.u64(200..300) } else { random.u64(20..most) };
        let lanes = match random.u8(0..3) {
            _ if stuck.is_some() => few_lanes,
            0 => 0,
            1 => few_lanes,
            _ => elements / random.u64(1..6),
        };
        let items: Vec<_> = (0..elements)
            .map(|id| Item {
                id,
                size: random.usize(0..=100),
                lane: match lanes {
                    0 => 0,
                    few if few == few_lanes => random.u64(1..=few),
                    // Lanes that come and go.
                    many => id * many / elements + random.u64(1..3),
                },
                quality: match random.u8(0..100) {
                    dice if dice < bad / 2 => Quality::Refused,
                    dice if dice < bad => Quality::Spoils,
                    _ => Quality::Good,
                },
            })
            .collect();
        let limiter = match random.u8(0..6) {
            0..3 => Limiter::Default,
            3 => Limiter::Flink,
            4 => Limiter::Tokens(random.u64(20..2000)),
            _ => Limiter::Unlimited,
        };
        Self {
            weather: match stuck {
                Some(stuck) => Weather::stuck_lane(random, stuck.lane, stuck.until_ms),
                None => Weather::new(random, lanes.min(20)),
            },
            in_order,
            limiter,
            deaths: if stuck.is_some() { 0 } else { random.usize(0..4) },
            two_sinks: lanes > 0 && stuck.is_none() && random.u8(0..100) < 30,
            has_bad_items: items.iter().any(|item| item.quality != Quality::Good),
            max_attempts: stuck.is_none() && random.u8(0..100) < 20,
            max_age: stuck.is_none() && random.u8(0..100) < 20,
            items,
            stuck,
        }
    }

    /// Settings of one life: nobody says that a process comes back with the same.
    pub(crate) fn settings(&self, random: &mut Rng) -> Settings {
        let ms = Duration::from_millis;
        let mut settings = Settings::default();
        let batch = random.usize(1..=20);
        settings.max_batch_size = Some(batch);
        settings.max_batch_size_in_bytes = Some(random.usize(100..2000));
        settings.max_record_size_in_bytes = Some(100);
        settings.max_in_flight_requests = Some(random.usize(1..=6));
        settings.max_buffered_requests = Some(batch + random.usize(0..100));
        settings.max_buffered_bytes = Some(2000 + random.usize(0..10_000));
        settings.max_time_in_buffer = Some(ms(random.u64(1..1000)));
        settings.request_timeout = Some(ms(random.u64(50..1000)));
        settings.retry_initial_delay = Some(ms(random.u64(1..50)));
        settings.retry_max_delay = Some(ms(random.u64(50..2000)));
        if self.in_order {
            settings.ordering = Some(Ordering::PerLane);
        }
        if self.max_attempts {
            settings.max_attempts = Some(random.u32(1..15));
        }
        if self.max_age {
            settings.max_age = Some(ms(random.u64(10..20_000)));
        }
        if self.stuck.is_some() {
            // A lane may always hold one full request: the others need room beside it.
            settings.max_buffered_requests = Some(2 * batch + random.usize(2..60));
            settings.max_buffered_bytes = Some(4200 + random.usize(0..10_000));
            settings.request_timeout = Some(ms(1000));
        }
        settings
    }

    /// What the day's history should say of it.
    pub(crate) fn story(&self) -> String {
        let order = if self.in_order { "in order" } else { "in any order" };
        let stuck = if self.stuck.is_some() { ", a lane is stuck" } else { "" };
        format!("{} elements {order}, limiter {:?}{stuck}", self.items.len(), self.limiter)
    }
}
