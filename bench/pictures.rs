//! Plaza's side of `bench/pictures`: the work on one picture, on one thread, and nothing else.
//!
//! Each line of the standard input is a job and a file: `upload PATH` (decode to a stored picture, with a variant and its
//! blurhash), `webp PATH` or `jpeg PATH` (make a 256² variant of a stored picture). Each is answered with the milliseconds it
//! took, the width, height and size in bytes of the result, and the process's peak in KiB. The result is written to PATH with
//! `.stored` (for `upload`), `.webp` or `.jpeg` appended.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use plaza_image::{self as image, EncodedPicture, Format, Limits, Resize};

const SIDE: u32 = 256;
const MASTER: u32 = 2048;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (job, path) = line.split_once(' ').ok_or("a job and a file")?;
        let started = Instant::now();
        let made = match job {
            "upload" => upload(path)?,
            "webp" => variant(path, Format::WebP)?,
            "jpeg" => variant(path, Format::Jpeg)?,
            _ => return Err("no such job".into()),
        };
        let taken = started.elapsed().as_secs_f64() * 1000.0;
        let name = if job == "upload" { format!("{path}.stored") } else { format!("{path}.{job}") };
        std::fs::write(name, &made.bytes)?;
        writeln!(output, "{taken:.3} {} {} {} {}", made.width, made.height, made.bytes.len(), peak())?;
        output.flush()?;
    }
    Ok(())
}

/// Does the work of an upload: the picture that is stored, one variant in both formats, and the blurhash.
fn upload(path: &str) -> Outcome<EncodedPicture> {
    let picture = image::decode(&std::fs::read(path)?, &Limits::default(), MASTER)?;
    let master = picture.encode_original()?;
    let variant = picture.variant(Resize::Fill { width: SIDE, height: SIDE })?;
    variant.encode(Format::WebP)?;
    variant.encode(master.format)?;
    std::hint::black_box(picture.blurhash()?);
    Ok(master)
}

/// Does the work of the first request for a variant, including reading the file.
fn variant(path: &str, format: Format) -> Outcome<EncodedPicture> {
    let picture = image::decode(&std::fs::read(path)?, &Limits::default(), MASTER)?;
    Ok(picture.variant(Resize::Fill { width: SIDE, height: SIDE })?.encode(format)?)
}

/// Returns the process's peak memory in KiB, or 0 if the system does not report it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
