//! The memory that decoding and the later steps allocate, compared with the estimate of [`Header::memory`], by which the pictures
//! in progress share a budget.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use jpeg_encoder::SamplingFactor;

use super::super::samples::{self, noise, opaque};
use super::super::{Format, Header, Limits, Picture, Resize, inspect};

/// Large enough that buffers of the picture's size dominate.
const SIZE: (u32, u32) = (800, 600);

/// The system's allocator, which counts the bytes that this thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    // Fails only while a thread ends.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

fn size(layout: Layout) -> isize {
    layout.size().cast_signed()
}

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both may exist for a moment, but the system moves pages instead of copying large blocks.
        count(new_size.cast_signed() - size(layout));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Returns the peak of the bytes that `work` held on this thread. Those of libwebp are not included: it allocates in C.
pub(super) fn peak(work: impl FnOnce()) -> u64 {
    let before = HELD.get();
    MOST.set(before);
    work();
    (MOST.get() - before).cast_unsigned() as u64
}

/// Does everything that an upload does, with a variant.
fn upload(bytes: &[u8]) {
    let picture = super::decoded(bytes);
    picture.encode_original().expect("a file");
    let variant = super::resized(&picture, Resize::Fill { width: 256, height: 256 });
    variant.encode(Format::WebP).expect("a file");
    variant.encode_original().expect("a file");
    assert!(picture.blurhash().is_ok_and(|hash| !hash.is_empty()));
}

fn header(bytes: &[u8]) -> Header {
    inspect(bytes, &Limits::default()).expect("a header")
}

/// A picture that is quick to write, hard to compress, and not entirely opaque.
fn loud(width: u32, height: u32) -> image::RgbaImage {
    let mut picture = opaque(&noise(width, height));
    picture.get_pixel_mut(0, 0).0[3] = 0;
    picture
}

/// A picture made without a loop over its pixels, which would take seconds in a debug build.
fn flat(width: u32, height: u32) -> image::RgbImage {
    let pixels = vec![90; width as usize * height as usize * 3];
    image::RgbImage::from_raw(width, height, pixels).expect("as many bytes")
}

fn gif(screen: (u16, u16), frame: (u16, u16)) -> Vec<u8> {
    let indexes = vec![7; usize::from(frame.0) * usize::from(frame.1)];
    samples::gif_of(screen, 0, &[samples::GifFrame { size: frame, indexes, ..samples::GifFrame::default() }])
}

fn jpegs() -> Vec<(&'static str, Vec<u8>)> {
    let picture = noise(SIZE.0, SIZE.1);
    let sampled = |sampling| samples::jpeg_with(&picture, |jpeg| jpeg.set_sampling_factor(sampling));
    let (width, height) = (800, 600);
    vec![
        ("jpeg", samples::jpeg(SIZE.0, SIZE.1)),
        ("loud jpeg, 4:4:4", sampled(SamplingFactor::R_4_4_4)),
        ("loud jpeg, 4:4:0", sampled(SamplingFactor::R_4_4_0)),
        ("loud jpeg, 4:1:0", sampled(SamplingFactor::F_4_2)),
        ("progressive jpeg", samples::progressive_jpeg(&picture)),
        ("progressive jpeg, 4:4:4", {
            samples::jpeg_with(&picture, |jpeg| {
                jpeg.set_progressive(true);
                jpeg.set_sampling_factor(SamplingFactor::R_4_4_4);
            })
        }),
        ("grey jpeg", samples::grey_jpeg(width, height, 90)),
        ("four inks", samples::cmyk_jpeg(width, height, [10, 20, 30, 40], false)),
        ("four inks, transformed", samples::cmyk_jpeg(width, height, [10, 20, 30, 40], true)),
        ("wide jpeg", samples::jpeg(16_000, 40)),
        ("high jpeg", samples::jpeg(40, 16_000)),
        ("flat jpeg", samples::jpeg(16_000, 1)),
        ("progressive flat jpeg", samples::progressive_jpeg(&noise(16_000, 1))),
        ("small jpeg", samples::jpeg(8, 8)),
    ]
}

