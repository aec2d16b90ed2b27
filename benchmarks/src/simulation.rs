//! Sinks and their producers against a throttled service, in simulated time.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use sink_core::{ConvertError, Error, Settings, Sink};
use tokio::{
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use crate::{
    Result,
    limiters::Limiter,
    recorder::Recorder,
    throttled::{Record, Service, Throttled},
    token_bucket::TokenBucket,
};

/// What the sinks write to, and for how long.
#[derive(Debug)]
pub struct World {
    /// A bucket for each lane; lane 0 is the one of destinations that have only one.
    pub buckets: Vec<(u8, TokenBucket)>,
    /// The share that is refused by chance, whatever the rate.
    pub ill: f64,
    /// Milliseconds to the service, and back again.
    pub one_way: RangeInclusive<u64>,
    /// When to stop.
    pub length: Duration,
    /// One seed gives one history.
    pub seed: u64,
}

/// A running simulation, to be filled with sinks and producers.
#[derive(Debug)]
pub struct Simulation {
    service: Arc<Service>,
    seed: u64,
    sinks: usize,
    /// None ever ends by itself.
    producers: JoinSet<Error>,
}

/// What is written to.
pub type TestSink = Sink<Record, Record>;

/// Kinesis' request size and Flink's defaults. Only entries that nobody writes to fill a request
/// wait for a time: 100 ms, so that a start or a slow lane is not measured in units of 5 s.
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.max_batch_size = Some(500);
    settings.max_in_flight_requests = Some(50);
    settings.max_buffered_requests = Some(10_000);
    settings.max_time_in_buffer = Some(Duration::from_millis(100));
    settings
}

impl Simulation {
    /// A sink with this limiter.
    ///
    /// # Errors
    ///
    /// When it cannot be built with the [`settings`].
    pub fn sink(&mut self, limiter: &Limiter) -> Result<TestSink> {
        let destination = Throttled { service: Arc::clone(&self.service), sink: self.sinks };
        self.sinks += 1;
        let builder = Sink::builder(Ok::<Record, ConvertError>, destination)
            .settings(settings())
            // Retries of several sinks must not go in step.
            .seed(self.seed + self.sinks as u64);
        Ok((limiter.choose)(builder).build()?)
    }

    /// A producer that always has more to write, from this time on.
    pub fn saturate(&mut self, sink: TestSink, from: Duration) {
        self.producers.spawn(async move {
            sleep(from).await;
            loop {
                if let Err(error) = sink.write(Record { lane: 0 }).await {
                    break error;
                }
            }
        });
    }

    /// A producer that offers so many records a second to a lane. When it had to wait it catches
    /// up, as one does that reads from a file or a log.
    pub fn offer(&mut self, sink: TestSink, lane: u8, records_per_second: u32) {
        // A timer for each record would be most of the work, and no truer.
        const RECORDS: u32 = 30;
        self.producers.spawn(async move {
            let mut ticks = interval(RECORDS * Duration::from_secs(1) / records_per_second);
            loop {
                ticks.tick().await;
                for _ in 0..RECORDS {
                    if let Err(error) = sink.write(Record { lane }).await {
                        return error;
                    }
                }
            }
        });
    }
}

/// Runs what `start` puts into the simulation, and gives what the service saw.
///
/// # Errors
///
/// When a sink cannot be built, or fails: then nothing that was measured means anything.
pub fn run(world: World, start: impl FnOnce(&mut Simulation) -> Result<()>) -> Result<Recorder> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let World { buckets, ill, one_way, length, seed } = world;
        let service = Arc::new(Service::new(buckets, one_way, seed).refusing(ill));
        let producers = JoinSet::new();
        let mut simulation =
            Simulation { service: Arc::clone(&service), seed, sinks: 0, producers };
        start(&mut simulation)?;
        match timeout(length, simulation.producers.join_next()).await {
            Err(_time_is_up) => Ok(service.take_recorder()),
            Ok(None) => Err("nothing was put into the simulation".into()),
            Ok(Some(ended)) => Err(ended?.into()),
        }
    })
}
