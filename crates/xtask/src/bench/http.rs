//! How does the bench talk HTTP at so little cost that it measures the server and not itself?

use std::net::Ipv4Addr;
use std::ops::Range;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HEADERS_MAX: usize = 64;
const READ_BYTES: usize = 64 * 1024;

/// One kept-alive connection, on which one request is under way at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, as places in the connection's buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    body: Vec<Range<usize>>,
}

impl Connection {
    /// Connects to a server on this machine.
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends one request and reads all of its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        loop {
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection before the end of its answer");
            }
            if let Some(answer) = read(&self.buffer)? {
                return Ok(answer);
            }
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self, answer: &Answer) -> Vec<u8> {
        answer.body.iter().filter_map(|range| self.buffer.get(range.clone())).flatten().copied().collect()
    }
}

/// The bytes of a request. `headers` are whole lines.
pub(crate) fn request(into: &mut Vec<u8>, method: &str, path: &str, headers: &str, body: &str) {
    into.clear();
    let length = body.len().to_string();
    let parts =
        [method, " ", path, " HTTP/1.1\r\nHost: 127.0.0.1\r\n", headers, "Content-Length: ", &length, "\r\n\r\n", body];
    into.extend(parts.iter().flat_map(|part| part.as_bytes()));
}

/// How an answer says where its body ends.
enum Framing {
    Length(usize),
    Chunks,
}

/// Reads a whole answer, or nothing yet.
fn read(bytes: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(bytes)? else { return Ok(None) };
    let status = head.code.context("an answer without a status")?;
    let body = match framing(status, head.headers)? {
        Framing::Length(length) => {
            let end = start + length;
            if bytes.len() < end {
                return Ok(None);
            }
            std::iter::once(start..end).collect()
        }
        Framing::Chunks => match chunks(bytes, start)? {
            Some(chunks) => chunks,
            None => return Ok(None),
        },
    };
    Ok(Some(Answer { status, body }))
}

fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Result<Framing> {
    if status == 204 || status == 304 {
        return Ok(Framing::Length(0));
    }
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            return Ok(Framing::Length(std::str::from_utf8(header.value)?.trim().parse()?));
        }
        if header.name.eq_ignore_ascii_case("transfer-encoding") && header.value.eq_ignore_ascii_case(b"chunked") {
            return Ok(Framing::Chunks);
        }
    }
    bail!("an answer that does not say how long it is")
}

fn chunks(bytes: &[u8], mut at: usize) -> Result<Option<Vec<Range<usize>>>> {
    let mut found = Vec::new();
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Ok(size) = httparse::parse_chunk_size(rest) else { bail!("a chunk without a size") };
        let httparse::Status::Complete((line, length)) = size else { return Ok(None) };
        let start = at + line;
        let end = start + usize::try_from(length)?;
        at = end + 2; // the chunk's own line end
        if bytes.len() < at {
            return Ok(None);
        }
        if length == 0 {
            return Ok(Some(found));
        }
        found.push(start..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(bytes: &[u8]) -> Option<(u16, String)> {
        let answer = read(bytes).unwrap()?;
        let body: Vec<u8> = answer.body.iter().flat_map(|range| bytes[range.clone()].to_vec()).collect();
        Some((answer.status, String::from_utf8(body).unwrap()))
    }

    #[test]
    fn an_answer_is_whole_only_with_its_last_byte() {
        let answers: [&[u8]; 2] = [
            b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ];
        for answer in answers {
            for length in 0..answer.len() {
                assert_eq!(body_of(&answer[..length]), None, "{length} bytes");
            }
            assert_eq!(body_of(answer), Some((201, "hello".to_owned())));
        }
    }

    #[test]
    fn an_answer_without_a_length_is_refused() {
        assert!(read(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n").is_err());
        assert_eq!(body_of(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, String::new())));
    }

    #[test]
    fn a_request_states_its_length() {
        let mut bytes = b"left over".to_vec();
        request(&mut bytes, "POST", "/x", "A: b\r\n", "{}");
        assert_eq!(bytes, b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\r\nContent-Length: 2\r\n\r\n{}");
    }
}
