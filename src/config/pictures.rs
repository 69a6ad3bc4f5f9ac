//! Settings of pictures: where they are stored, which variants they have, and who serves them.

use std::str::FromStr;
use std::time::Duration;

use chrono::format::{Item, StrftimeItems};
use chrono::{TimeZone, Utc};
use clap::Args;
use plaza_image::Resize;
use url::Url;

use super::time::duration;
use super::values::{Switch, base_url};
use crate::media::variants::{Folder, PictureKind, PictureKinds, PicturePurpose, Variant, VariantName};

/// Maximum length of a variant's side, in pixels.
const LONGEST: u32 = 2048;

/// The settings of pictures: where they are stored, which variants they have, and who serves them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pictures")]
pub struct Pictures {
    /// Folder of avatars in the store: a strftime pattern
    #[arg(long, env = "PLAZA_AVATAR_FOLDER", default_value = "avatars/%Y/%m/%d", global = true)]
    pub avatar_folder: Folder,

    /// Folder of covers in the store: a strftime pattern
    #[arg(long, env = "PLAZA_COVER_FOLDER", default_value = "covers/%Y/%m/%d", global = true)]
    pub cover_folder: Folder,

    /// Variants of avatars, as NAME=MODE:WIDTHxHEIGHT; the mode is fill (exactly this size, cropped), fit (fits within; one side may be left out) or cover (covers this size)
    #[arg(
        long,
        env = "PLAZA_AVATAR_VARIANTS",
        value_delimiter = ',',
        default_value = "32=fill:32x32,64=fill:64x64,128=fill:128x128,256=fill:256x256,512=fill:512x512",
        global = true
    )]
    pub avatar_variants: Vec<Variant>,

    /// Variants of covers, in the same format as those of avatars
    #[arg(
        long,
        env = "PLAZA_COVER_VARIANTS",
        value_delimiter = ',',
        default_value = "320=fit:320x,640=fit:640x,1280=fit:1280x,card=fill:640x360",
        global = true
    )]
    pub cover_variants: Vec<Variant>,

    /// Variants that are made at upload, as USE/NAME, or none; the others are made at the first request for them [default: the square avatar that is shown where a user is mentioned]
    #[arg(long, env = "PLAZA_VARIANTS_AT_UPLOAD", global = true)]
    pub variants_at_upload: Option<AtUpload>,

    /// Threads that decode and encode pictures [default: one less than there are cores, so that one is left for everything else]
    #[arg(long, env = "PLAZA_PICTURE_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024), global = true)]
    pub picture_threads: Option<u16>,

    /// Maximum number of concurrent uploads on a node; each needs up to 10 MiB of disk in the data folder while it is in progress
    #[arg(long, env = "PLAZA_UPLOADS_AT_ONCE", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536), global = true)]
    pub uploads_at_once: u32,

    /// How long an upload may take from its first byte in the store to its commit; files that are not committed by then are removed
    #[arg(long, env = "PLAZA_UPLOAD_LEASE", default_value = "10m", value_parser = lease, global = true)]
    pub upload_lease: Duration,

    /// Base of the URLs of stored pictures, such as a CDN's [default: /media of the public URL]
    #[arg(long, env = "PLAZA_MEDIA_URL", value_parser = base_url, global = true)]
    pub media_url: Option<Url>,

    /// Whether Plaza serves the stored pictures; if off, a web server or CDN does, and every variant is made at upload
    #[arg(long, env = "PLAZA_SERVE_MEDIA", value_enum, default_value = "on", global = true)]
    pub serve_media: Switch,
}

impl Pictures {
    /// Return the folder and the variants of each kind of picture. The error says in what way the settings contradict each other.
    pub fn kinds(&self) -> Result<PictureKinds, String> {
        let square = square(&self.avatar_variants)
            .ok_or("PLAZA_AVATAR_VARIANTS: at least one must be a square, such as 128=fill:128x128")?
            .name
            .clone();
        let at_upload = match &self.variants_at_upload {
            Some(AtUpload(names)) => names.clone(),
            None => vec![VariantName { purpose: PicturePurpose::Avatar, name: square.clone() }],
        };
        // If another server serves the files, Plaza does not see the first request for a variant.
        let at_upload = self.serve_media.is_on().then_some(at_upload.as_slice());
        Ok(PictureKinds {
            avatar: of(PicturePurpose::Avatar, &self.avatar_folder, &self.avatar_variants, at_upload)?,
            cover: of(PicturePurpose::Cover, &self.cover_folder, &self.cover_variants, at_upload)?,
            square,
        })
    }
}

/// Return the settings of one kind of picture. `at_upload` names the variants that are made at upload; `None` means all of them.
fn of(
    purpose: PicturePurpose,
    folder: &Folder,
    variants: &[Variant],
    at_upload: Option<&[VariantName]>,
) -> Result<PictureKind, String> {
    let setting = purpose.as_str().to_ascii_uppercase();
    let mut names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
    names.sort_unstable();
    if let Some(name) = names.windows(2).find_map(|pair| (pair[0] == pair[1]).then_some(pair[0])) {
        return Err(format!("PLAZA_{setting}_VARIANTS: two variants have the name {name}"));
    }
    let at_upload = match at_upload {
        Some(named) => {
            named.iter().filter(|named| named.purpose == purpose).map(|named| named.name.clone()).collect()
        }
        None => variants.iter().map(|variant| variant.name.clone()).collect::<Vec<_>>(),
    };
    if let Some(unknown) = at_upload.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("PLAZA_VARIANTS_AT_UPLOAD: there is no variant {}/{unknown}", purpose.as_str()));
    }
    Ok(PictureKind { purpose, folder: folder.clone(), variants: variants.to_vec(), at_upload })
}

