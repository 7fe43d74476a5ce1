//! `recvmmsg`, of Linux.

use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg, setsockopt, sockopt};
use socket2::Socket;

use super::{Counted, ROOM};

/// Asks for a large buffer and to be told of drops. A system that has neither still serves.
pub(super) fn prepare(socket: &Socket, buffer: usize) {
    if buffer > 0 && setsockopt(socket, sockopt::RcvBufForce, &buffer).is_err() {
        // Without the capability to go beyond net.core.rmem_max: as much as that is.
        socket.set_recv_buffer_size(buffer).ok();
    }
    setsockopt(socket, sockopt::RxqOvfl, &1).ok();
}

/// Takes as many datagrams as there are rooms, without waiting.
///
/// The headers are made anew for each call: the kernel writes into them how much of their room for control messages it
/// has used, which the next call would take for all there is.
pub(super) fn take(socket: &UdpSocket, rooms: &mut [u8], mut each: impl FnMut(&[u8])) -> io::Result<Counted> {
    let mut lengths = Vec::with_capacity(rooms.len() / ROOM);
    let mut counted = Counted::default();
    {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            rooms.chunks_exact_mut(ROOM).map(|room| [IoSliceMut::new(room)]).collect();
        let mut headers: MultiHeaders<()> =
            MultiHeaders::preallocate(slices.len(), Some(nix::cmsg_space!(u32)));
        let received =
            recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        for message in received {
            lengths.push(message.bytes);
            for told in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(dropped) = told {
                    counted.dropped = Some(dropped);
                }
            }
        }
    }
    counted.datagrams = lengths.len();
    counted.bytes = lengths.iter().sum();
    for (room, len) in rooms.chunks_exact(ROOM).zip(lengths) {
        each(room.get(..len).unwrap_or_default());
    }
    Ok(counted)
}
