//! `with-postgres COMMAND…`: start what the tests of a run share, run COMMAND with it, and end with COMMAND's exit
//! code.

#[path = "database.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod database;

use std::process::{Command, ExitCode};
use std::{env, fs};

use database::{CLUSTER, MEMORY, Run, SERVER};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let program = arguments.next().expect("with-postgres COMMAND…");
    let run = Run::start();
    let folder = run.folder.clone().expect("it is this program's own");
    let mut command = Command::new(program);
    command.args(arguments).env(SERVER, &run.url).env(CLUSTER, &run.cluster);
    if folder.starts_with(MEMORY) {
        // Tests write their temporary files here, too. If the run's folder is on a disk, tests use the system's
        // temporary folder, since all users may enter that one.
        let scratch = folder.join("tmp");
        drop(fs::remove_dir_all(&scratch));
        fs::create_dir(&scratch).expect("a folder of its own");
        command.env("TMPDIR", &scratch);
    }
    let status = command.status().expect("the command can be run");
    drop(run);
    drop(fs::remove_dir_all(&folder));
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
