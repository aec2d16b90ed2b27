//! A server that answers what a test tells it to, byte by byte, and keeps what it was asked.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What becomes of one connection, once its request is read.
#[derive(Debug, Clone)]
pub enum Script {
    /// These bytes, then the end.
    Answer(String),
    /// The end, without an answer.
    Close,
    /// A TCP reset.
    Reset,
    /// Nothing, for ever.
    Silence,
}

/// An answer of these parts.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Script {
    let mut text = format!("HTTP/1.1 {status} Test\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    Script::Answer(text)
}

/// An error as Kinesis writes it.
pub fn refusal(status: u16, code: &str, message: &str) -> Script {
    answer(
        status,
        &[("content-type", "application/x-amz-json-1.1"), ("x-amzn-requestid", "request-7")],
        &format!(r#"{{"__type":"com.amazonaws.kinesis.v20131202#{code}","message":"{message}"}}"#),
    )
}

/// One stored record.
pub fn stored() -> Script {
    answer(
        200,
        &[("content-type", "application/x-amz-json-1.1")],
        r#"{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1","ShardId":"shardId-0"}]}"#,
    )
}

#[derive(Debug)]
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Follows one script per connection, the last one for ever.
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        let mut scripts: VecDeque<_> = scripts.into_iter().collect();
        tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let script = if scripts.len() > 1 {
                    scripts.pop_front().unwrap()
                } else {
                    scripts[0].clone()
                };
                let request = read_request(&mut stream).await;
                heard.lock().unwrap().push(request);
                match script {
                    Script::Answer(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
                    Script::Close => {}
                    Script::Reset => stream.set_zero_linger().unwrap(),
                    Script::Silence => silent.push(stream),
                }
            }
        });
        Self { url, requests }
    }

    /// What it was asked, heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads head and body, so that closing is no accidental reset.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return text;
        }
    }
}
