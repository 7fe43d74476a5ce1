//! An HTTP/1.1 client made of a socket: it can also send what no proper client would.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

/// Content types of OTLP.
pub const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
/// See [`PROTOBUF`].
pub const JSON: (&str, &str) = ("content-type", "application/json");

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, to the end of the connection or as long as it says.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Connects, with a generous limit on every read and write.
#[must_use]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// GET on a connection of its own.
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> Response {
    request(address, "GET", path, &[], b"")
}

/// POST on a connection of its own.
#[must_use]
pub fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    request(address, "POST", path, headers, body)
}

/// Any request on a connection of its own. The server may answer before it has read everything.
#[must_use]
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    request_over(&mut connect(address), method, path, headers, body)
}

/// The same on a connection that is there already.
#[must_use]
pub fn request_over(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let head = head(method, path, headers, body.len() as u64);
    // An answer sent before the whole request was read is still there to be read.
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok();
    response(stream)
}

/// The head of a request.
#[must_use]
pub fn head(method: &str, path: &str, headers: &[(&str, &str)], length: u64) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: collimator\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(head, "content-length: {length}\r\n\r\n").unwrap();
    head
}

/// Reads one answer up to the end of the connection.
#[must_use]
pub fn response(stream: &mut impl Read) -> Response {
    try_response(stream).expect("an answer")
}

/// Reads one answer, if the connection gives one before it ends.
#[must_use]
pub fn try_response(stream: &mut impl Read) -> Option<Response> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(response) = parse(&bytes) {
            return Some(response);
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            // A reset after the answer is how a server refuses the rest of a body.
            _ => return None,
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = &bytes[end + 4..];
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    (body.len() >= length).then(|| Response { status, headers, body: body[..length].to_vec() })
}
