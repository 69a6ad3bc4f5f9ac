//! Clients that all come at once, that have gone without a word, or that read nothing of what they asked for.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

/// Connections that wait to be accepted; the system may have a lower limit (on Linux `net.core.somaxconn`, 4096).
const QUEUE: i32 = 4096;

/// Let more clients come at once than the 128 of the standard library: Linux drops who finds the queue full, and they try again
/// after a second, then after two more, and so on. A socket that listens already is only told the new length (`listen(2)`).
pub fn let_many_wait(listener: &TcpListener) -> io::Result<()> {
    socket2::SockRef::from(listener).listen(QUEUE)
}

/// Have the system hang up on a client that acknowledges nothing for this long, or whose window stays shut: who follows events and
/// reads none would otherwise be asked for ever whether it has room again (`tcp(7)`, `TCP_USER_TIMEOUT`). A connection on which
/// there is nothing to send is not concerned. The sockets that a listener accepts inherit it.
#[cfg(target_os = "linux")]
pub fn hang_up_after(listener: &TcpListener, patience: Duration) -> io::Result<()> {
    socket2::SockRef::from(listener).set_tcp_user_timeout(Some(patience))
}

/// Other systems have their own limits.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
pub fn hang_up_after(_: &TcpListener, _: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_crowd_finds_room_before_anybody_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let_many_wait(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        let crowd: io::Result<Vec<_>> =
            (0..400).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(900))).collect();
        assert_eq!(crowd.unwrap().len(), 400);
    }
}
