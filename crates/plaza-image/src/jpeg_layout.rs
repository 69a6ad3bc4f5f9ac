//! The markers of a JPEG: what the file declares, and whether everything that it declares is present.

use std::borrow::Cow;

use super::Rejection;

const TRUNCATED: Rejection = Rejection::Corrupt("it ends too early");
const MALFORMED: Rejection = Rejection::Corrupt("its structure is not valid");

/// Encoders write about ten scans for a progressive picture. Each scan costs a pass over the picture, so hundreds are an attack.
const MAX_SCANS: usize = 32;

const TEM: u8 = 0x01;
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DNL: u8 = 0xDC;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;

/// A segment: its marker, the marker's position, the position of the fill bytes before it, and the content after its length.
/// Markers without a length have an empty body.
struct Segment<'a> {
    marker: u8,
    at: usize,
    filled_from: usize,
    body: &'a [u8],
}

/// Walks from marker to marker as libjpeg does. Everything else between them is skipped, including the data of a scan.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    fn next(&mut self) -> Result<Segment<'a>, Rejection> {
        loop {
            let rest = self.bytes.get(self.at..).ok_or(TRUNCATED)?;
            let filled_from = self.at + rest.iter().position(|&byte| byte == 0xFF).ok_or(TRUNCATED)?;
            // Any number of fill bytes may precede a marker.
            let fill = self.bytes[filled_from..].iter().position(|&byte| byte != 0xFF).ok_or(TRUNCATED)?;
            let (at, marker) = (filled_from + fill - 1, self.bytes[filled_from + fill]);
            self.at = at + 2;
            match marker {
                // A stuffed byte or a restart: part of the data of a scan.
                0x00 | TEM | 0xD0..=0xD7 => {}
                SOI => return Err(MALFORMED),
                EOI => return Ok(Segment { marker, at, filled_from, body: &[] }),
                _ => return self.segment(marker, at, filled_from),
            }
        }
    }

    fn segment(&mut self, marker: u8, at: usize, filled_from: usize) -> Result<Segment<'a>, Rejection> {
        let length = self.bytes.get(self.at..self.at + 2).ok_or(TRUNCATED)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(MALFORMED);
        }
        let body = self.bytes.get(self.at + 2..self.at + length).ok_or(TRUNCATED)?;
        self.at += length;
        Ok(Segment { marker, at, filled_from, body })
    }
}

/// A component's id and sampling.
pub(super) struct Component {
    id: u8,
    pub h: u8,
    pub v: u8,
}

/// The content of the header.
pub(super) struct Frame {
    process: u8,
    /// The position of the height in the file.
    at_height: usize,
    /// Whether the height follows the first scan.
    is_height_late: bool,
    pub width: u32,
    pub height: u32,
    pub components: Vec<Component>,
    /// Whether the first scan holds every component, so that rows can be finished as they are read.
    pub is_interleaved: bool,
}

impl Frame {
    /// Reads no further than necessary: to the first scan, or past it if the height is to follow.
    pub fn find(bytes: &[u8]) -> Result<Self, Rejection> {
        let mut segments = Segments::of(bytes);
        let mut frame = loop {
            let segment = segments.next()?;
            match segment.marker {
                0xC0..=0xCF if !matches!(segment.marker, 0xC4 | 0xC8 | 0xCC) => break Self::read(&segment)?,
                SOS | EOI => return Err(MALFORMED),
                _ => {}
            }
        };
        loop {
            // Anything missing after the header is rejected by `Layout`.
            match segments.next() {
                Ok(Segment { marker: SOS, body, .. }) => {
                    frame.is_interleaved =
                        body.first().map(|&count| usize::from(count)) == Some(frame.components.len());
                    if frame.height > 0 {
                        return Ok(frame);
                    }
                }
                Ok(Segment { marker: DNL, body: &[high, low], .. }) if frame.height == 0 => {
                    frame.height = u16::from_be_bytes([high, low]).into();
                    return Ok(frame);
                }
                Ok(Segment { marker: EOI, .. }) | Err(_) => return Ok(frame),
                Ok(_) => {}
            }
        }
    }

    fn read(segment: &Segment<'_>) -> Result<Self, Rejection> {
        let [depth, h1, h0, w1, w0, count, components @ ..] = segment.body else {
            return Err(MALFORMED);
        };
        // Lossless and hierarchical frames, and twelve bits, are used in medicine. Browsers do not show them.
        if !matches!(segment.marker, 0xC0..=0xC2 | 0xC9 | 0xCA) || *depth != 8 {
            return Err(Rejection::Unsupported);
        }
        let components: Vec<_> = components
            .chunks_exact(3)
            .take(usize::from(*count))
            .map(|of| Component { id: of[0], h: of[1] >> 4, v: of[1] & 15 })
            .collect();
        let is_sampled = |of: &Component| (1..=4).contains(&of.h) && (1..=4).contains(&of.v);
        if components.len() != usize::from(*count) || !components.iter().all(is_sampled) {
            return Err(MALFORMED);
        }
        if !matches!(components.len(), 1 | 3 | 4) {
            return Err(Rejection::Unsupported);
        }
        let height = u16::from_be_bytes([*h1, *h0]).into();
        Ok(Self {
            process: segment.marker,
            at_height: segment.at + 5,
            is_height_late: height == 0,
            width: u16::from_be_bytes([*w1, *w0]).into(),
            height,
            components,
            is_interleaved: true,
        })
    }

