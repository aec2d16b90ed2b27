//! What a call and the protocol tell one another: the records that were written, and that an answer
//! calls every record stored.
//!
//! The SDK has no room for either between its protocol and its caller. But it writes the request
//! and reads the answer in the task that made the call, so the task can hold them. A call that is
//! not made by [`answer`], or has no body, finds nothing here, and is left to the SDK altogether.

use std::{
    cell::{Cell, RefCell},
    fmt,
    pin::Pin,
};

use aws_smithy_types::body::SdkBody;

use super::{body::Body, scan::Places};

tokio::task_local! {
    static EXCHANGE: Exchange;
}

struct Exchange {
    body: RefCell<Body>,
    stored: Cell<Option<Stored>>,
}

impl Exchange {
    fn new(body: Body) -> Self {
        Self { body: RefCell::new(body), stored: Cell::default() }
    }
}

/// What a batch operation answered.
#[derive(Debug)]
pub enum Answer<O> {
    /// The answer says of each record that it is stored, and nothing else.
    Stored(Stored),
    /// Any other answer, as the SDK reads it.
    Parsed(O),
}

/// An answer in which every record is stored.
pub struct Stored {
    body: SdkBody,
    places: Places,
}

impl Stored {
    pub(super) fn new(body: SdkBody, places: Places) -> Self {
        Self { body, places }
    }

    /// How many records the answer speaks of. Whether that is what was sent, nobody has looked at
    /// yet: [`Classifier::outcome`](crate::Classifier::outcome) does.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Where the record at this place of the answer is stored: the shard of a Kinesis record. `None`
    /// where the answer does not say.
    pub fn place(&self, at: usize) -> Option<&str> {
        let (start, end) = *self.places.get(at)?;
        let place = self.body.bytes()?.get(start as usize..end as usize)?;
        // The scan has seen that it is ASCII.
        std::str::from_utf8(place).ok().filter(|place| !place.is_empty())
    }
}

/// Without the answer, which may be long.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// Makes a call of a client that has the [protocol](super::Bodies::protocol) of a sink. It sends the
/// records of the body, whatever records the request has. Without a body the call is the SDK's, and
/// its answer always [`Answer::Parsed`].
///
/// The call must run in this future: what it spawns elsewhere has no body.
///
/// # Errors
///
/// Those of the call.
///
/// # Cancel safety
///
/// That of the call.
pub async fn answer<'a, O: Send + 'a, E: Send + 'a>(
    body: Option<Body>,
    call: impl Future<Output = Result<O, E>> + Send + 'a,
) -> Result<Answer<O>, E> {
    // The SDK's futures are so deep that one more around them is too much for the compiler, in the
    // crates of whoever uses a sink. An allocation, beside some hundred for each call.
    let call: Pin<Box<dyn Future<Output = Result<O, E>> + Send + 'a>> = Box::pin(call);
    let Some(body) = body else { return call.await.map(Answer::Parsed) };
    let answered = EXCHANGE.scope(Exchange::new(body), async {
        let output = call.await?;
        // Only a call that went well has an answer, and its last attempt has left it here.
        let stored = EXCHANGE.with(|exchange| exchange.stored.take());
        Ok(stored.map_or(Answer::Parsed(output), Answer::Stored))
    });
    answered.await
}

fn with<T>(look: impl FnOnce(&Exchange) -> T) -> Option<T> {
    EXCHANGE.try_with(look).ok()
}

/// Whether somebody waits for [`answer`].
pub(super) fn is_awaited() -> bool {
    with(|_| ()).is_some()
}

/// What the body of the call gives; `None` outside of one.
pub(super) fn body<T>(look: impl FnOnce(&mut Body) -> T) -> Option<T> {
    with(|exchange| look(&mut exchange.body.borrow_mut()))
}

/// Whether the request was written as CBOR.
pub(super) fn was_cbor() -> bool {
    body(|body| body.is_cbor()).unwrap_or(false)
}

/// What the newest answer says; earlier attempts count no longer.
pub(super) fn answered(stored: Option<Stored>) {
    let _nobody_asks = with(|exchange| exchange.stored.set(stored));
}

/// As [`answer`] does, for what does not wait: what a call makes of the protocol, and whether the
/// answer calls every record stored.
#[cfg(test)]
pub(super) fn within<T>(body: Body, call: impl FnOnce() -> T) -> (T, Option<Stored>) {
    EXCHANGE.sync_scope(Exchange::new(body), || {
        let called = call();
        (called, EXCHANGE.with(|exchange| exchange.stored.take()))
    })
}
