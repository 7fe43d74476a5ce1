//! Stands in for the X-Ray API on loopback: keeps what it is sent, and can behave badly in every way that counts.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// How calls are answered.
#[derive(Clone, Debug, Default)]
pub enum Mood {
    /// Everything is taken.
    #[default]
    Well,
    /// An error: status, name, and a `Retry-After` if it is not empty.
    Error(u16, &'static str, &'static str),
    /// Status 200 with a body that is not the API's.
    Garbage,
    /// The request is read and never answered.
    Stall,
    /// The connection ends in the middle of the request's body.
    Cut,
    /// Calls with more documents than this are too large.
    AtMost(usize),
    /// Calls with the segment of this id have this error: status and name.
    ErrorWith(String, u16, &'static str),
    /// Segments whose id's last digit (in hexadecimal) can be divided by this are not processed, under this code.
    Unprocessed(u32, &'static str),
    /// The same, but only the first time that they come.
    UnprocessedOnce(u32, &'static str),
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Called {
    /// Its path.
    pub path: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Called {
    /// The value of a header; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The documents of a call of PutTraceSegments.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn documents(&self) -> Vec<String> {
        let body: Value = serde_json::from_slice(&self.body).expect("the body is JSON");
        let documents = body["TraceSegmentDocuments"].as_array().expect("a list of documents");
        documents.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    }
}

/// The API. Its threads end with the test's process.
#[derive(Clone, Debug)]
pub struct Api {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    calls: Vec<Called>,
    /// Documents that were taken.
    taken: Vec<String>,
    /// Ids of segments that were not processed once.
    came_once: HashSet<String>,
    connections: usize,
}

impl Api {
    /// Starts it on a free port of loopback.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let api = Self { address, state: Arc::default() };
        let accepting = api.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepting.lock().connections += 1;
                let api = accepting.clone();
                std::thread::spawn(move || api.serve(stream));
            }
        });
        api
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behaves so from now on.
    pub fn behave(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// Every call so far, in the order in which they came.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        self.lock().calls.clone()
    }

    /// Connections that were made to it.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// The documents that were taken, in the order in which they came.
    #[must_use]
    pub fn taken(&self) -> Vec<String> {
        self.lock().taken.clone()
    }

    /// The segment ids of the documents that were taken, sorted.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.lock().taken.iter().map(|document| id(document)).collect();
        ids.sort();
        ids
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection until one of both ends it.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((mut called, len)) = head(&mut reader) {
            let mood = self.lock().mood.clone();
            if matches!(mood, Mood::Cut) {
                let mut half = vec![0; len / 2];
                reader.read_exact(&mut half).ok();
                return;
            }
            called.body = vec![0; len];
            if reader.read_exact(&mut called.body).is_err() {
                return;
            }
            let is_put = called.path.ends_with("/TraceSegments");
            let documents = if is_put { called.documents() } else { Vec::new() };
            self.lock().calls.push(called);
            if matches!(mood, Mood::Stall) {
                // Until whoever asked goes away.
                reader.read_exact(&mut [0]).ok();
                return;
            }
            let answer = self.answer(&mood, documents);
            if reader.get_mut().write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn answer(&self, mood: &Mood, documents: Vec<String>) -> Vec<u8> {
        match mood {
            Mood::Error(status, code, retry_after) => error(*status, code, retry_after),
            Mood::AtMost(most) if documents.len() > *most => error(413, "", ""),
            Mood::ErrorWith(bad, status, code) if documents.iter().any(|document| id(document) == *bad) => {
                error(*status, code, "")
            }
            Mood::Garbage => response(200, "", "<html>"),
            Mood::Unprocessed(divisor, code) | Mood::UnprocessedOnce(divisor, code) => {
                let once = matches!(mood, Mood::UnprocessedOnce(..));
                let is_left = |document: &String| {
                    let id = id(document);
                    let digit = id.chars().last().and_then(|digit| digit.to_digit(16));
                    digit.is_some_and(|digit| digit % divisor == 0)
                        && (!once || self.lock().came_once.insert(id))
                };
                let (left, taken): (Vec<String>, Vec<String>) = documents.into_iter().partition(is_left);
                self.lock().taken.extend(taken);
                let entry = |document: &String| json!({ "Id": id(document), "ErrorCode": code, "Message": "not now" });
                let left: Vec<Value> = left.iter().map(entry).collect();
                response(200, "", &json!({ "UnprocessedTraceSegments": left }).to_string())
            }
            _ => {
                self.lock().taken.extend(documents);
                response(200, "", "{\"UnprocessedTraceSegments\":[]}")
            }
        }
    }
}

/// The segment id of a document; empty if it has none.
fn id(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    document["id"].as_str().unwrap_or_default().to_owned()
}

/// The head of a request, and how long its body is; none at the end of the connection.
fn head(reader: &mut BufReader<TcpStream>) -> Option<(Called, usize)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let len = headers.iter().find(|(name, _)| name == "content-length");
    let len = len.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    Some((Called { path, headers, body: Vec::new() }, len))
}

fn error(status: u16, code: &str, retry_after: &str) -> Vec<u8> {
    let mut headers = String::new();
    for (name, value) in [("x-amzn-errortype", code), ("retry-after", retry_after)] {
        if !value.is_empty() {
            headers.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    response(status, &headers, "{\"message\":\"told to\"}")
}

fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n{headers}\r\n{body}")
        .into_bytes()
}

/// Asks until `found` has something, for a while.
///
/// # Panics
/// If it never has.
pub async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = found() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: it did not happen");
}
