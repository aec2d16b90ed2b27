//! A blocking HTTP client, as small as calls to LocalStack allow: HTTP/1.0, one call a connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Sends one request and gives the body of the answer, or what went wrong: any status but 2xx.
pub(crate) fn call(
    endpoint: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Vec<u8>, String> {
    let authority = endpoint
        .strip_prefix("http://")
        .ok_or_else(|| format!("`{endpoint}` does not begin with http://"))?;
    let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {authority}\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let mut answer = exchange(authority, &request)
        .map_err(|error| format!("{method} {endpoint}{path}: {error}"))?;
    let end_of_head = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = answer.split_off(end_of_head.map_or(answer.len(), |end| end + 4));
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).unwrap_or("no status");
    if !status.starts_with('2') {
        let body = String::from_utf8_lossy(&body);
        return Err(format!("{method} {endpoint}{path}: {status} {body}"));
    }
    Ok(body)
}

/// The JSON of a body; an empty one is null.
pub(crate) fn json(body: &[u8]) -> Result<Value, String> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
        .map_err(|error| format!("no JSON: {error}: {}", String::from_utf8_lossy(body)))
}

fn exchange(authority: &str, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}
