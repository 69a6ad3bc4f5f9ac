//! PNGs, some of them assembled from chunks: no encoder writes interlaced ones, false claims or bombs.

use image::{DynamicImage, ImageFormat, RgbImage};

use super::{BLUE, GREEN, RED, YELLOW, half_transparent, long, made, quadrants, saved, short};

#[must_use]
pub fn png(picture: &RgbImage) -> Vec<u8> {
    saved(picture.clone(), ImageFormat::Png)
}

/// A PNG of any picture.
#[must_use]
pub fn lossless_png(picture: &DynamicImage) -> Vec<u8> {
    saved(picture.clone(), ImageFormat::Png)
}

/// The quadrants, with the right half half transparent.
#[must_use]
pub fn png_with_alpha(width: u32, height: u32) -> Vec<u8> {
    saved(half_transparent(width, height), ImageFormat::Png)
}

/// One chunk: length, name, body, checksum.
#[must_use]
pub fn png_chunk(name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&name, body].concat();
    let crc = !named.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    let length = long(body.len());
    [&length.to_be_bytes(), named.as_slice(), &crc.to_be_bytes()].concat()
}

/// A PNG from its parts. `chunks` are placed between header and pixels. `rows` are as stored, with filter bytes, before
/// compression.
#[must_use]
pub fn png_raw(
    size: (u32, u32),
    depth: u8,
    colour: u8,
    interlaced: bool,
    chunks: &[u8],
    rows: &[u8],
) -> Vec<u8> {
    let header =
        [&size.0.to_be_bytes()[..], &size.1.to_be_bytes(), &[depth, colour, 0, 0, u8::from(interlaced)]]
            .concat();
    [
        b"\x89PNG\r\n\x1a\n",
        png_chunk(*b"IHDR", &header).as_slice(),
        chunks,
        &png_chunk(*b"IDAT", &stored_zlib(rows)),
        &png_chunk(*b"IEND", &[]),
    ]
    .concat()
}

/// The PNG with a chunk directly after its header, and so before its pixels.
#[must_use]
pub fn with_chunk(png: &[u8], name: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&png[..33], &png_chunk(name, body), &png[33..]].concat()
}

/// The PNG with a chunk directly before its end, and so after its pixels.
#[must_use]
pub fn with_late_chunk(png: &[u8], name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let end = png.len() - 12;
    [&png[..end], &png_chunk(name, body), &png[end..]].concat()
}

/// The quadrants with a palette of four colours, two bits per pixel.
#[must_use]
pub fn palette_png(width: u32, height: u32) -> Vec<u8> {
    let palette = png_chunk(*b"PLTE", &[RED, GREEN, BLUE, YELLOW].concat());
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0);
        let indexes: Vec<u8> =
            (0..width).map(|x| u8::from(x >= width / 2) + 2 * u8::from(y >= height / 2)).collect();
        rows.extend(
            indexes.chunks(4).map(|four| {
                four.iter().enumerate().fold(0, |byte, (at, index)| byte | index << (6 - 2 * at))
            }),
        );
    }
    png_raw((width, height), 2, 3, false, &palette, &rows)
}

/// The quadrants in Adam7's seven passes.
#[must_use]
pub fn interlaced_png(width: u32, height: u32) -> Vec<u8> {
    let picture = quadrants(width, height);
    let mut rows = Vec::new();
    for (x0, y0, dx, dy) in
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    {
        for y in (y0..height).step_by(dy) {
            if x0 < width {
                rows.push(0);
                rows.extend((x0..width).step_by(dx).flat_map(|x| picture.get_pixel(x, y).0));
            }
        }
    }
    png_raw((width, height), 8, 2, true, &[], &rows)
}

/// A PNG with sixteen bits per channel.
#[must_use]
pub fn deep_png(width: u32, height: u32) -> Vec<u8> {
    saved(DynamicImage::from(half_transparent(width, height)).into_rgba16(), ImageFormat::Png)
}

/// A header that claims a size, and a few bytes of pixels: 74 bytes.
#[must_use]
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    png_raw((width, height), 8, 2, false, &[], &[0; 6])
}

