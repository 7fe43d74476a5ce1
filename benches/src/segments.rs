//! X-Ray segments over UDP at a fixed rate, as an X-Ray SDK would send them.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;

use crate::{
    ledger::{self, Ledger},
    load::{Outcome, Plan},
};

/// Datagrams a second when nothing else is asked for.
pub(crate) const RATE: f64 = 20_000.0;
/// How long the sender rests between looks at the clock: a few datagrams' time at the usual rate.
const REST: Duration = Duration::from_micros(50);

/// The datagram of the segment with this counter, about 1 kB.
fn datagram(counter: u64, now: f64, out: &mut Vec<u8>) -> std::io::Result<()> {
    use std::io::Write as _;
    out.clear();
    let id = ledger::span_id_of(counter);
    write!(
        out,
        "{{\"format\":\"json\",\"version\":1}}\n{{\"name\":\"checkout\",\"id\":\"{id:016x}\",\"start_time\":{:.6},\
         \"trace_id\":\"1-{:08x}-a5bd1e99{id:016x}\",\"end_time\":{now:.6},\"in_progress\":false,",
        now - 0.0137,
        now as u64,
    )?;
    out.write_all(REST_OF_SEGMENT.as_bytes())
}

const REST_OF_SEGMENT: &str = r#""service":{"version":"4.18.2","runtime":"CPython","runtime_version":"3.11.7"},"user":"user-8812734","http":{"request":{"method":"POST","url":"https://shop.example/api/checkout/1017","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/143.0","client_ip":"203.0.113.57"},"response":{"status":200,"content_length":1432}},"aws":{"account_id":"123456789012","ec2":{"instance_id":"i-0abc1234def567890","availability_zone":"eu-west-1a"},"xray":{"sdk":"X-Ray for Python","sdk_version":"2.15.0"}},"annotations":{"tenant":"t-17","cold":false,"items":3,"basket":"EUR"},"metadata":{"default":{"cart":[1017,1018,1019],"note":"prices as of the last full hour","delivery":{"country":"DE","express":false,"slot":"2026-11-21T14:00/16:00","carrier":"post"},"campaign":"autumn-2026","flags":{"new_pricing":true,"express":false}}}}"#;

/// Sends until a segment arrives at the sink, at most for `limit`; returns when that was.
pub(crate) fn first_arrival(target: SocketAddr, ledger: &Ledger, limit: Duration) -> anyhow::Result<Instant> {
    let socket = socket(target)?;
    let deadline = Instant::now() + limit;
    let mut bytes = Vec::new();
    while Instant::now() < deadline {
        datagram(ledger.issue(1), seconds(), &mut bytes)?;
        // Nobody may listen there yet.
        drop(socket.send(&bytes));
        thread::sleep(Duration::from_millis(1));
        if ledger.balance().received > 0 {
            return Ok(Instant::now());
        }
    }
    anyhow::bail!("no segment arrived within {limit:?}")
}

/// Sends `plan.rate` datagrams a second, evenly; what the kernel took counts as acknowledged.
pub(crate) fn run(plan: &Plan, target: SocketAddr, ledger: &Arc<Ledger>) -> anyhow::Result<Outcome> {
    let rate = plan.rate.unwrap_or(RATE);
    let (plan, ledger) = (plan.clone(), Arc::clone(ledger));
    let sender =
        thread::Builder::new().name("load".into()).spawn(move || send(&plan, rate, target, &ledger))?;
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?
}

fn send(plan: &Plan, rate: f64, target: SocketAddr, ledger: &Ledger) -> anyhow::Result<Outcome> {
    let socket = socket(target)?;
    let mut outcome = Outcome::new()?;
    let mut bytes = Vec::new();
    let start = Instant::now();
    while start.elapsed() < plan.duration && outcome.sent < plan.max_requests {
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        while outcome.sent < due.min(plan.max_requests) {
            let counter = ledger.issue(1);
            datagram(counter, seconds(), &mut bytes)?;
            outcome.sent += 1;
            match socket.send(&bytes) {
                Ok(_) => {
                    ledger.acknowledge(counter, 1);
                    outcome.acknowledged += 1;
                }
                Err(_) => outcome.failed += 1,
            }
        }
        thread::sleep(REST);
    }
    outcome.elapsed = start.elapsed();
    Ok(outcome)
}

fn socket(target: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).context("sender")?;
    socket.connect(target)?;
    Ok(socket)
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_a_header_and_a_segment_of_a_kilobyte() {
        let mut bytes = Vec::new();
        datagram(7, 1_700_000_000.5, &mut bytes).expect("written");
        let (header, segment) =
            bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').expect("a newline"));
        let header: serde_json::Value = serde_json::from_slice(header).expect("JSON");
        assert_eq!(header, serde_json::json!({"format": "json", "version": 1}));
        assert!((950..1150).contains(&segment.len()), "{}", segment.len());
        let segment: serde_json::Value = serde_json::from_slice(segment).expect("JSON");
        let id = u64::from_str_radix(segment["id"].as_str().expect("text"), 16).expect("hexadecimal");
        assert_eq!(ledger::counter_of(id), 7);
        assert_eq!(segment["trace_id"].as_str().map(str::len), Some(35));
    }
}