    pub fn is_progressive(&self) -> bool {
        matches!(self.process, 0xC2 | 0xCA)
    }

    pub fn is_arithmetic(&self) -> bool {
        matches!(self.process, 0xC9 | 0xCA)
    }

    /// Whether decoding needs a modified copy of the file.
    pub fn is_copied(&self) -> bool {
        self.is_arithmetic() || self.is_height_late
    }

    /// Returns the largest sampling factors.
    pub fn sampling(&self) -> (u64, u64) {
        self.components.iter().fold((1, 1), |(h, v), of| (h.max(of.h.into()), v.max(of.v.into())))
    }
}

/// How far a component's coefficients have been sent: for each, the number of low bits still missing.
type Missing = [Option<u8>; 64];

/// A whole file, from its first marker to its last.
pub(super) struct Layout<'a> {
    pub frame: Frame,
    pub exif: Option<&'a [u8]>,
    /// Number, count and content of the pieces of a profile.
    icc: Vec<(u8, u8, &'a [u8])>,
    /// The positions at which the data of each scan ends.
    ends: Vec<usize>,
}

impl<'a> Layout<'a> {
    /// Rejects a file that lacks its end, a scan, or a part of its coefficients.
    pub fn of(bytes: &'a [u8]) -> Result<Self, Rejection> {
        let mut layout = Self { frame: Frame::find(bytes)?, exif: None, icc: Vec::new(), ends: Vec::new() };
        let mut missing: Vec<Missing> = layout.frame.components.iter().map(|_| [None; 64]).collect();
        let (mut segments, mut scans, mut in_scan) = (Segments::of(bytes), 0, false);
        loop {
            let segment = segments.next()?;
            if std::mem::take(&mut in_scan) {
                layout.ends.push(segment.filled_from);
            }
            match segment.marker {
                EOI => break,
                SOS => {
                    (scans, in_scan) = (scans + 1, true);
                    layout.frame.count_scan(segment.body, &mut missing)?;
                }
                // Browsers ignore EXIF data after the first scan. The second zero is padding, which some encoders do not set.
                APP1 if layout.exif.is_none() && scans == 0 => {
                    let exif = segment.body.strip_prefix(b"Exif\0").and_then(|padded| padded.get(1..));
                    layout.exif = exif.filter(|exif| !exif.is_empty());
                }
                APP2 => {
                    if let Some([number, count, piece @ ..]) = segment.body.strip_prefix(b"ICC_PROFILE\0") {
                        layout.icc.push((*number, *count, piece));
                    }
                }
                _ => {}
            }
        }
        if scans > MAX_SCANS {
            return Err(Rejection::Corrupt("it has too many scans"));
        }
        if missing.iter().flatten().any(|bits| *bits != Some(0)) {
            return Err(TRUNCATED);
        }
        Ok(layout)
    }

    /// Returns the joined pieces of the profile, if all of them are present.
    pub fn icc_profile(&self) -> Option<Vec<u8>> {
        let count = self.icc.first()?.1;
        let piece = |number| self.icc.iter().find(|piece| piece.0 == number).map(|piece| piece.2);
        (1..=count).map(piece).collect::<Option<Vec<_>>>().map(|pieces| pieces.concat())
    }

    /// Returns the file with its height in its header.
    pub fn with_height<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if !self.frame.is_height_late {
            return bytes.into();
        }
        let mut bytes = bytes.to_vec();
        let height = (self.frame.height as u16).to_be_bytes();
        bytes[self.frame.at_height..self.frame.at_height + 2].copy_from_slice(&height);
        bytes.into()
    }

    /// Returns the file with other data after each scan of an arithmetic coder. A decoder takes missing data as zeroes, and an
    /// encoder omits some zeroes at the end. So the only sign that data was cut off is that the pixels depend on what follows it.
    pub fn with_other_ends(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut changed, mut from) = (Vec::with_capacity(bytes.len() + 96 * self.ends.len()), 0);
        for &end in &self.ends {
            changed.extend(&bytes[from..end]);
            changed.extend([[0; 16], [0x5A; 16], [0xA5; 16]].concat());
            from = end;
        }
        changed.extend(&bytes[from..]);
        changed
    }
}

impl Frame {
    /// Records which coefficients a scan sends of which component.
    fn count_scan(&self, body: &[u8], missing: &mut [Missing]) -> Result<(), Rejection> {
        let Some((&count, rest)) = body.split_first() else { return Err(MALFORMED) };
        let Some((selectors, &[first, last, bits, ..])) = rest.split_at_checked(usize::from(count) * 2)
        else {
            return Err(MALFORMED);
        };
        // Some encoders leave these bytes empty where they have no meaning.
        let (first, last, left) = if self.is_progressive() {
            (usize::from(first), usize::from(last), bits & 15)
        } else {
            (0, 63, 0)
        };
        let mut seen = vec![false; missing.len()];
        for selector in selectors.chunks_exact(2) {
            // If components share an id, each of them is meant once.
            let of = self.components.iter().zip(&seen).position(|(of, seen)| of.id == selector[0] && !seen);
            let of = of.ok_or(MALFORMED)?;
            seen[of] = true;
            missing[of].get_mut(first..=last).ok_or(MALFORMED)?.fill(Some(left));
        }
        Ok(())
    }
}
