//! `recvmmsg`, of Linux.

use std::fs::{read_link, read_to_string};
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg, setsockopt, sockopt};
use socket2::Socket;

use super::{Counted, MOST_AT_ONCE, ROOM};

/// Asks for a large buffer and to be told of drops. A system that has neither still serves.
pub(super) fn prepare(socket: &Socket, buffer: usize) {
    if buffer > 0 && setsockopt(socket, sockopt::RcvBufForce, &buffer).is_err() {
        // Without the capability to go beyond net.core.rmem_max: as much as that is.
        socket.set_recv_buffer_size(buffer).ok();
    }
    setsockopt(socket, sockopt::RxqOvfl, &1).ok();
}

/// How many datagrams the kernel has dropped since the socket exists, as its table of sockets has it: [`take`] is told only
/// with what comes after them. It wraps.
///
/// Source: `proc_net_udp` in proc(5), and `udp4_format_sock` of Linux, which writes the number last.
pub(super) fn dropped(socket: &UdpSocket) -> Option<u32> {
    let name = read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    let inode = name.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    let is_ipv4 = socket.local_addr().ok()?.is_ipv4();
    let table = read_to_string(if is_ipv4 { "/proc/self/net/udp" } else { "/proc/self/net/udp6" }).ok()?;
    let row = table.lines().find(|row| row.split_ascii_whitespace().nth(INODE) == Some(inode))?;
    row.split_ascii_whitespace().next_back()?.parse().ok()
}

/// The column of a socket's inode in that table.
const INODE: usize = 9;

/// Takes as many datagrams as there are rooms, [`MOST_AT_ONCE`], without waiting.
///
/// The headers are made anew for each call: the kernel writes into them how much of their room for control messages it
/// has used, which the next call would take for all there is.
pub(super) fn take(socket: &UdpSocket, rooms: &mut [u8], mut each: impl FnMut(&[u8])) -> io::Result<Counted> {
    let mut lengths = [0; MOST_AT_ONCE];
    let mut counted = Counted::default();
    {
        let mut rooms = rooms.chunks_exact_mut(ROOM);
        let mut slices: [_; MOST_AT_ONCE] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let mut headers: MultiHeaders<()> =
            MultiHeaders::preallocate(slices.len(), Some(nix::cmsg_space!(u32)));
        let received =
            recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        for (message, len) in received.zip(&mut lengths) {
            *len = message.bytes;
            counted.datagrams += 1;
            counted.bytes += message.bytes;
            for told in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(dropped) = told {
                    counted.dropped = Some(dropped);
                }
            }
        }
    }
    for (room, len) in rooms.chunks_exact(ROOM).zip(lengths).take(counted.datagrams) {
        each(room.get(..len).unwrap_or_default());
    }
    Ok(counted)
}
