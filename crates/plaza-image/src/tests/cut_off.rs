//! Pictures that end too early, although an end marker follows: an upload that was interrupted, and a program that added the
//! marker.

use super::super::Rejection;
use super::super::samples::{self, noise};
use super::jpegs::reference_files;
use super::{decode, decoded};

const EOI: [u8; 2] = [0xFF, 0xD9];

/// Where the data of each scan begins and ends.
fn scans(jpeg: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut scans = Vec::new();
    let mut at = 2;
    while jpeg[at + 1] != 0xD9 {
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        let is_scan = jpeg[at + 1] == 0xDA;
        at += 2 + length;
        if is_scan {
            let start = at;
            while jpeg[at] != 0xFF || matches!(jpeg[at + 1], 0x00 | 0xD0..=0xD7) {
                at += 1;
            }
            scans.push(start..at);
        }
    }
    scans
}

/// The file up to this position, with an end marker.
fn ended(jpeg: &[u8], at: usize) -> Vec<u8> {
    let kept = &jpeg[..at];
    // Half a marker is not a marker.
    [kept.strip_suffix(&[0xFF]).unwrap_or(kept), &EOI].concat()
}

fn kinds() -> Vec<(String, Vec<u8>)> {
    let picture = noise(120, 90);
    let with = |set: fn(&mut jpeg_encoder::Encoder<&mut Vec<u8>>)| samples::jpeg_with(&picture, set);
    let ours = [
        ("baseline", with(|_| ())),
        ("restarts", with(|jpeg| jpeg.set_restart_interval(4))),
        ("progressive", with(|jpeg| jpeg.set_progressive(true))),
        (
            "progressive with restarts",
            with(|jpeg| {
                jpeg.set_progressive(true);
                jpeg.set_restart_interval(4);
            }),
        ),
    ];
    let theirs = reference_files().filter(|(name, _)| !name.contains("arithmetic"));
    let ours = ours.map(|(name, bytes)| (name.to_owned(), bytes));
    ours.into_iter().chain(theirs.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))).collect()
}

#[test]
fn a_scan_that_ends_early_is_refused_wherever_it_ends() {
    for (name, bytes) in kinds() {
        decoded(&bytes);
        for (number, scan) in scans(&bytes).into_iter().enumerate() {
            for at in (scan.start..scan.end).step_by((scan.len() / 40).max(1)) {
                let refused = decode(&ended(&bytes, at));
                assert!(
                    matches!(refused, Err(Rejection::Corrupt(_))),
                    "{name}, scan {number} {scan:?}, cut at {at}: {refused:?}"
                );
            }
        }
    }
}

#[test]
fn scans_that_are_missing_are_refused() {
    for (name, bytes) in kinds() {
        let scans = scans(&bytes);
        for (number, scan) in scans.iter().enumerate().take(scans.len() - 1) {
            let refused = decode(&ended(&bytes, scan.end));
            assert!(
                matches!(refused, Err(Rejection::Corrupt(_))),
                "{name}, after scan {number}: {refused:?}"
            );
        }
    }
}

#[test]
fn a_scan_that_is_left_out_is_missed() {
    let progressive = reference_files().filter(|(name, _)| name.contains("progressive"));
    for (name, bytes) in progressive {
        let scans = scans(bytes);
        // From the end of the previous scan, including tables, to the end of this one.
        for pair in scans.windows(2) {
            let without = [&bytes[..pair[0].end], &bytes[pair[1].end..]].concat();
            let refused = decode(&without);
            assert!(
                matches!(refused, Err(Rejection::Corrupt(_))),
                "{name} without {:?}: {refused:?}",
                pair[1]
            );
        }
    }
}

#[test]
fn arithmetic_codes_that_end_early_are_refused() {
    // A decoder takes missing data as zeroes, so only the pixels show that data is missing.
    for (name, bytes) in reference_files().filter(|(name, _)| name.contains("arithmetic")) {
        decoded(bytes);
        let scan = scans(bytes).swap_remove(0);
        // With no data at all, the result is what a single grey would be encoded to.
        for percent in [10, 25, 50, 75, 90] {
            let refused = decode(&ended(bytes, scan.start + scan.len() * percent / 100));
            assert!(matches!(refused, Err(Rejection::Corrupt(_))), "{name} at {percent} %: {refused:?}");
        }
    }
}
