//! The covers of made-up posts, drawn by the program.

use actix_web::rt::System;
use fake::rand::RngExt;
use fake::rand::rngs::StdRng;
use futures_util::{StreamExt, TryStreamExt, stream};
use jpeg_encoder::{ColorType, Encoder};

use super::content::SeedPost;
use super::progress;
use crate::cli::database::Database;
use crate::cli::{Result, media};
use crate::config::Config;
use crate::db::Db;
use crate::error::Error;
use crate::media::spool::UploadSpool;
use crate::media::variants::PicturePurpose;
use crate::metrics::Metrics;
use crate::models::post::Post;

/// Width of a cover in pixels.
const WIDTH: u16 = 800;
/// Height of a cover in pixels.
const HEIGHT: u16 = 450;
/// Number of different covers. Several posts share each of them, but every post has separate files.
const KINDS: usize = 12;
/// Number of covers that are stored concurrently.
const AT_ONCE: usize = 4;

/// Give each of these posts a cover, stored in the same way as an upload.
pub fn make(config: &Config, database: &Database, random: &mut StdRng, posts: &[SeedPost]) -> Result<()> {
    let bar = progress("covers", posts.len() as u64);
    let pictures = (0..KINDS).map(|_| draw(random)).collect::<Result<Vec<_>>>()?;
    System::new().block_on(async {
        let connections = u32::try_from(AT_ONCE)?;
        let db = Db::new(database.url(), connections, config.statement_timeout);
        let media = media::open(config, &db, Metrics::default())?;
        let spools = UploadSpool::new(config.data_dir.clone(), connections, config.timing.picture_wait);
        let (db, media, spools, pictures, bar) = (&db, &media, &spools, &pictures, &bar);
        let put = |(number, post): (usize, &SeedPost)| {
            let id = post.id;
            async move {
                let slot = spools.slot(None).await?;
                let mut spool = slot.spool();
                spool.push(&pictures[number % KINDS]).await.map_err(Error::internal)?;
                let file = spool.finish().await.map_err(Error::internal)?;
                let stored = media.store_picture(file, "/cover", PicturePurpose::Cover).await?;
                let record = stored.record();
                let recorded = db.transaction(move |conn| {
                    let key = record.insert(conn)?;
                    Ok(Post::set_cover(conn, id, Some(key))?)
                });
                let recorded = recorded.await;
                stored.settle(recorded.is_ok()).await;
                recorded?;
                bar.inc(1);
                Ok::<(), Error>(())
            }
        };
        let all = stream::iter(posts.iter().enumerate()).map(put).buffer_unordered(AT_ONCE);
        all.try_collect::<Vec<()>>().await.map_err(|error| error.to_string())?;
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    bar.finish();
    Ok(())
}

/// Draw a sky, a sun and a hill, as a JPEG.
fn draw(random: &mut StdRng) -> Result<Vec<u8>> {
    let mut colour = || [(); 3].map(|()| random.random_range(40..220_u8));
    let (top, bottom, sun, hill) = (colour(), colour(), colour(), colour());
    let (width, height) = (i32::from(WIDTH), i32::from(HEIGHT));
    let (sun_x, sun_y) =
        (random.random_range(width / 5..width * 4 / 5), random.random_range(height / 5..height / 2));
    let (radius, summit) = (random.random_range(30..80), random.random_range(0..width));
    let mut pixels = Vec::with_capacity(usize::from(WIDTH) * usize::from(HEIGHT) * 3);
    for y in 0..height {
        for x in 0..width {
            let horizon = height * 3 / 5 + (x - summit).pow(2) / (3 * width);
            let is_sun = (x - sun_x).pow(2) + (y - sun_y).pow(2) < radius * radius;
            for channel in 0..3 {
                let sky = (i32::from(top[channel]) * (height - y) + i32::from(bottom[channel]) * y) / height;
                pixels.push(match (y > horizon, is_sun) {
                    (true, _) => hill[channel],
                    (false, true) => sun[channel],
                    (false, false) => u8::try_from(sky)?,
                });
            }
        }
    }
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 85).encode(&pixels, WIDTH, HEIGHT, ColorType::Rgb)?;
    Ok(jpeg)
}