/// Return the square variant that is shown where a user is mentioned: the smallest of at least 128 pixels, otherwise the largest.
fn square(variants: &[Variant]) -> Option<&Variant> {
    let squares = || {
        variants.iter().filter_map(|variant| match variant.resize {
            Resize::Fill { width, height } if width == height => Some((width, variant)),
            _ => None,
        })
    };
    let large = squares().filter(|(side, _)| *side >= 128).min_by_key(|(side, _)| *side);
    large.or_else(|| squares().max_by_key(|(side, _)| *side)).map(|(_, variant)| variant)
}

/// Parse an upload lease: long enough for a slow store, and short enough that what a crash leaves is removed within an hour.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration(text)?;
    let bounds = Duration::from_secs(1)..=Duration::from_mins(45);
    if bounds.contains(&lease) { Ok(lease) } else { Err("must be from 1s to 45m".into()) }
}

/// The names of the variants that are made at upload. The list may be empty.
#[derive(Clone, Debug)]
pub struct AtUpload(pub Vec<VariantName>);

impl FromStr for AtUpload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(VariantName::from_str).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if StrftimeItems::new(text).any(|item| item == Item::Error) {
            return Err("must be a strftime pattern such as avatars/%Y/%m/%d".into());
        }
        let folder = Self(text.to_owned());
        let is_plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        // Some specifiers pad with a space, and names differ in length. So the pattern is checked for two times: early on the first
        // day of a year, and in the last hour of the month with the longest name.
        let dates = [(1, 1, 1), (9, 30, 23)]
            .map(|(month, day, hour)| Utc.with_ymd_and_hms(2026, month, day, hour, 1, 1));
        for at in dates.into_iter().filter_map(chrono::MappedLocalTime::single) {
            let path = folder.at(at);
            let parts: Vec<&str> = path.split('/').collect();
            if !parts.iter().copied().all(is_plain) || parts.len() > 8 || path.len() > 100 {
                return Err(
                    "must result in at most eight nested folders of letters, digits, `-` and `_` on every day"
                        .into(),
                );
            }
            if parts.first() == Some(&"default-avatars") {
                return Err(
                    "must not begin with default-avatars, which Plaza uses for the avatars that it draws"
                        .into(),
                );
            }
        }
        Ok(folder)
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "must be NAME=MODE:WIDTHxHEIGHT, such as 256=fill:256x256 or wide=fit:1280x".to_owned();
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let (mode, size) = rest.split_once(':').ok_or_else(form)?;
        let (width, height) = size.split_once('x').ok_or_else(form)?;
        let is_name = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !is_name {
            return Err("the name of a variant must have 1 to 32 letters, digits, `-` or `_`".into());
        }
        let side = |text: &str| match text {
            "" => Ok(0),
            text => match text.parse() {
                Ok(side) if (1..=LONGEST).contains(&side) => Ok(side),
                _ => Err(format!("a side must have 1 to {LONGEST} pixels")),
            },
        };
        let (width, height) = (side(width)?, side(height)?);
        let resize = match mode {
            "fill" if width > 0 && height > 0 => Resize::Fill { width, height },
            "fit" if width > 0 || height > 0 => Resize::Fit { width, height },
            "cover" if width > 0 && height > 0 => Resize::Cover { width, height },
            "fill" | "cover" => return Err(format!("{mode} needs a width and a height")),
            _ => return Err(form()),
        };
        Ok(Self { name: name.to_owned(), resize })
    }
}

impl FromStr for VariantName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (purpose, name) = text.split_once('/').ok_or("must be USE/NAME, such as avatar/128")?;
        let purpose = purpose.parse().map_err(|()| "USE must be avatar or cover".to_owned())?;
        Ok(Self { purpose, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_have_a_name_a_mode_and_a_size() {
        let variant = |text: &str| text.parse::<Variant>().map(|variant| (variant.name, variant.resize));
        assert_eq!(variant("32=fill:32x32"), Ok(("32".into(), Resize::Fill { width: 32, height: 32 })));
        assert_eq!(variant("a=fit:320x"), Ok(("a".into(), Resize::Fit { width: 320, height: 0 })));
        assert_eq!(variant("a=fit:x200"), Ok(("a".into(), Resize::Fit { width: 0, height: 200 })));
        assert_eq!(variant("b=cover:3x4"), Ok(("b".into(), Resize::Cover { width: 3, height: 4 })));
        for wrong in [
            "",
            "32",
            "32=fill",
            "=fill:1x1",
            "a b=fill:1x1",
            "a=fill:0x1",
            "a=fill:1x",
            "a=cover:x1",
            "a=fit:x",
            "a=fit:2049x",
            "a=crop:1x1",
            "a.b=fit:1x1",
            "a/b=fit:1x1",
        ] {
            assert!(variant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_made_at_upload_may_be_nothing() {
        let names = |text: &str| text.parse::<AtUpload>().map(|names| names.0.len());
        assert_eq!((names(""), names("avatar/128"), names("avatar/1, cover/card")), (Ok(0), Ok(1), Ok(2)));
        assert!(names("128").is_err() && names("post/128").is_err());
    }

    #[test]
    fn folders_are_plain_whatever_the_day() {
        for right in ["avatars/%Y/%m/%d", "a", "my-files/%j"] {
            assert!(right.parse::<Folder>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "%Q",
            "%c",
            "a b",
            "default-avatars/x",
            "%D/../..",
            "a/%e",
            "a/%_S",
        ] {
            assert!(wrong.parse::<Folder>().is_err(), "{wrong}");
        }
    }
}
