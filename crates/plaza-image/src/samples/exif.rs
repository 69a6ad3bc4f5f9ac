//! EXIF data as cameras write it, in both byte orders, and as only a broken one would.

/// The type of a value in TIFF.
pub const SHORT: u16 = 3;
pub const LONG: u16 = 4;

const ORIENTATION: u16 = 0x0112;

/// A TIFF structure with an orientation and a geographical position.
#[must_use]
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x02".to_vec();
    // Tag, type (short), count, value.
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1]);
    tiff.extend(orientation.to_be_bytes());
    tiff.extend([0, 0]);
    // The offset of the GPS directory.
    tiff.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38]);
    tiff.extend([0; 4]);
    // GPSLatitudeRef: N.
    tiff.extend([0, 1, 0, 1, 0, 2, 0, 0, 0, 2, b'N', 0, 0, 0, 0, 0, 0, 0]);
    tiff
}

/// A TIFF structure that is written number by number, in either byte order.
pub struct Tiff {
    little: bool,
    bytes: Vec<u8>,
}

impl Tiff {
    /// The header, with the offset of the first directory. An offset of 8 is directly after the header.
    #[must_use]
    pub fn new(little: bool, offset: u32) -> Self {
        Self { little, bytes: if little { b"II".to_vec() } else { b"MM".to_vec() } }.short(42).long(offset)
    }

    #[must_use]
    pub fn short(mut self, value: u16) -> Self {
        self.bytes.extend(if self.little { value.to_le_bytes() } else { value.to_be_bytes() });
        self
    }

    #[must_use]
    pub fn long(mut self, value: u32) -> Self {
        self.bytes.extend(if self.little { value.to_le_bytes() } else { value.to_be_bytes() });
        self
    }

    /// An entry of a directory that holds the orientation.
    #[must_use]
    pub fn orientation(self, kind: u16, value: u16) -> Self {
        let entry = self.short(ORIENTATION).short(kind).long(1);
        if kind == LONG { entry.long(value.into()) } else { entry.short(value).short(0) }
    }

    /// An entry without meaning.
    #[must_use]
    pub fn other(self, tag: u16) -> Self {
        self.short(tag).short(LONG).long(1).long(0)
    }

    #[must_use]
    pub fn done(self) -> Vec<u8> {
        self.bytes
    }
}

/// What a camera writes: one directory, with the orientation among other entries, and no further directory.
#[must_use]
pub fn exif_in(little: bool, orientation: u16) -> Vec<u8> {
    Tiff::new(little, 8).short(3).other(0x0100).orientation(SHORT, orientation).other(0x8769).long(0).done()
}

/// EXIF data that breaks a rule, with the name of the rule. Where an orientation can be read from it, it is 6.
#[must_use]
pub fn odd_exif(little: bool) -> Vec<(&'static str, Vec<u8>)> {
    let tiff = |offset| Tiff::new(little, offset);
    let garbage = |length: u32| (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
    vec![
        ("nothing", Vec::new()),
        ("no magic number", b"MM\0\0\0\0\0\x08".to_vec()),
        ("an orientation of zero", exif_in(little, 0)),
        ("an orientation of nine", exif_in(little, 9)),
        ("an orientation of 65535", exif_in(little, u16::MAX)),
        ("a long orientation", tiff(8).short(1).orientation(LONG, 6).long(0).done()),
        ("a text for orientation", tiff(8).short(1).orientation(2, 6).long(0).done()),
        ("two equal ones", tiff(8).short(2).orientation(SHORT, 6).orientation(SHORT, 6).long(0).done()),
        ("an empty one first", tiff(8).short(2).orientation(SHORT, 0).orientation(SHORT, 6).long(0).done()),
        ("an offset beyond the end", tiff(4096).short(1).orientation(SHORT, 6).long(0).done()),
        ("an offset at the end of numbers", tiff(u32::MAX).short(1).orientation(SHORT, 6).long(0).done()),
        ("a directory upon the header", tiff(0).short(1).orientation(SHORT, 6).long(0).done()),
        ("a directory that follows itself", tiff(8).short(1).other(0x0100).long(8).done()),
        ("a second directory that leads back", {
            tiff(8).short(1).other(0x0100).long(26).short(1).orientation(SHORT, 6).long(8).done()
        }),
        ("more entries than bytes", tiff(8).short(u16::MAX).orientation(SHORT, 6).done()),
        ("garbage of 64 KiB", garbage(65_000).collect()),
        ("a directory of garbage", tiff(8).done().into_iter().chain(garbage(65_000)).collect()),
    ]
}
