//! Where the data folder may be, and where the server's socket is then.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::support::{DAEMON, Place, is_root, socket_folder};

#[test]
fn paths_too_long_or_too_odd_for_a_socket_do() {
    for name in ["long".repeat(40), "a b,c%&'\"=é".to_owned()] {
        let place = Place::named(&name);
        let plaza = place.serve();
        let socket = socket_folder(place.data()).expect("a running server");
        let mode = fs::metadata(&socket).expect("the socket's folder").mode() & 0o777;
        assert_eq!(mode, 0o700, "only the server's user may enter {}", socket.display());
        assert_eq!(place.database_url(), plaza.database_url(), "another command finds it");
        plaza.remember("kept");
        plaza.kill();
        let again = place.serve();
        assert_eq!(again.remembered(), "kept", "every committed row is there");
        again.stop();
        assert!(!socket.exists(), "{} is removed with the server", socket.display());
    }
}

#[test]
fn a_relative_path_is_one() {
    let place = Place::untouched();
    let mut command = place.command(["dbshell", "--data-dir", "data", "--", "-qAtc", "select 1"]);
    command.current_dir(place.home());
    assert_eq!(crate::support::Output::of(command).succeeded(), "1\n", "a folder beside the program's");
}

#[test]
fn a_socket_folder_that_others_may_enter_is_not_trusted() {
    let place = Place::named(&"long".repeat(40));
    let plaza = place.serve();
    let socket = socket_folder(place.data()).expect("a running server");
    plaza.stop();

    fs::create_dir(&socket).expect("a folder");
    let _removed = Removed(socket.clone());
    fs::set_permissions(&socket, Permissions::from_mode(0o755)).expect("our own folder");
    let refused = place.try_serve().expect_err("others may enter the folder");
    assert!(refused.said.contains(&socket.display().to_string()), "it names the folder: {refused:?}");

    if is_root() {
        fs::set_permissions(&socket, Permissions::from_mode(0o700)).expect("our own folder");
        chown(&socket, Some(DAEMON), Some(DAEMON)).expect("root may");
        let refused = place.try_serve().expect_err("the folder is somebody else's");
        assert!(refused.said.contains(&socket.display().to_string()), "it names the folder: {refused:?}");
    }
    fs::remove_dir(&socket).expect("empty");
    place.serve().stop();
}

/// A folder outside the test's own, removed when this is dropped.
struct Removed(std::path::PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
