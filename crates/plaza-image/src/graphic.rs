//! Graphics, which are drawn, not photographed: logos, diagrams, screenshots. JPEG frays their edges, and takes more bytes for
//! them.

use std::collections::HashMap;

use super::Picture;

/// Maximum number of colours of a palette.
const COLOURS: usize = 256;

/// The few colours of a picture, in the order in which they first appear, and each pixel's index among them.
pub(super) struct Palette {
    /// Four bytes each.
    pub colours: Vec<[u8; 4]>,
    pub indexes: Vec<u8>,
}

impl Palette {
    /// Returns `None` for more than 256 colours. A photograph has them within its first lines, so the check costs little.
    pub fn of(picture: &Picture) -> Option<Self> {
        let (mut colours, mut places) = (Vec::new(), HashMap::new());
        let mut last: Option<([u8; 4], u8)> = None;
        let mut indexes = Vec::new();
        for colour in picture.colours() {
            let index = match last {
                Some((same, index)) if same == colour => index,
                _ => *match places.entry(colour) {
                    std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::hash_map::Entry::Vacant(_) if colours.len() == COLOURS => return None,
                    std::collections::hash_map::Entry::Vacant(new) => {
                        colours.push(colour);
                        new.insert((colours.len() - 1) as u8)
                    }
                },
            };
            last = Some((colour, index));
            indexes.push(index);
        }
        Some(Self { colours, indexes })
    }

    /// Returns the bits of an index in a PNG.
    pub fn depth(&self) -> u8 {
        match self.colours.len() {
            0..=2 => 1,
            3..=4 => 2,
            5..=16 => 4,
            _ => 8,
        }
    }

    /// Returns the indexes of a picture of this width as a PNG packs them: each line begins with a new byte.
    pub fn packed(&self, width: u32) -> Vec<u8> {
        let depth = usize::from(self.depth());
        let pack = |few: &[u8]| {
            few.iter().enumerate().fold(0, |byte, (place, index)| byte | index << (8 - depth * (place + 1)))
        };
        let lines = self.indexes.chunks_exact(width as usize);
        lines.flat_map(|line| line.chunks(8 / depth).map(pack)).collect()
    }
}

impl Picture {
    /// Whether lossless formats may suit the picture better: at least half of its pixels continue their left neighbour, or its
    /// colours fit a palette. A picture from a JPEG has already lost its edges.
    pub(super) fn is_graphic(&self) -> bool {
        if self.is_from_jpeg() {
            return false;
        }
        let step = if self.has_alpha() { 4 } else { 3 };
        let continued = |line: &[u8]| {
            let (pixels, next) = (line.chunks_exact(step), line[step..].chunks_exact(step));
            pixels.zip(next).filter(|(pixel, next)| pixel == next).count()
        };
        let lines = self.pixels().chunks_exact(self.width() as usize * step);
        let same: usize = lines.map(continued).sum();
        same * 2 >= self.pixels().len() / step || Palette::of(self).is_some()
    }

    /// Returns each pixel as red, green, blue and alpha.
    fn colours(&self) -> impl Iterator<Item = [u8; 4]> {
        let step = if self.has_alpha() { 4 } else { 3 };
        self.pixels()
            .chunks_exact(step)
            .map(|pixel| [pixel[0], pixel[1], pixel[2], pixel.get(3).copied().unwrap_or(u8::MAX)])
    }
}
