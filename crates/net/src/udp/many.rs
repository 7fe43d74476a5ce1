//! `recvmmsg`, of Linux.

use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::sockopt::{self, GetStruct};
use nix::sys::socket::{MsgFlags, MultiHeaders, getsockopt, recvmmsg, setsockopt};
use socket2::Socket;

use super::{Counted, MOST_AT_ONCE, ROOM};

/// `SO_MEMINFO`, of which the last number is how many datagrams were dropped.
///
/// Source: `include/uapi/asm-generic/socket.h` and `include/uapi/linux/sock_diag.h` of Linux 4.12.
const SO_MEMINFO: libc::c_int = 55;
type MemInfo = [u32; 9];

#[derive(Clone, Copy, Debug)]
struct GetMemInfo;
nix::getsockopt_impl!(GetMemInfo, libc::SOL_SOCKET, SO_MEMINFO, MemInfo, GetStruct<MemInfo>);

/// Asks for a large buffer. A system that has none still serves.
pub(super) fn prepare(socket: &Socket, buffer: usize) {
    if buffer > 0 && setsockopt(socket, sockopt::RcvBufForce, &buffer).is_err() {
        // Without the capability to go beyond net.core.rmem_max: as much as that is.
        socket.set_recv_buffer_size(buffer).ok();
    }
}

/// How many datagrams the kernel has dropped since the socket exists, if it tells. It wraps.
pub(super) fn dropped(socket: &UdpSocket) -> Option<u32> {
    getsockopt(socket, GetMemInfo).ok()?.last().copied()
}

/// Takes as many datagrams as there are rooms, [`MOST_AT_ONCE`], without waiting.
pub(super) fn take(socket: &UdpSocket, rooms: &mut [u8], mut each: impl FnMut(&[u8])) -> io::Result<Counted> {
    let mut lengths = [0; MOST_AT_ONCE];
    let mut counted = Counted::default();
    {
        let mut rooms = rooms.chunks_exact_mut(ROOM);
        let mut slices: [_; MOST_AT_ONCE] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let mut headers: MultiHeaders<()> = MultiHeaders::preallocate(slices.len(), None);
        let received =
            recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        for (message, len) in received.zip(&mut lengths) {
            *len = message.bytes;
            counted.datagrams += 1;
            counted.bytes += message.bytes;
        }
    }
    for (room, len) in rooms.chunks_exact(ROOM).zip(lengths).take(counted.datagrams) {
        each(room.get(..len).unwrap_or_default());
    }
    Ok(counted)
}
