//! The other process: an HTTP server with canned answers that checks what comes.
//!
//! It is asked by lines on its standard input and answers by lines on its standard output: after the
//! address, `start` begins to count, and `stop N` tells what came, of N records that should have
//! come. It ends when its standard input does: with its parent, however that ends.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::{
    answers::{self, Answers},
    arrivals::{Encoding, Reader},
    plan::Service,
};
use crate::{
    Result,
    speed::{ledger::Ledger, usage},
};

/// hyper reads so much at once at most. Bodies have up to 7 MB, and its default is 400 kB.
const READ_AT_ONCE: usize = 1 << 20;

/// What has come, and how it is answered.
#[derive(Debug)]
struct State {
    service: Service,
    reader: Reader,
    answers: Answers,
    ledger: Ledger,
    requests: u64,
    /// All that came in requests, whether or not it is what was written.
    records: u64,
    bytes: u64,
    /// Requests without records: for the list of shards.
    others: u64,
    problems: Vec<String>,
}

impl State {
    fn new(service: Service, size: usize) -> Self {
        Self {
            service,
            reader: Reader::new(size),
            answers: Answers::new(service),
            ledger: Ledger::new(0, None),
            requests: 0,
            records: 0,
            bytes: 0,
            others: 0,
            problems: Vec::new(),
        }
    }

    /// Forgets what came until now.
    fn start(&mut self) {
        self.ledger = Ledger::new(0, None);
        (self.requests, self.records, self.bytes, self.others) = (0, 0, 0, 0);
        self.problems.clear();
    }

    /// Takes a request, and gives the answer.
    fn take(&mut self, encoding: Encoding, body: &[u8]) -> Option<Bytes> {
        let now = Instant::now();
        let (mut intact, mut altered) = (0, 0);
        let ledger = &mut self.ledger;
        self.reader.each(encoding, body, |number| match number.filter(|n| *n < MOST) {
            Some(number) => {
                ledger.accept(number, now);
                intact += 1;
            }
            None => altered += 1,
        });
        ledger.note_request(intact, 0, altered, now);
        let records = intact + altered;
        self.records += records;
        (records > 0).then(|| self.answers.stored(encoding, records as usize))
    }

    /// What came since the start, if `written` records should have come.
    fn stop(&self, written: u64) -> Value {
        let mut problems = self.problems.clone();
        problems.extend(self.ledger.problems(&[written]));
        json!({
            "requests": self.requests,
            "records": self.records,
            "bytes": self.bytes,
            "others": self.others,
            "problems": problems,
        })
    }
}

/// A number beyond this is none that anybody writes here, and the ledger has a bit for each below.
const MOST: u64 = 1 << 32;

/// Serves until standard input ends. The service is the one that it stands in for, the size the one
/// of a payload.
///
/// # Errors
///
/// When there is no port, or something on standard input that it does not know.
pub fn run(service: Service, size: usize) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let state = Arc::new(Mutex::new(State::new(service, size)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = Arc::clone(&state);
    thread::spawn(move || runtime.block_on(accept(listener, shared)));

    let mut out = io::stdout().lock();
    let mut say = |line: String| writeln!(out, "{line}").and_then(|()| out.flush());
    say(address.to_string())?;
    let mut cpu = usage::cpu()?;
    for line in io::stdin().lines() {
        let line = line?;
        match line.split_once(' ') {
            None if line == "start" => {
                lock(&state).start();
                cpu = usage::cpu()?;
                say("started".to_owned())?;
            }
            Some(("stop", written)) => {
                let mut counts = lock(&state).stop(written.parse()?);
                counts["cpu_s"] = (usage::cpu()? - cpu).as_secs_f64().into();
                say(counts.to_string())?;
            }
            _ => return Err(format!("`{line}` is neither `start` nor `stop N`").into()),
        }
    }
    Ok(())
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| handle(request, &state));
            // It ends with an error when the client is gone, which is how a run ends.
            let _gone = http1::Builder::new()
                .max_buf_size(READ_AT_ONCE)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn handle(request: Request<Incoming>, state: &Mutex<State>) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = read(&head.headers, body).await?;
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut state = lock(state);
    let encoding =
        text("content-type").and_then(|content_type| Encoding::of(state.service, content_type));
    let is_list = text("x-amz-target").is_some_and(|target| target.ends_with(".ListShards"));
    let answer = match encoding {
        Some(encoding) if is_list => {
            state.others += 1;
            Some(answers::shards(encoding).into())
        }
        Some(encoding) => {
            state.requests += 1;
            state.bytes += body.len() as u64;
            match text("content-encoding") {
                Some("gzip") => {
                    let mut inflated = Vec::new();
                    GzDecoder::new(&*body).read_to_end(&mut inflated)?;
                    state.take(encoding, &inflated)
                }
                _ => state.take(encoding, &body),
            }
        }
        None => None,
    };
    let response = Response::builder()
        .header("x-amzn-requestid", "b5b0a1f4-6a4c-4a8f-9d0a-5e2b7d3c9a11")
        .header(header::CONTENT_TYPE, encoding.map_or("text/plain", Encoding::content_type));
    let response = match encoding {
        Some(Encoding::Metrics) => response.header("smithy-protocol", "rpc-v2-cbor"),
        _ => response,
    };
    let Some(answer) = answer else {
        let what = format!("a request could not be read: {} {:?}", head.uri, head.headers);
        state.problems.push(what.clone());
        return Ok(response.status(StatusCode::BAD_REQUEST).body(Full::from(what))?);
    };
    Ok(response.body(Full::new(answer))?)
}

async fn read(headers: &HeaderMap, mut body: Incoming) -> Result<Vec<u8>> {
    let len = headers.get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    let mut bytes = Vec::with_capacity(len.unwrap_or(0));
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}
