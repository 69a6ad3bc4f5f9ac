//! The cluster: how it is created and configured.
//!
//! A cluster is created under another name, and renamed when it is complete with its role and database. So whatever is killed on
//! the way, `postgres/` either does not exist or works. The settings that protect the rows and the access to them stand on the
//! server's command line (see `supervisor`), where no file overrides them. `plaza.conf` holds the rest, and lines below its
//! `include` in `postgresql.conf` take precedence.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Output, Stdio};

use nix::sys::signal::Signal;

use super::binaries::Binaries;
use super::error::{self, Error};
use super::folder::Folder;
use super::identity::{OpenFolder, User, command, give};
use super::leftovers;
use super::options::{DATABASE, Options, ROLE};

/// The superuser: only for the operating system user of the server, and only for manual use.
const SUPERUSER: &str = "postgres";

/// Locales to try, the best first: ICU sorts the same way on every machine, and `C.UTF-8` knows letters beyond ASCII, which
/// full-text search needs. There are builds without ICU and systems without `C.UTF-8`.
const LOCALES: [&[&str]; 4] = [
    &["--locale-provider=icu", "--icu-locale=und", "--locale=C.UTF-8"],
    &["--locale-provider=icu", "--icu-locale=und", "--locale=C"],
    &["--locale=C.UTF-8"],
    &["--locale=C"],
];

const CONF: &str = "\
# Written by Plaza at each start. Put your own lines into postgresql.conf, below the line that includes this file.
shared_buffers = '128MB'
jit = off                       # its compilations cost more than these queries
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'               # the log's language
log_line_prefix = '%m [%p] '
log_checkpoints = off
";

impl Folder {
    /// Remove what a killed `initdb` left, and kill the processes that still write there. The caller must hold the lock.
    pub(super) fn clear_half_made(&self, user: &User) -> Result<(), Error> {
        while self.making.exists() {
            leftovers::kill(&self.making, user)?;
            match fs::remove_dir_all(&self.making) {
                // A process that was just starting wrote another file: the next round kills it.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                result => result.map_err(error::io("remove", &self.making))?,
            }
        }
        Ok(())
    }

    /// Create the cluster with its role and database, completely or not at all. The caller must hold the lock.
    pub(super) fn make_cluster(
        &self,
        binaries: &Binaries,
        options: &Options,
        user: &User,
    ) -> Result<(), Error> {
        DirBuilder::new().mode(0o700).create(&self.making).map_err(error::io("create", &self.making))?;
        let made = self.fill(binaries, options, user);
        if made.is_err() {
            // Report the first failure. What cannot be removed now is removed at the next start.
            drop(fs::remove_dir_all(&self.making));
        }
        made
    }

    fn fill(&self, binaries: &Binaries, options: &Options, user: &User) -> Result<(), Error> {
        let folder = OpenFolder::open(&self.making)?;
        folder.give(user)?;
        self.initdb(binaries, options, user, &folder)?;
        self.create_database(binaries, options.path.as_deref(), user, &folder)?;

        let conf = self.making.join("postgresql.conf");
        let stock = fs::read_to_string(&conf).map_err(error::io("read", &conf))?;
        write(&conf, &format!("{stock}\ninclude = 'plaza.conf'\n"), user)?;
        folder.sync()?;

        fs::rename(&self.making, &self.cluster)
            .map_err(error::io("rename the new cluster to", &self.cluster))?;
        OpenFolder::open(&self.root)?.sync()
    }