/// A complete PNG of one colour that compresses to almost nothing: one bit per pixel.
#[must_use]
pub fn flat_png(side: u32) -> Vec<u8> {
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    let length = u64::from(side) * u64::from(side.div_ceil(8) + 1);
    [
        b"\x89PNG\r\n\x1a\n",
        png_chunk(*b"IHDR", &header).as_slice(),
        &png_chunk(*b"IDAT", &zeros_zlib(length)),
        &png_chunk(*b"IEND", &[]),
    ]
    .concat()
}

/// A small PNG with a chunk (`iCCP`, `zTXt` or `iTXt`) that inflates to `bytes` zeros.
#[must_use]
pub fn png_bomb(name: [u8; 4], bytes: u64) -> Vec<u8> {
    let prefix: &[u8] = if &name == b"iTXt" { b"key\0\x01\0\0\0" } else { b"key\0\0" };
    with_chunk(&png(&quadrants(16, 16)), name, &[prefix, &zeros_zlib(bytes)].concat())
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

/// A zlib stream without compression.
#[must_use]
pub fn stored_zlib(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let last = bytes.chunks(0xFFFF).count() - 1;
    for (index, block) in bytes.chunks(0xFFFF).enumerate() {
        let length = short(block.len());
        stream.push(u8::from(index == last));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(bytes).to_be_bytes());
    stream
}

/// A zlib stream of about `count` zeros, written without producing them: each two bits say "258 times the last byte", as tightly
/// as deflate can, a thousandth of what the stream inflates to.
fn zeros_zlib(count: u64) -> Vec<u8> {
    let copies = count.saturating_sub(1).div_ceil(258);
    // Values are written with their lowest bit first, codes with their highest. This is the last block, with its own codes: 286
    // for literals and lengths, 1 for distances, described by 18 lengths of codes.
    let mut head = vec![(0b101, 3), (29, 5), (0, 5), (14, 4)];
    // Those lengths: 1 for "many zeros" (18), which is third; 2 for 2 and for 1, which are sixteenth and last.
    head.extend((0..18).map(|at| match at {
        2 => (1, 3),
        15 | 17 => (2, 3),
        _ => (0, 3),
    }));
    let zeros = |count: u8| [(0, 1), (count - 11, 7)];
    let (one, two) = ((0b01, 2), (0b11, 2));
    // The literal 0 and the end (256) have two bits; 258 times (285) and the distance 1 have one.
    head.extend([[two].as_slice(), &zeros(138), &zeros(117), &[two], &zeros(28), &[one, one]].concat());
    // The literal 0; then the copies, which are zeros too; then the end.
    head.push((0b01, 2));
    let bits: Vec<bool> = head
        .into_iter()
        .flat_map(|(value, length): (u8, u32)| (0..length).map(move |at| value >> at & 1 == 1))
        .collect();
    let end = bits.len() + 2 * made(usize::try_from(copies));
    let mut block = vec![0; (end + 2).div_ceil(8)];
    for at in bits.iter().enumerate().filter_map(|(at, bit)| bit.then_some(at)).chain([end, end + 1]) {
        block[at / 8] |= 1 << (at % 8);
    }
    // Adler's sum over zeros: a remains 1, and b counts.
    let sum = long(made(usize::try_from((1 + copies * 258) % 65_521))) << 16 | 1;
    [&[0x78, 0x01], block.as_slice(), &sum.to_be_bytes()].concat()
}

/// A PNG with a colour profile.
#[must_use]
pub fn png_with_profile(png: &[u8], profile: &[u8]) -> Vec<u8> {
    with_chunk(png, *b"iCCP", &[b"name\0\0", stored_zlib(profile).as_slice()].concat())
}

/// A PNG with text that is compressed in name only, so that tests can search for it.
#[must_use]
pub fn png_with_compressed_text(png: &[u8], text: &[u8]) -> Vec<u8> {
    with_chunk(png, *b"zTXt", &[b"Comment\0\0", stored_zlib(text).as_slice()].concat())
}
