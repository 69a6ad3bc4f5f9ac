//! Rows that an earlier build lost: a failed resampling left the last rows of a picture zero, and reported nothing.
//!
//! Zeroes are black, or transparent where there is alpha. Lossy formats blur them by a few steps, and over the blocks at their edge.

use super::Picture;

/// What is left of zero after a lossy format.
const NEARLY_ZERO: u8 = 12;

impl Picture {
    /// The number of lines that show nothing at all along its four sides: top, right, bottom, left. Which side the last rows of an
    /// upload became depends on its orientation.
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

    /// The number of lines that look lost: empty along one side alone, since a film has black bars on two, or all.
    #[must_use]
    pub fn lines_lost(&self) -> u32 {
        let edges = self.empty_edges();
        let (empty, most) = (edges.iter().filter(|lines| **lines > 0).count(), edges.into_iter().max());
        let all = edges[0] == self.height();
        if empty == 1 || all { most.unwrap_or(0) } else { 0 }
    }

    /// The number of rows at the bottom of a variant that are empty, where what it should be shows something.
    #[must_use]
    pub fn lost_rows(&self, should_be: &Self) -> u32 {
        self.empty_edges()[2].saturating_sub(should_be.empty_edges()[2])
    }
}
