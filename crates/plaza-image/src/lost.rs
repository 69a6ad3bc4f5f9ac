//! Detection of rows that an earlier build lost: a failed resampling left the last rows of a picture zero, and reported nothing.
//!
//! Zeroes are black, or transparent if there is alpha. Lossy formats blur them by a few steps, and across the blocks at their
//! edge.

use super::Picture;

/// The largest value that a zero may have after a lossy format.
const NEARLY_ZERO: u8 = 12;

impl Picture {
    /// Returns the number of completely empty lines along the four sides: top, right, bottom, left. The side on which the last
    /// rows of an upload ended up depends on its orientation.
    fn empty_edges(&self) -> [u32; 4] {
        let step = if self.has_alpha() { 4 } else { 3 };
        let (width, height) = (self.width() as usize, self.height() as usize);
        let is_zero = |x: usize, y: usize| {
            let at = (y * width + x) * step;
            let pixel = &self.pixels()[at..at + step];
            if step == 4 { pixel[3] == 0 } else { pixel.iter().all(|value| *value <= NEARLY_ZERO) }
        };
        let row = |y: usize| (0..width).all(|x| is_zero(x, y));
        let column = |x: usize| (0..height).all(|y| is_zero(x, y));
        let top = (0..height).take_while(|y| row(*y)).count();
        let bottom = (0..height).rev().take_while(|y| row(*y)).count();
        let left = (0..width).take_while(|x| column(*x)).count();
        let right = (0..width).rev().take_while(|x| column(*x)).count();
        [top, right, bottom, left].map(|lines| lines as u32)
    }

    /// Returns the number of lines that look lost: empty along only one side, since a film has black bars on two, or in the whole
    /// picture.
    #[must_use]
    pub fn lines_lost(&self) -> u32 {
        let edges = self.empty_edges();
        let (empty, most) = (edges.iter().filter(|lines| **lines > 0).count(), edges.into_iter().max());
        let all = edges[0] == self.height();
        if empty == 1 || all { most.unwrap_or(0) } else { 0 }
    }

    /// Returns the number of rows at the bottom of a variant that are empty, but not empty in `should_be`.
    #[must_use]
    pub fn lost_rows(&self, should_be: &Self) -> u32 {
        self.empty_edges()[2].saturating_sub(should_be.empty_edges()[2])
    }
}
