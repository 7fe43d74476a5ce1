//! One datagram a call, where there is no `recvmmsg`. What the kernel drops is not known there.

use std::io;
use std::net::UdpSocket;

use socket2::Socket;

use super::{Counted, MOST_AT_ONCE, ROOM};

pub(super) fn prepare(socket: &Socket, buffer: usize) {
    if buffer > 0 {
        socket.set_recv_buffer_size(buffer).ok();
    }
}

/// Nobody tells.
pub(super) const fn dropped(_: &UdpSocket) -> Option<u32> {
    None
}

pub(super) fn take(socket: &UdpSocket, rooms: &mut [u8], mut each: impl FnMut(&[u8])) -> io::Result<Counted> {
    let room = rooms.get_mut(..ROOM).unwrap_or_default();
    let mut counted = Counted::default();
    while counted.datagrams < MOST_AT_ONCE {
        match socket.recv(room) {
            Ok(len) => {
                each(room.get(..len).unwrap_or_default());
                counted.bytes += len;
            }
            Err(_) if counted.datagrams > 0 => break,
            Err(error) => return Err(error),
        }
        counted.datagrams += 1;
    }
    Ok(counted)
}
