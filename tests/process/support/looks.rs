//! What tests check besides responses: files against rows, metrics, memory.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{Plaza, try_psql};
use crate::buckets::files_below;

/// Longer than any claim of a dead node lasts. A job's claim is the longest: one minute.
const CLAIMS: Duration = Duration::from_mins(2);

/// The memory of the program as reported by the kernel, in KiB.
#[derive(Debug)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
}

impl Memory {
    pub fn of(plaza: &Plaza) -> Self {
        let status = fs::read_to_string(format!("/proc/{}/status", plaza.pid())).expect("it is alive");
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        Self { resident: value("VmRSS:"), peak: value("VmHWM:") }
    }
}

/// The value of a metric. `name` includes the labels as they are printed.
pub fn metric(plaza: &Plaza, name: &str) -> u64 {
    let text = plaza.operator().get("/metrics").expect(200).text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number {name} in:\n{text}"))
}

/// Wait until no file is being written and none waits for its removal.
pub fn settled(database: &str) {
    let sql = "select (select string_agg(key, ' ') from files where stored_at is null), \
               (select string_agg(payload::text, ' ') from jobs where kind = 'media.remove')";
    let deadline = Instant::now() + CLAIMS;
    loop {
        let left = try_psql(database, sql).expect("the database answers");
        if left == "|" {
            return;
        }
        assert!(Instant::now() < deadline, "this was never cleaned up: {left}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Assert that the store contains exactly the files that have rows, and no unfinished ones. `what` appears in the
/// failure message.
#[track_caller]
pub fn store_and_rows_agree(database: &str, media: &Path, what: &str) {
    let rows = try_psql(database, "select key from files").expect("the database answers");
    let rows: BTreeSet<String> = rows.lines().map(ToOwned::to_owned).collect();
    let files: BTreeSet<String> = files_below(media).into_iter().collect();
    let only = |some: &BTreeSet<String>, others| some.difference(others).cloned().collect::<Vec<_>>();
    let (unnamed, missing) = (only(&files, &rows), only(&rows, &files));
    assert!(
        unnamed.is_empty() && missing.is_empty(),
        "{what}: no row names {unnamed:?}, no file is {missing:?}"
    );
    for file in files {
        let length = fs::metadata(media.join(&file)).expect("it is there").len();
        assert!(length > 0, "{what}: {file} is empty");
    }
    let shown = "select coalesce(string_agg(key, ' '), '') from pictures where 1 <> \
                 (select count(*) from profiles where avatar_key = key) + \
                 (select count(*) from posts where cover_key = key)";
    let unused = try_psql(database, shown).expect("the database answers");
    assert_eq!(unused, "", "{what}: every picture is shown by one profile or post");
}
