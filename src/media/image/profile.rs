//! Embedded colour profiles to sRGB.
//!
//! Phones photograph in Display P3, cameras in Adobe RGB; without its profile such a picture looks dull. Most profiles are sRGB by one
//! of a hundred names, and converting those would only cost time and rounding, so what a profile does decides, not what it is called.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::raster::{Channels, Raster};

/// What a profile may move a colour by and still count as sRGB, in steps of 255.
const UNSEEN: u8 = 2;

/// Converts to sRGB. A profile that is broken, or for another kind of picture (CMYK's, once the decoder made RGB of it), is ignored as
/// browsers do.
pub(super) fn to_srgb(raster: Raster, profile: &[u8]) -> Raster {
    let Ok(profile) = ColorProfile::new_from_slice(profile) else {
        return raster;
    };
    let grey = matches!(raster.channels, Channels::Grey | Channels::GreyAlpha);
    let expected = if grey { DataColorSpace::Gray } else { DataColorSpace::Rgb };
    if profile.color_space != expected {
        return raster;
    }
    let (layout, probe) = match raster.channels {
        Channels::Grey => (Layout::Gray, (0..=u8::MAX).collect()),
        Channels::GreyAlpha => (Layout::GrayAlpha, (0..=u8::MAX).flat_map(|grey| [grey, u8::MAX]).collect()),
        Channels::Rgb => (Layout::Rgb, lattice(false)),
        Channels::Rgba => (Layout::Rgba, lattice(true)),
    };
    let target = if grey { ColorProfile::new_gray_with_gamma(2.2) } else { ColorProfile::new_srgb() };
    let Ok(transform) = profile.create_transform_8bit(layout, &target, layout, TransformOptions::default())
    else {
        return raster;
    };
    let mut probed = vec![0; probe.len()];
    let moves = transform.transform(&probe, &mut probed).is_ok()
        && probe.iter().zip(&probed).any(|(before, after)| before.abs_diff(*after) > UNSEEN);
    if !moves {
        return raster;
    }
    let mut pixels = vec![0; raster.pixels.len()];
    match transform.transform(&raster.pixels, &mut pixels) {
        Ok(()) => Raster { pixels, ..raster },
        Err(_) => raster,
    }
}

/// Colours evenly spread over the cube.
fn lattice(alpha: bool) -> Vec<u8> {
    let steps = || (0..=u8::MAX).step_by(51);
    let mut colours = Vec::new();
    for red in steps() {
        for green in steps() {
            for blue in steps() {
                colours.extend([red, green, blue]);
                if alpha {
                    colours.push(u8::MAX);
                }
            }
        }
    }
    colours
}
