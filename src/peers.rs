//! Clients that have gone without a word, or that read nothing of what they asked for.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

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