fn others() -> Vec<(&'static str, Vec<u8>)> {
    let (clear, plain) = (loud(SIZE.0, SIZE.1), noise(SIZE.0, SIZE.1));
    let size = (800_u16, 600_u16);
    let still = samples::lossless_webp(clear.clone());
    let lossy = samples::lossy_webp_with_alpha(&clear);
    vec![
        ("png", samples::png(&plain)),
        ("interlaced png", samples::interlaced_png(SIZE.0, SIZE.1)),
        ("palette png", samples::palette_png(SIZE.0, SIZE.1)),
        ("flat png", samples::flat_png(1000)),
        ("deep png", samples::deep_png(SIZE.0, SIZE.1)),
        ("png with alpha", samples::lossless_png(&clear.clone().into())),
        ("wide png", samples::png(&noise(16_000, 20))),
        ("gif", gif(size, size)),
        ("gif with a small frame", gif(size, (16, 16))),
        ("gif with a large frame", gif((16, 16), size)),
        ("lossy webp", samples::lossy_webp(&plain)),
        ("lossy webp with alpha", lossy.clone()),
        ("lossless webp", samples::lossless_webp(plain.clone())),
        ("lossless webp with alpha", still.clone()),
        ("webp with exif", samples::webp_with_exif(SIZE, &samples::lossless_webp(plain), &samples::exif(5))),
        ("animated webp", samples::animated_webp_at(SIZE, (0, 0), SIZE, &still, true)),
        ("animated lossy webp with alpha", samples::animated_webp_at(SIZE, (0, 0), SIZE, &lossy, false)),
    ]
}

#[test]
fn what_a_decoder_allocates_is_no_more_than_was_told() {
    for (name, bytes) in jpegs().into_iter().chain(others()) {
        let header = header(&bytes);
        let told = header.decoded(32);
        // A decoder's tables.
        let overhead = 64 << 10;
        let peak = peak(|| {
            let picture = super::super::decode(&bytes, &Limits::default(), 32);
            assert!(picture.is_ok(), "{name}: {picture:?}");
        });
        let figures = format!("{name}: {} of {} KiB", peak / 1024, told / 1024);
        assert!(peak <= told + overhead, "{figures}");
        // Nor is the estimate far too high. Any PNG may hold text and profiles that inflate to as much as is allowed.
        assert!(told <= peak * 4 + (18 << 20), "{figures}");
    }
}

#[test]
fn all_that_is_done_with_the_largest_stored_picture_stays_within_the_price() {
    let clear = samples::lossless_webp(loud(2048, 2048));
    let plain = flat(2048, 2048);
    let profile = moxcms::ColorProfile::new_display_p3().encode().expect("a profile");
    let jpeg = samples::jpeg_with(&plain, |jpeg| jpeg.add_icc_profile(&profile).expect("a profile fits"));
    for (name, bytes) in [
        ("turned alpha", samples::webp_with_exif((2048, 2048), &clear, &samples::exif(6))),
        ("turned jpeg with a profile", samples::jpeg_with_exif(&jpeg, &samples::exif(7))),
    ] {
        let told = header(&bytes).memory(2048);
        let peak = peak(|| upload(&bytes));
        let figures = format!("{name}: {} of {} KiB", peak / 1024, told / 1024);
        assert!(peak <= told && told <= peak * 2, "{figures}");
    }
}

#[test]
fn a_stored_picture_that_does_not_compress_is_encoded_within_the_price() {
    let file = samples::lossless_webp(loud(2048, 2048));
    let beside = header(&file).memory(2048) - header(&file).decoded(2048);
    let picture = super::decoded(&file);
    assert_eq!(picture.encode_original().expect("a file").format, Format::Png);
    let peak = peak(|| drop(picture.encode(Format::Png).expect("a file")));
    assert!(peak <= beside, "{} of {} KiB", peak / 1024, beside / 1024);
}

#[test]
fn a_photograph_of_twelve_megapixels_stays_within_64_mib() {
    let bytes = samples::jpeg_with(&flat(4000, 3000), |_| ());
    let turned = samples::jpeg_with_exif(&bytes, &samples::exif(6));
    let peak = peak(|| upload(&turned)) + turned.len() as u64;
    assert!(peak <= 64 << 20, "{} KiB", peak / 1024);
    assert!(header(&turned).memory(2048) <= 64 << 20);
}

#[test]
fn what_is_refused_by_its_header_allocates_nothing() {
    for bytes in [
        samples::png_claiming(12_000, 12_000),
        samples::jpeg_claiming(65_535, 65_535),
        samples::gif_claiming(65_535, 1),
    ] {
        let peak = peak(|| assert!(super::decode(&bytes).is_err()));
        assert!(peak < 4096, "{peak}");
    }
}

#[test]
fn a_bomb_in_a_chunk_is_stopped_within_the_price() {
    for name in [*b"iCCP", *b"zTXt", *b"iTXt"] {
        let bytes = samples::png_bomb(name, 1 << 30);
        let header = header(&bytes);
        let peak = peak(|| {
            let _: Option<Picture> = super::decode(&bytes).ok();
        });
        assert!(peak <= header.memory(2048), "{peak} of {}", header.memory(2048));
    }
}
