//! Conversion from the colours that a file declares to sRGB.
//!
//! Phones photograph in Display P3, cameras in Adobe RGB, and print shops use inks. Without its profile, a picture of theirs
//! looks dull. Most profiles are sRGB under one of a hundred names, and converting those would only cost time and rounding. So
//! the effect of a profile decides, not its name.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, TransferCharacteristics, TransformOptions, XyY, curve_from_gamma,
};

use super::Fault;
use super::raster::{Channels, Raster};

/// The largest shift of a colour, in steps of 255, with which a profile still counts as sRGB.
const UNSEEN: u8 = 2;

/// The colour space that a file declares for its pixels.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Colours {
    /// An ICC profile, unchecked.
    Icc(Vec<u8>),
    /// Code points of ITU-T H.273: primaries and transfer characteristics.
    Cicp(u8, u8),
    /// A PNG's gamma, and its white, red, green and blue points if it declares them.
    Gamma(f32, Option<[(f32, f32); 4]>),
}

impl Colours {
    /// Returns `None` for colours that are broken or unknown, which browsers ignore.
    fn profile(&self, is_grey: bool) -> Option<ColorProfile> {
        match self {
            Self::Icc(bytes) => ColorProfile::new_from_slice(bytes).ok(),
            Self::Cicp(primaries, transfer) => cicp(*primaries, *transfer),
            Self::Gamma(gamma, _) if is_grey => Some(ColorProfile::new_gray_with_gamma(gamma.recip())),
            Self::Gamma(gamma, points) => {
                let mut profile = ColorProfile::new_srgb();
                set_curve(&mut profile, gamma.recip());
                if let Some(points) = points {
                    let [white, red, green, blue] = points.map(|(x, y)| Chromaticity { x, y });
                    let white = XyY { x: white.x.into(), y: white.y.into(), yb: 1.0 };
                    profile.update_rgb_colorimetry(white, ColorPrimaries { red, green, blue });
                }
                Some(profile)
            }
        }
    }
}

/// Whether a profile can be read at all. If it cannot, browsers look for another declaration of the colours.
pub(super) fn is_readable(profile: &[u8]) -> bool {
    ColorProfile::new_from_slice(profile).is_ok()
}

/// Whether browsers know these code points. Others are ignored. Primaries 10 are not light, and the transfers 9, 10 and 12 have
/// no useful curve.
pub(super) fn is_known_cicp(primaries: u8, transfer: u8) -> bool {
    matches!(primaries, 1 | 4..=9 | 11 | 12 | 22) && matches!(transfer, 1 | 4..=6 | 8 | 11 | 13..=16 | 18)
}

fn cicp(primaries: u8, transfer: u8) -> Option<ColorProfile> {
    let mut profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    // A profile of unspecified code points has no curves.
    profile.red_trc.as_ref()?;
    // A camera's curve is displayed with a screen's curve (ITU-R BT.1886), which is not its inverse.
    if matches!(transfer, 1 | 6 | 11 | 14 | 15) {
        set_curve(&mut profile, 2.4);
    }
    Some(profile)
}

fn set_curve(profile: &mut ColorProfile, gamma: f32) {
    let curve = curve_from_gamma(gamma);
    profile.cicp = None;
    profile.red_trc = Some(curve.clone());
    profile.green_trc = Some(curve.clone());
    profile.blue_trc = Some(curve);
}

/// Returns grey with the curve of sRGB, so that grey of any profile looks as it would among colours.
fn grey_srgb() -> ColorProfile {
    let mut grey = ColorProfile::new_gray_with_gamma(1.0);
    grey.gray_trc = ColorProfile::new_srgb().red_trc;
    grey
}

/// Converts to sRGB. A profile that is broken, or for another kind of picture, is ignored, as browsers do.
pub(super) fn to_srgb(raster: Raster, colours: &Colours) -> Result<Raster, Fault> {
    let is_grey = matches!(raster.channels, Channels::Grey | Channels::GreyAlpha);
    let Some(profile) = colours.profile(is_grey) else { return Ok(raster) };
    match (raster.channels, profile.color_space) {
        (Channels::Grey | Channels::GreyAlpha, DataColorSpace::Gray) => {
            converted(raster, &profile, &grey_srgb())
        }
        // Browsers apply it: a camera in black-and-white mode writes its colour profile.
        (Channels::Grey | Channels::GreyAlpha, DataColorSpace::Rgb) => {
            converted(raster.into_colour(), &profile, &ColorProfile::new_srgb())
        }
        (Channels::Rgb | Channels::Rgba, DataColorSpace::Rgb) => {
            converted(raster, &profile, &ColorProfile::new_srgb())
        }
        (Channels::Cmyk, DataColorSpace::Cmyk) => from_inks(raster, &profile),
        _ => Ok(raster),
    }
}

fn layout(channels: Channels) -> Layout {
    match channels {
        Channels::Grey => Layout::Gray,
        Channels::GreyAlpha => Layout::GrayAlpha,
        Channels::Rgb => Layout::Rgb,
        // moxcms has no separate layout for four inks.
        Channels::Rgba | Channels::Cmyk => Layout::Rgba,
    }
}

fn converted(raster: Raster, profile: &ColorProfile, target: &ColorProfile) -> Result<Raster, Fault> {
    let layout = layout(raster.channels);
    let Ok(transform) = profile.create_transform_8bit(layout, target, layout, TransformOptions::default())
    else {
        return Ok(raster);
    };
    let probe = match raster.channels {
        Channels::Grey => (0..=u8::MAX).collect(),
        Channels::GreyAlpha => (0..=u8::MAX).flat_map(|grey| [grey, u8::MAX]).collect(),
        Channels::Rgb => lattice(false),
        Channels::Rgba | Channels::Cmyk => lattice(true),
    };
    let mut probed = vec![0; probe.len()];
    transform.transform(&probe, &mut probed).map_err(Fault::new)?;
    if probe.iter().zip(&probed).all(|(before, after)| before.abs_diff(*after) <= UNSEEN) {
        return Ok(raster);
    }
    let mut pixels = vec![0; raster.pixels.len()];
    transform.transform(&raster.pixels, &mut pixels).map_err(Fault::new)?;
    Ok(Raster { pixels, ..raster })
}

fn from_inks(mut raster: Raster, profile: &ColorProfile) -> Result<Raster, Fault> {
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let Ok(transform) = profile.create_transform_8bit(Layout::Rgba, &srgb, Layout::Rgb, options) else {
        return Ok(raster);
    };
    // A profile counts ink the other way round.
    raster.pixels.iter_mut().for_each(|ink| *ink = u8::MAX - *ink);
    let mut pixels = vec![0; raster.pixels.len() / 4 * 3];
    transform.transform(&raster.pixels, &mut pixels).map_err(Fault::new)?;
    Ok(Raster { channels: Channels::Rgb, pixels, ..raster })
}

/// Returns colours that are evenly spread over the colour cube.
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
