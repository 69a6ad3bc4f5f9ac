//! The orientation in EXIF data, and nothing else from it.
//!
//! The other data of a camera may be damaged, and often is: editing programs truncate it or leave dangling pointers. So only the
//! first directory is read, entry by entry, and anything that cannot be read is ignored.

use ::image::metadata::Orientation;

const ORIENTATION: u16 = 0x0112;

/// Returns the orientation in a TIFF structure, whatever integer type it is written with.
pub(super) fn orientation(tiff: &[u8]) -> Orientation {
    value(tiff).and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

fn value(tiff: &[u8]) -> Option<u8> {
    let is_little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let number = |at: usize, length: usize| -> Option<u32> {
        let bytes = tiff.get(at..at.checked_add(length)?)?;
        let shifted = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
        Some(if is_little { bytes.iter().rev().fold(0, shifted) } else { bytes.iter().fold(0, shifted) })
    };
    let directory = number(4, 4)? as usize;
    let entries = number(directory, 2)? as usize;
    // Tag, type and count, then the value, left-aligned in four bytes.
    let entry = (0..entries)
        .map_while(|entry| directory.checked_add(2 + 12 * entry))
        .take_while(|&entry| entry + 12 <= tiff.len())
        .find(|&entry| number(entry, 2) == Some(ORIENTATION.into()))?;
    if number(entry + 4, 4)? != 1 {
        return None;
    }
    let length = match number(entry + 2, 2)? {
        // BYTE and SBYTE, SHORT and SSHORT, LONG and SLONG.
        1 | 6 => 1,
        3 | 8 => 2,
        4 | 9 => 4,
        _ => return None,
    };
    number(entry + 8, length)?.try_into().ok()
}
