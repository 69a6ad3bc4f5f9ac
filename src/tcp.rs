//! Clients that connect all at the same time, that have silently gone away, or that do not read what they requested.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

/// The backlog: connections that wait to be accepted. The system may have a lower limit (on Linux `net.core.somaxconn`, 4096).
const QUEUE: i32 = 4096;

/// Set a longer backlog than the 128 of the standard library, so that more clients can connect at the same time. If the backlog is
/// full, Linux drops the client's request, and the client tries again after a second, then after two more, and so on. A socket that
/// already listens only gets the new length (`listen(2)`).
pub fn set_backlog(listener: &TcpListener) -> io::Result<()> {
    socket2::SockRef::from(listener).listen(QUEUE)
}

/// Have the system hang up on a client that acknowledges nothing for this long, or whose window stays closed. Otherwise, a client
/// that follows events and reads none would be asked forever whether it has room again (`tcp(7)`, `TCP_USER_TIMEOUT`). This does
/// not affect a connection on which there is nothing to send. The sockets that a listener accepts inherit it.
#[cfg(target_os = "linux")]
pub fn set_user_timeout(listener: &TcpListener, patience: Duration) -> io::Result<()> {
    socket2::SockRef::from(listener).set_tcp_user_timeout(Some(patience))
}

/// Do nothing: other systems have their own limits.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
pub fn set_user_timeout(_: &TcpListener, _: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_crowd_finds_room_before_anybody_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_backlog(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        let crowd: io::Result<Vec<_>> =
            (0..400).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(900))).collect();
        assert_eq!(crowd.unwrap().len(), 400);
    }
}
