//! As much of an HTTP client as it takes to ask LocalStack how it is.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Where a server is: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

/// An answer's status and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(format!("`{url}` does not begin with http://, which LocalStack speaks"));
        };
        let authority = rest.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '?', '@']) {
            return Err(format!("`{url}` is not of the form http://host:port"));
        }
        // The port is what follows the last colon, unless that is within the brackets of an IPv6.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| format!("`{url}`: `{port}` is not a port"))?)
            }
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self { host: host.to_owned(), port })
    }

    pub(crate) fn get(&self, path: &str, timeout: Duration) -> std::io::Result<Answer> {
        self.call(&format!("GET {path} HTTP/1.0\r\n"), "", timeout)
    }

    pub(crate) fn post(
        &self,
        path: &str,
        headers: &str,
        body: &str,
        timeout: Duration,
    ) -> std::io::Result<Answer> {
        let head = format!("POST {path} HTTP/1.0\r\n{headers}Content-Length: {}\r\n", body.len());
        self.call(&head, body, timeout)
    }

    // HTTP/1.0: the answer ends with the connection.
    fn call(&self, head: &str, body: &str, timeout: Duration) -> std::io::Result<Answer> {
        let mut last = std::io::Error::other("the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let mut stream = match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => stream,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            write!(stream, "{head}Host: {}:{}\r\n\r\n{body}", self.host, self.port)?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            return read_answer(&bytes);
        }
        Err(last)
    }
}

fn read_answer(bytes: &[u8]) -> std::io::Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) =
        text.split_once("\r\n\r\n").ok_or_else(|| std::io::Error::other("not an HTTP answer"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| std::io::Error::other("not an HTTP answer"))?;
    Ok(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> Result<Address, String> {
        Ok(Address { host: host.to_owned(), port })
    }

    #[test]
    fn addresses_of_any_form_are_read() {
        assert_eq!(Address::parse("http://127.0.0.1:4566"), address("127.0.0.1", 4566));
        assert_eq!(Address::parse("http://localstack:4566/"), address("localstack", 4566));
        assert_eq!(Address::parse("http://localhost"), address("localhost", 80));
        assert_eq!(Address::parse("http://[::1]:4566"), address("::1", 4566));
        assert_eq!(Address::parse("http://[::1]"), address("::1", 80));
    }

    #[test]
    fn what_is_no_address_is_shown_in_the_error() {
        for url in ["", "127.0.0.1:4566", "https://a:4566", "http://", "http://a:b", "http://a/b"] {
            let wrong = Address::parse(url).unwrap_err();
            assert!(wrong.contains(&format!("`{url}`")), "{url:?}: {wrong}");
        }
    }

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let answer = read_answer(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"completed\": true}").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "{\"completed\": true}"));
        assert!(read_answer(b"SSH-2.0-OpenSSH\r\n").is_err());
        assert!(read_answer(b"").is_err());
    }
}
