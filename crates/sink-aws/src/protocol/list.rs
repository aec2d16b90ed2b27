//! A list that a connector has written, in a request that the SDK writes without its elements: for a
//! service whose client takes no protocol.
//!
//! The SDK's own serializer writes the request, with an empty list; the elements are put there before
//! anybody else sees the body. Compression, signature and all else stay the SDK's. A service may take
//! a request without elements, and say that all is well: so it is looked at what is about to be sent,
//! and an answer to what nobody has looked at is none.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    sync::Arc,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, SharedInterceptor,
            context::{
                BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
                Input,
            },
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::SdkError,
        runtime_components::RuntimeComponents,
        ser_de::{SerializeRequest, SharedRequestSerializer},
    },
};
use aws_smithy_schema::serde::SerdeError;
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use bytes::Bytes;
use sink_core::{Batch, Entry};

use super::{
    BodyEncoding,
    body::{Written, behind_headroom},
    pool::Pool,
    write,
};
use crate::cbor;

const NOT_OURS: &str = "the AWS SDK would send, or has sent, another body than the one that was \
    written for it: set body_encoding to `sdk`";

/// Writes a list of all requests that a client sends. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lists {
    /// Where the encoding is ours.
    pool: Option<Arc<Pool>>,
    name: &'static str,
}

impl Lists {
    /// The list has this name in a request. Any encoding but `sdk` is CBOR.
    pub fn new(encoding: BodyEncoding, name: &'static str) -> Self {
        let pool = (encoding != BodyEncoding::Sdk).then(Arc::default);
        Self { pool, name }
    }

    /// What the client must have; `None` where the SDK writes all. Its own calls are those that
    /// [`send`] makes with a list; all others are the SDK's.
    pub fn interceptor(&self) -> Option<SharedInterceptor> {
        self.pool.is_some().then(|| SharedInterceptor::new(PutList))
    }

    /// The elements of a batch: written by `ours`, and none for the SDK, where the encoding is ours;
    /// else as the SDK has them, and no list. The request is then complete but for its other members,
    /// and [`send`] puts the two together.
    pub fn write<'a, E: Entry, R>(
        &self,
        batch: &Batch<'a, E>,
        ours: impl Fn(&mut Vec<u8>, &'a E),
        sdks: impl Fn(&'a E) -> R,
    ) -> (Vec<R>, Option<List>) {
        let Some(pool) = &self.pool else { return (batch.iter().map(sdks).collect(), None) };
        let mut buffer = behind_headroom(pool, batch.size_bytes() + 16); // the list's ends
        let bytes = buffer.bytes();
        cbor::list(bytes, batch.len());
        batch.iter().for_each(|entry| ours(bytes, entry));
        (Vec::new(), Some(List { name: self.name, written: Written::Records(buffer) }))
    }
}

/// The list of one request, written.
#[derive(Debug)]
pub struct List {
    name: &'static str,
    written: Written,
}

impl List {
    /// The whole body, given what the SDK writes of a request whose list is empty.
    fn whole(&mut self, without_elements: &[u8]) -> Result<Bytes, SerdeError> {
        // It cannot stand within a text: behind a letter, what begins a list is no UTF-8.
        let mut empty = Vec::new();
        cbor::text(&mut empty, self.name);
        cbor::list(&mut empty, 0);
        let around = write::around_list(without_elements, &empty);
        // Ours says itself how long it is.
        self.written.whole(around.and_then(|(before, list)| Some((before, list.get(1..)?))))
    }

