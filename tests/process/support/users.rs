//! Users of the operating system: the user who runs the tests, and others that root can run programs as.

pub const ROOT: u32 = 0;
/// Two users that exist on every Linux system.
pub const DAEMON: u32 = 1;
pub const NOBODY: u32 = 65534;

/// The user who runs the tests.
pub fn me() -> u32 {
    // SAFETY: `geteuid` takes no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

pub fn is_root() -> bool {
    me() == ROOT
}

/// `other` if the tests run as root, which may run the program as that user; otherwise the user who runs the tests.
pub fn ordinary(other: u32) -> u32 {
    if is_root() { other } else { me() }
}

/// Access files as this user: in a container, even root may not read the working directory of another user's process.
pub fn with_eyes_of<T>(uid: u32, look: impl FnOnce() -> T) -> T {
    if !is_root() {
        return look();
    }
    // SAFETY: `setfsuid` takes a plain number, affects only this thread, and returns the previous identity.
    let before = unsafe { libc::setfsuid(uid) };
    let seen = look();
    // SAFETY: as above.
    unsafe { libc::setfsuid(before.cast_unsigned()) };
    seen
}
