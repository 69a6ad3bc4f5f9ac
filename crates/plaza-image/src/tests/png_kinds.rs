//! PNGs of every colour type and depth, plain and interlaced, with the pixels that their definition gives them.

use super::super::samples::{png_chunk, png_raw};

/// Colour type, depth, and whether a tRNS chunk makes something transparent.
#[derive(Clone, Copy, Debug)]
pub struct PngKind {
    pub colour: u8,
    pub depth: u8,
    pub transparent: bool,
}

/// Returns every kind that the format defines.
#[must_use]
pub fn png_kinds() -> Vec<PngKind> {
    let depths: [(u8, &[u8], bool); 5] = [
        (0, &[1, 2, 4, 8, 16], true),
        (2, &[8, 16], true),
        (3, &[1, 2, 4, 8], true),
        (4, &[8, 16], false),
        (6, &[8, 16], false),
    ];
    let mut kinds = Vec::new();
    for (colour, depths, may_be_transparent) in depths {
        for &depth in depths {
            kinds.push(PngKind { colour, depth, transparent: false });
            if may_be_transparent {
                kinds.push(PngKind { colour, depth, transparent: true });
            }
        }
    }
    kinds
}

impl PngKind {
    fn channels(self) -> usize {
        match self.colour {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        }
    }

    /// Returns the stored samples of a pixel. Neighbours differ, every depth uses its whole range, and deep samples differ in
    /// their low bytes too.
    fn samples(self, x: u32, y: u32) -> Vec<u16> {
        let mask = u16::MAX >> (16 - self.depth);
        (0..self.channels())
            .map(|channel| {
                let mixed = (x * 3 + y * 7 + channel as u32 * 5 + 1).wrapping_mul(2_654_435_761);
                (mixed >> 16) as u16 & mask
            })
            .collect()
    }

    /// Returns the pixel that a tRNS chunk of a grey or coloured picture makes transparent: the first one.
    fn hidden(self) -> Vec<u16> {
        self.samples(0, 0)
    }

    fn palette(self) -> Vec<[u8; 4]> {
        (0..1_u32 << self.depth)
            .map(|index| {
                let [a, b, c, d] = index.wrapping_mul(2_246_822_519).wrapping_add(77).to_le_bytes();
                // tRNS is shorter than the palette. Colours beyond its end are opaque.
                let covered = self.transparent && index < (1 << self.depth) / 2;
                [a, b, c, if covered { d } else { u8::MAX }]
            })
            .collect()
    }

    /// Returns the red, green, blue and alpha of a pixel: shallow samples widened, deep ones cut to their high byte.
    fn shows(self, x: u32, y: u32) -> [u8; 4] {
        let samples = self.samples(x, y);
        let byte = |sample: u16| match self.depth {
            16 => sample.to_be_bytes()[0],
            depth => (u32::from(sample) * 255 / ((1 << depth) - 1)) as u8,
        };
        let alpha = if self.transparent && samples == self.hidden() { 0 } else { u8::MAX };
        match *samples.as_slice() {
            [index] if self.colour == 3 => self.palette()[usize::from(index)],
            [grey] => [byte(grey), byte(grey), byte(grey), alpha],
            [grey, alpha] => [byte(grey), byte(grey), byte(grey), byte(alpha)],
            [red, green, blue] => [byte(red), byte(green), byte(blue), alpha],
            [red, green, blue, alpha] => [byte(red), byte(green), byte(blue), byte(alpha)],
            _ => [0; 4],
        }
    }

    fn chunks(self) -> Vec<u8> {
        let palette: Vec<u8> =
            self.palette().iter().flat_map(|colour| [colour[0], colour[1], colour[2]]).collect();
        let mut chunks = if self.colour == 3 { png_chunk(*b"PLTE", &palette) } else { Vec::new() };
        if self.transparent {
            let body: Vec<u8> = if self.colour == 3 {
                self.palette().iter().take((1 << self.depth) / 2).map(|colour| colour[3]).collect()
            } else {
                self.hidden().iter().flat_map(|sample| sample.to_be_bytes()).collect()
            };
            chunks.extend(png_chunk(*b"tRNS", &body));
        }
        chunks
    }

    /// Returns one row of pixels with its filter byte, packed from the highest bit on.
    fn row(self, pixels: impl Iterator<Item = (u32, u32)>) -> Vec<u8> {
        let (mut row, mut bits, mut held) = (vec![0], 0_u64, 0);
        for sample in pixels.flat_map(|(x, y)| self.samples(x, y)) {
            bits = bits << self.depth | u64::from(sample);
            held += self.depth;
            while held >= 8 {
                held -= 8;
                row.push((bits >> held) as u8);
            }
        }
        if held > 0 {
            row.push((bits << (8 - held)) as u8);
        }
        row
    }

    /// Returns the file, and four bytes for each pixel that it shows.
    #[must_use]
    pub fn png(self, width: u32, height: u32, interlaced: bool) -> (Vec<u8>, Vec<u8>) {
        let adam7 = [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ];
        let passes = if interlaced { &adam7[..] } else { &[(0, 0, 1, 1)] };
        let mut rows = Vec::new();
        for &(x0, y0, dx, dy) in passes.iter().filter(|pass| pass.0 < width) {
            for y in (y0..height).step_by(dy) {
                rows.extend(self.row((x0..width).step_by(dx).map(|x| (x, y))));
            }
        }
        let file = png_raw((width, height), self.depth, self.colour, interlaced, &self.chunks(), &rows);
        let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| self.shows(x, y))).collect();
        (file, pixels)
    }
}
