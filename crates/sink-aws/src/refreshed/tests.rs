use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

use aws_sdk_kinesis::operation::list_shards::ListShardsError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};

use super::*;

/// What a fetch does.
enum Script {
    Answer(Result<u32, Trouble>),
    Silence,
    Panic,
}

/// Follows one script for each fetch.
#[derive(Clone, Default)]
struct Service {
    scripts: Arc<Mutex<VecDeque<Script>>>,
    fetches: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    warnings: Arc<Mutex<Vec<Trouble>>>,
}

/// Counts the fetches that came to an end, in whatever way.
struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Source for Service {
    type View = u32;

    async fn fetch(&self) -> Result<u32, Trouble> {
        let _ended = Ended(Arc::clone(&self.dropped));
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let script = self.scripts.lock().unwrap().pop_front();
        match script.expect("a script") {
            Script::Answer(answer) => answer,
            Script::Silence => std::future::pending().await,
            Script::Panic => panic!("as told"),
        }
    }

    fn warn(&self, trouble: &Trouble) {
        self.warnings.lock().unwrap().push(trouble.clone());
    }
}

impl Service {
    fn new(scripts: impl IntoIterator<Item = Script>) -> (Self, Refreshed<Self>) {
        let service = Self {
            scripts: Arc::new(Mutex::new(scripts.into_iter().collect())),
            ..Self::default()
        };
        let refreshed = Refreshed::new(service.clone());
        (service, refreshed)
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn ended(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

/// Lets the task run as far as it gets without time going by.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

async fn pass(secs: u64) {
    tokio::time::advance(Duration::from_secs(secs)).await;
    settle().await;
}

fn other() -> Trouble {
    Trouble::Other("because".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_view_is_fetched_at_first_use_and_again_when_it_is_old_or_seems_wrong() {
    let (service, refreshed) = Service::new([1, 2, 3].map(|view| Script::Answer(Ok(view))));
    assert_eq!((*refreshed.view(), service.fetches()), (0, 0));
    for (secs, is_outdated, expected) in [
        (0, false, 1),
        (299, false, 1),
        (1, false, 2),
        // It seems wrong: not before 10 s are over.
        (9, true, 2),
        (1, false, 2),
        (0, true, 3),
    ] {
        pass(secs).await;
        refreshed.refresh_if_due(is_outdated);
        settle().await;
        assert_eq!((*refreshed.view(), service.fetches()), (expected, expected as usize));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_leaves_the_old_view_and_is_warned_of() {
    let (service, refreshed) = Service::new([
        Script::Answer(Ok(1)),
        Script::Answer(Err(other())),
        Script::Answer(Err(other())),
        Script::Answer(Err(Trouble::Denied)),
        Script::Answer(Ok(2)),
    ]);
    for (secs, fetches, view) in
        [(0, 1, 1), (300, 2, 1), (9, 2, 1), (1, 3, 1), (20, 4, 1), (39, 4, 1), (1, 5, 2)]
    {
        pass(secs).await;
        refreshed.refresh_if_due(true);
        settle().await;
        assert_eq!((service.fetches(), *refreshed.view()), (fetches, view));
    }
    assert_eq!(*service.warnings.lock().unwrap(), [other(), Trouble::Denied]);
}

#[tokio::test(start_paused = true)]
async fn one_fetch_at_a_time_and_none_for_longer_than_30_seconds() {
    let (service, refreshed) = Service::new([Script::Silence, Script::Answer(Ok(1))]);
    refreshed.refresh_if_due(false);
    settle().await;
    for _ in 0..2 {
        pass(14).await;
        refreshed.refresh_if_due(true);
        assert_eq!((service.fetches(), service.ended()), (1, 0));
    }
    pass(2).await;
    assert_eq!(service.ended(), 1);
    let expected = Trouble::Other("no complete answer within 30s".to_owned());
    assert_eq!(*service.warnings.lock().unwrap(), [expected]);
    refreshed.refresh_if_due(false);
    settle().await;
    assert_eq!(*refreshed.view(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_panics_does_not_end_the_refreshing() {
    let (service, refreshed) = Service::new([Script::Panic, Script::Answer(Ok(1))]);
    refreshed.refresh_if_due(false);
    settle().await;
    pass(300).await;
    assert_eq!((service.ended(), *refreshed.view()), (1, 0));
    refreshed.refresh_if_due(false);
    settle().await;
    assert_eq!(*refreshed.view(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_under_way_ends_with_its_owner() {
    let (service, refreshed) = Service::new([Script::Silence]);
    refreshed.refresh_if_due(false);
    settle().await;
    assert_eq!((service.fetches(), service.ended()), (1, 0));
    drop(refreshed);
    settle().await;
    assert_eq!(service.ended(), 1);
}

#[test]
fn a_denial_is_told_from_other_trouble_by_its_code() {
    for (code, expected) in [
        ("AccessDeniedException", Trouble::Denied),
        ("AccessDenied", Trouble::Denied),
        ("InternalFailure", Trouble::Other("InternalFailure: because".to_owned())),
    ] {
        let meta = ErrorMetadata::builder().code(code).message("because").build();
        let status = StatusCode::try_from(400).unwrap();
        let answer = HttpResponse::new(status, SdkBody::empty());
        let error = SdkError::service_error(ListShardsError::generic(meta), answer);
        assert_eq!(Trouble::from(error), expected);
    }
}