    fn initdb(
        &self,
        binaries: &Binaries,
        options: &Options,
        user: &User,
        folder: &OpenFolder,
    ) -> Result<(), Error> {
        let program = binaries.initdb();
        let mut first_failure = None;
        for locale in LOCALES {
            let output = command(&program, options.path.as_deref(), user, folder, Signal::SIGKILL)
                .arg("-D")
                .arg(folder.argument())
                .args(["--username", SUPERUSER, "--encoding=UTF8", "--data-checksums", "--no-instructions"])
                .args(["--auth-local=peer", "--auth-host=reject"])
                .args(locale)
                .args((!options.durable).then_some("--no-sync"))
                .output()
                .map_err(spawn_error(&program, user))?;
            if output.status.success() {
                return Ok(());
            }
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            let other_locale_may_do = error.contains("locale") || error.contains("ICU");
            first_failure.get_or_insert(output);
            if !other_locale_may_do {
                break;
            }
        }
        match first_failure {
            Some(output) => Err(self.make_error("initdb", &output)),
            None => Ok(()),
        }
    }

    /// Create the role and the database in single-user mode: there is no server yet that could be found half-finished.
    fn create_database(
        &self,
        binaries: &Binaries,
        path: Option<&OsStr>,
        user: &User,
        folder: &OpenFolder,
    ) -> Result<(), Error> {
        // The program receives its own errors and logs what matters, once. Its users' data does not belong in the server's log.
        let statements = format!(
            "CREATE ROLE {ROLE} LOGIN;\n\
             ALTER ROLE {ROLE} SET log_min_messages = 'log';\n\
             ALTER ROLE {ROLE} SET log_min_error_statement = 'panic';\n\
             CREATE DATABASE {DATABASE} OWNER {ROLE};\n"
        );
        let program = binaries.postgres();
        let mut child = command(&program, path, user, folder, Signal::SIGKILL)
            .arg("--single")
            .arg("-D")
            .arg(folder.argument())
            .args(["-c", "exit_on_error=on", SUPERUSER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(spawn_error(&program, user))?;
        // If the child has ended, its output says why, see below. The pipe is closed here, which ends the session.
        let written = child.stdin.take().map(|mut stdin| stdin.write_all(statements.as_bytes()));
        let output = child.wait_with_output().map_err(spawn_error(&program, user))?;
        match written {
            Some(Ok(())) if output.status.success() => Ok(()),
            _ => Err(self.make_error("postgres --single", &output)),
        }
    }

    fn make_error(&self, program: &'static str, output: &Output) -> Error {
        Error::Make {
            program,
            path: self.cluster.clone(),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        }
    }

    /// Write the files that each start writes again: the settings, and which users may connect as which role.
    pub(super) fn configure(&self, user: &User) -> Result<(), Error> {
        let hba = "# Written by Plaza at each start.\nlocal all all peer map=plaza\n";
        let mut ident =
            vec!["# Written by Plaza at each start.".to_owned(), ident_line(&user.name, SUPERUSER)];
        ident.extend(User::clients(user).iter().map(|client| ident_line(client, ROLE)));
        write(&self.cluster.join("plaza.conf"), CONF, user)?;
        write(&self.cluster.join("pg_hba.conf"), hba, user)?;
        write(&self.cluster.join("pg_ident.conf"), &(ident.join("\n") + "\n"), user)
    }
}

/// Return a function for `map_err` that says which program could not be run as which user.
pub(super) fn spawn_error(program: &Path, user: &User) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Spawn { program: program.to_owned(), user: user.name.clone(), source }
}

/// Return a line of `pg_ident.conf`: this user of the operating system may connect as this role.
fn ident_line(user: &str, role: &str) -> String {
    format!("plaza \"{}\" \"{role}\"", user.replace('"', "\"\""))
}

/// Replace a file as a whole. The new file is created exclusively and then renamed, so that root does not follow a link.
fn write(path: &Path, contents: &str, user: &User) -> Result<(), Error> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error::io("remove", &new)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(error::io("create", &new))?;
    give(&file, &new, user.uid, user.gid)?;
    file.write_all(contents.as_bytes()).map_err(error::io("write", &new))?;
    file.sync_all().map_err(error::io("sync", &new))?;
    fs::rename(&new, path).map_err(error::io("replace", path))
}