    /// Whether this is what the request sends, plain or compressed.
    fn is_body_of(&self, request: &HttpRequest) -> bool {
        let (Written::Whole(ours), Some(sent)) = (&self.written, request.body().bytes()) else {
            return false;
        };
        match request.headers().get("content-encoding") {
            None => sent == ours,
            // It ends with the length of what was compressed: RFC 1952, section 2.3.1.
            #[allow(clippy::cast_possible_truncation)] // modulo 2^32, as it is there
            Some("gzip") => sent.ends_with(&(ours.len() as u32).to_le_bytes()),
            Some(_) => false,
        }
    }
}

tokio::task_local! {
    static CALL: Call;
}

struct Call {
    /// Until the request has been looked at: compressed, nobody needs it any longer.
    list: RefCell<Option<List>>,
    seen: Cell<Seen>,
}

impl Call {
    /// Looks at what is about to be sent. A second attempt sends a copy.
    fn see(&self, request: &HttpRequest) -> Result<(), BoxError> {
        if self.seen.get() != Seen::Ours {
            let list = self.list.take();
            let is_ours = list.is_some_and(|list| list.is_body_of(request));
            self.seen.set(if is_ours { Seen::Ours } else { Seen::Another });
        }
        if self.seen.get() == Seen::Ours { Ok(()) } else { Err(NOT_OURS.into()) }
    }
}

/// What is known of the request that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Ours,
    Another,
}

/// Makes a call of a client that has the [interceptor](Lists::interceptor) of a sink. It sends the
/// elements of the list, whatever elements the request has. Without a list the call is the SDK's.
///
/// The call must run in this future: what it spawns elsewhere has no list.
///
/// # Errors
///
/// Those of the call. [`SdkError::ConstructionFailure`] where anything but the list was sent or was
/// about to be, whatever the service says of it.
///
/// # Cancel safety
///
/// That of the call.
pub async fn send<'a, O: Send + 'a, E: Send + 'a>(
    list: Option<List>,
    call: impl Future<Output = Result<O, SdkError<E, HttpResponse>>> + Send + 'a,
) -> Result<O, SdkError<E, HttpResponse>> {
    // As in `answer`: one more future around the SDK's is too much for the compiler.
    type Answer<O, E> = Result<O, SdkError<E, HttpResponse>>;
    let call: Pin<Box<dyn Future<Output = Answer<O, E>> + Send + 'a>> = Box::pin(call);
    let Some(list) = list else { return call.await };
    let call_of = Call { list: RefCell::new(Some(list)), seen: Cell::new(Seen::Nothing) };
    let answered = CALL.scope(call_of, async {
        let answer = call.await;
        let failed_before = || answer.as_ref().is_err_and(|error| error.raw_response().is_none());
        match CALL.with(|call| call.seen.get()) {
            Seen::Ours => answer,
            Seen::Nothing if failed_before() => answer,
            // Nor is it believed that the data are bad, which the service has not seen.
            Seen::Nothing | Seen::Another => Err(SdkError::construction_failure(NOT_OURS)),
        }
    });
    answered.await
}

/// Puts the list of the call that is made into its request, and looks at what is sent.
#[derive(Debug)]
struct PutList;

impl Intercept for PutList {
    fn name(&self) -> &'static str {
        "PutList"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if CALL.try_with(|_| ()).is_ok() {
            // Here and not later, so that all that comes after the SDK's serializer sees the body.
            let sdk = config.load::<SharedRequestSerializer>().ok_or(NOT_OURS)?.clone();
            config.interceptor_state().store_put(SharedRequestSerializer::new(WithList { sdk }));
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        CALL.try_with(|call| call.see(context.request())).unwrap_or(Ok(()))
    }
}

/// The SDK's serializer of an operation, and the list of the call.
#[derive(Debug)]
struct WithList {
    sdk: SharedRequestSerializer,
}

impl SerializeRequest for WithList {
    fn serialize_input(
        &self,
        input: Input,
        config: &mut ConfigBag,
    ) -> Result<HttpRequest, BoxError> {
        let mut request = self.sdk.serialize_input(input, config)?;
        let whole = CALL.try_with(|call| {
            let without_elements = request.body().bytes().unwrap_or_default();
            let mut list = call.list.borrow_mut();
            let list = list.as_mut().ok_or_else(|| BoxError::from(NOT_OURS))?;
            list.whole(without_elements).map_err(BoxError::from)
        })??;
        let length = whole.len();
        *request.body_mut() = SdkBody::from(whole);
        if request.headers().contains_key("content-length") {
            request.headers_mut().insert("Content-Length", length.to_string());
        }
        Ok(request)
    }
}
