use std::os::fd::AsRawFd;

use super::*;

fn pair(buffer: usize) -> (Bound, std::net::UdpSocket) {
    let bound = Bound::bind("127.0.0.1:0", buffer).unwrap();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(bound.local_addr().unwrap()).unwrap();
    (bound, client)
}

#[tokio::test]
async fn datagrams_come_whole_and_in_order() {
    let (bound, client) = pair(1 << 20);
    let mut receiver = bound.receiver().unwrap();
    assert_eq!(receiver.take_now(|_| ()).unwrap(), Taken::default(), "nothing is there, and nobody waits");
    let sizes: Vec<usize> = (0..100).chain([1500, 65_507]).collect();
    for size in &sizes {
        client.send(&vec![b'x'; *size]).unwrap();
    }
    let mut found = Vec::new();
    while found.len() < sizes.len() {
        receiver.readable().await.unwrap();
        let before = found.len();
        let taken = receiver.take(|datagram| found.push(datagram.len())).unwrap();
        assert_eq!((taken.datagrams, taken.dropped), (found.len() - before, 0));
        assert!(taken.datagrams <= MOST_AT_ONCE);
    }
    assert_eq!(found, sizes);
}

#[tokio::test]
async fn unwatched_datagrams_are_there_when_somebody_looks_or_waits_again() {
    let (bound, client) = pair(1 << 20);
    let mut receiver = bound.receiver().unwrap();
    for round in 1..=3 {
        let watched = receiver.watched.as_ref().map(AsRawFd::as_raw_fd);
        receiver.unwatch();
        assert_eq!(receiver.spare.as_ref().map(AsRawFd::as_raw_fd), watched, "it keeps its descriptor");
        client.send(b"one").unwrap();
        assert_eq!(receiver.take(|_| ()).unwrap().datagrams, 1, "round {round}");
        client.send(b"two").unwrap();
        receiver.readable().await.unwrap();
        assert_eq!(receiver.watched.as_ref().map(AsRawFd::as_raw_fd), watched);
        let taken = receiver.take(|_| ()).unwrap();
        assert_eq!((taken.datagrams, taken.bytes), (1, 3), "round {round}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_kernel_drops_is_counted_once() {
    let (bound, client) = pair(1);
    let mut receiver = bound.receiver().unwrap();
    let (mut sent, mut taken, mut dropped) = (0_usize, 0, 0);
    for _ in 0..2 {
        for _ in 0..500 {
            client.send(&[b'x'; 1000]).unwrap();
            sent += 1;
        }
        dropped += receiver.dropped() as usize;
        assert!(dropped > 100, "the smallest buffer has no room for 500");
        while let Taken { datagrams: 1.., dropped: more, .. } = receiver.take_now(|_| taken += 1).unwrap() {
            dropped += more as usize;
        }
    }
    assert_eq!((taken + dropped, receiver.dropped()), (sent, 0));
    let mut other = bound.receiver().unwrap();
    client.send(b"again").unwrap();
    assert_eq!(other.take_now(|_| ()).unwrap().dropped, 0, "a second receiver does not count them again");
}

/// How a system makes a socket ready.
type Prepare = fn(&Socket, usize);
/// How it takes datagrams.
type Take = fn(&std::net::UdpSocket, &mut [u8], &mut dyn FnMut(&[u8])) -> io::Result<Counted>;

#[test]
fn datagrams_are_taken_the_same_way_on_every_system() {
    let ways: [(Prepare, Take); 2] = [
        (many::prepare, |socket, rooms, each| many::take(socket, rooms, each)),
        (single::prepare, |socket, rooms, each| single::take(socket, rooms, each)),
    ];
    for (prepare, take) in ways {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_nonblocking(true).unwrap();
        prepare(&socket, 1 << 20);
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let socket: std::net::UdpSocket = socket.into();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut rooms = vec![0; MOST_AT_ONCE * ROOM];
        let nothing = take(&socket, &mut rooms, &mut |_| ()).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        // More than are taken at once; the longest there is, and one of nothing.
        let sent: Vec<Vec<u8>> =
            (0..MOST_AT_ONCE + 5).map(|at| vec![at as u8; [at, 65_507][usize::from(at == 3)]]).collect();
        for datagram in &sent {
            client.send_to(datagram, socket.local_addr().unwrap()).unwrap();
        }
        let mut found = Vec::new();
        let counts = [0, 1].map(|_| {
            let each = &mut |datagram: &[u8]| found.push(datagram.to_vec());
            let Counted { datagrams, bytes, .. } = take(&socket, &mut rooms, each).unwrap();
            (datagrams, bytes)
        });
        let (first, rest) = sent.split_at(MOST_AT_ONCE);
        let bytes = |sent: &[Vec<u8>]| sent.iter().map(Vec::len).sum();
        assert_eq!(counts, [(MOST_AT_ONCE, bytes(first)), (5, bytes(rest))]);
        assert!(found == sent, "each whole, and in order");
    }
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(
        (many::dropped(&socket), single::dropped(&socket)),
        (cfg!(target_os = "linux").then_some(0), None)
    );
}

#[test]
fn a_taken_address_is_reported_as_the_collector_does() {
    let (bound, _) = pair(0);
    let endpoint = bound.local_addr().unwrap().to_string();
    let error = Bound::bind(&endpoint, 0).unwrap_err().to_string();
    assert_eq!(error, format!("listen udp {endpoint}: bind: address already in use"));
    assert!(Bound::bind("nowhere", 0).is_err());
}

#[test]
fn more_buffer_is_granted_when_it_is_asked_for() {
    let (small, _) = pair(1);
    let (large, _) = pair(64 << 20);
    assert!(large.granted() > small.granted(), "{:?} {:?}", large.granted(), small.granted());
}

#[test]
fn another_buffer_can_be_asked_for_later() {
    let (bound, _) = pair(1);
    let small = bound.granted();
    bound.ask(64 << 20);
    let large = bound.granted();
    assert!(large > small, "{large:?} {small:?}");
    bound.ask(0);
    assert_eq!(bound.granted(), large, "with 0 nothing is asked");
    bound.ask(1);
    assert_eq!(bound.granted(), small);
}

#[test]
fn a_socket_that_can_t_be_watched_is_spare_again() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let (gone, alive) = (runtime(), runtime());
    let (bound, client) = pair(1 << 20);
    let mut receiver = {
        let _entered = alive.enter();
        bound.receiver().unwrap()
    };
    receiver.unwatch();
    let closed = gone.handle().clone();
    drop(gone);
    for _ in 0..2 {
        let _entered = closed.enter();
        let mut waiting = std::pin::pin!(receiver.readable());
        let polled = waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(polled, std::task::Poll::Ready(Err(_))), "{polled:?}");
    }
    assert!(receiver.spare.is_some(), "no descriptor has to be found for the next time");
    client.send(b"one").unwrap();
    alive.block_on(receiver.readable()).unwrap();
    assert_eq!(receiver.take(|_| ()).unwrap().datagrams, 1);
}

#[test]
fn an_older_number_of_drops_tells_nothing() {
    let (bound, _) = pair(0);
    let told = |now| bound.shared.told(now);
    assert_eq!([5, 3, 5, 9].map(told), [5, 0, 0, 4]);
    bound.shared.dropped.store(u32::MAX - 1, Ordering::Relaxed);
    assert_eq!([u32::MAX, 2, u32::MAX].map(told), [1, 3, 0]);
}
