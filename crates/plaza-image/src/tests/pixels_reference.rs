//! A slow Lanczos, with which the resampler is compared.

use super::super::raster::Raster;
use super::super::resize::Plan;

/// Lanczos as Pillow defines it, one value at a time.
fn lanczos(at: f64) -> f64 {
    let sinc =
        |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    if at.abs() < 3.0 { sinc(at) * sinc(at / 3.0) } else { 0.0 }
}

/// Returns the source pixels from which a target pixel is made, and the share of each.
fn weights(start: f64, step: f64, at: u32, source: u32) -> Vec<(usize, f64)> {
    let (scale, centre) = (step.max(1.0), start + (f64::from(at) + 0.5) * step);
    let weight = |pixel: u32| lanczos((f64::from(pixel) + 0.5 - centre) / scale);
    let weights: Vec<_> = (0..source)
        .map(|pixel| (pixel as usize, weight(pixel)))
        .filter(|(_, weight)| *weight != 0.0)
        .collect();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights.into_iter().map(|(pixel, weight)| (pixel, weight / sum)).collect()
}

/// Returns what a plan makes of a picture, with alpha multiplied if there is one.
pub(super) fn reference(source: &Raster, plan: &Plan) -> Vec<f64> {
    let count = source.channels.count();
    let width = source.width as usize;
    let value = |x: usize, y: usize, channel: usize| {
        let pixel = &source.pixels[(y * width + x) * count..][..count];
        let is_alpha = channel + 1 == count;
        let alpha =
            if source.channels.has_alpha() && !is_alpha { f64::from(pixel[count - 1]) / 255.0 } else { 1.0 };
        f64::from(pixel[channel]) * alpha
    };
    let (x_step, y_step) =
        (plan.crop_width / f64::from(plan.width), plan.crop_height / f64::from(plan.height));
    let columns: Vec<_> = (0..plan.width).map(|x| weights(plan.left, x_step, x, source.width)).collect();
    let mut shown = Vec::new();
    for y in 0..plan.height {
        let rows = weights(plan.top, y_step, y, source.height);
        let line: Vec<f64> = (0..width * count)
            .map(|at| rows.iter().map(|(row, weight)| value(at / count, *row, at % count) * weight).sum())
            .collect();
        for column in &columns {
            for channel in 0..count {
                let sum: f64 = column.iter().map(|(x, weight)| line[x * count + channel] * weight).sum();
                shown.push(sum.clamp(0.0, 255.0));
            }
        }
    }
    shown
}
