//! The thirty characters from which a client draws a preview until the picture arrives.

use super::resize::Resize;
use super::{Fault, Picture};

/// A hash has at most 4 × 3 waves, so more pixels than this only cost time.
const SAMPLE: u32 = 32;

impl Picture {
    /// Returns the [BlurHash](https://blurha.sh) of the picture, laid on white: 4 × 3 components, or 3 × 4 if it is taller than
    /// wide.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the picture cannot be resampled.
    pub fn blurhash(&self) -> Result<String, Fault> {
        let sample = self.variant(Resize::Fit { width: SAMPLE, height: SAMPLE })?;
        let (x, y) = if sample.height() > sample.width() { (3, 4) } else { (4, 3) };
        let pixels: Vec<u8> = sample
            .on_white()
            .chunks_exact(3)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX])
            .collect();
        blurhash::encode(x, y, sample.width(), sample.height(), &pixels).map_err(Fault::new)
    }
}
