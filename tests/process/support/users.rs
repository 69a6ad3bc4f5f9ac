//! Users of the operating system: who runs the tests, and whom root can also be.

pub const ROOT: u32 = 0;
/// Two users that every Linux has.
pub const DAEMON: u32 = 1;
pub const NOBODY: u32 = 65534;

/// Who runs the tests.
pub fn me() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

pub fn is_root() -> bool {
    me() == ROOT
}

/// `other`, as whom root may run the program; for anybody else there is only oneself.
pub fn ordinary(other: u32) -> u32 {
    if is_root() { other } else { me() }
}

/// Look at files as this user: not even root may see where another's process works, in a container.
pub fn with_eyes_of<T>(uid: u32, look: impl FnOnce() -> T) -> T {
    if !is_root() {
        return look();
    }
    // SAFETY: takes a plain number, concerns this thread only, and returns the identity before.
    let before = unsafe { libc::setfsuid(uid) };
    let seen = look();
    // SAFETY: as above.
    unsafe { libc::setfsuid(before.cast_unsigned()) };
    seen
}
