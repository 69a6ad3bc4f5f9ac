//! Made-up users.

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use fake::Fake;
use fake::faker::lorem::en::Sentence;
use fake::faker::name::en::{FirstName, LastName};
use fake::rand::RngExt;
use fake::rand::rngs::StdRng;

use super::{BATCH, OLDEST_POST, PASSWORD, progress};
use crate::auth::passwords::Passwords;
use crate::cli::Result;
use crate::models::names::{Email, Username};
use crate::models::user::NewUser;
use crate::schema::{profiles, users};

/// A made-up user.
pub struct SeedUser {
    pub id: i64,
    pub username: String,
    pub display_name: String,
}

/// Create `number` users, all with the same password.
pub fn make(
    conn: &mut PgConnection,
    random: &mut StdRng,
    number: u32,
    argon2: argon2::Params,
) -> Result<Vec<SeedUser>> {
    // One hash for all users, because Argon2 is slow by design.
    let hash = actix_web::rt::System::new()
        .block_on(async { Passwords::start(1, argon2)?.hash(PASSWORD.to_owned()).await })
        .map_err(|error| error.to_string())?;
    let bar = progress("users", u64::from(number));
    let mut people = Vec::new();
    while people.len() < number as usize {
        let size = BATCH.min(number as usize - people.len());
        conn.transaction::<_, Box<dyn std::error::Error + Send + Sync>, _>(|conn| {
            for _ in 0..size {
                people.push(make_one(conn, random, &hash)?);
                bar.inc(1);
            }
            Ok(())
        })?;
    }
    bar.finish();
    Ok(people)
}

fn make_one(conn: &mut PgConnection, random: &mut StdRng, hash: &str) -> Result<SeedUser> {
    loop {
        let (first, last): (String, String) =
            (FirstName().fake_with_rng(random), LastName().fake_with_rng(random));
        let number = random.random_range(100_000..1_000_000_u32);
        let name = format!("{}.{}{number}", first.to_lowercase(), last.to_lowercase().replace('\'', ""));
        let (Some(username), Some(email)) =
            (Username::parse(&name), Email::parse(&format!("{name}@example.org")))
        else {
            continue;
        };
        if NewUser::clash(conn, &username, &email)?.is_some() {
            continue;
        }
        let new = NewUser { username, email, password_hash: hash.to_owned(), is_staff: false };
        let row = new.insert(conn)?;
        let joined = Utc::now() - OLDEST_POST - TimeDelta::days(random.random_range(1..700));
        diesel::update(users::table.find(row.id)).set(users::created_at.eq(joined)).execute(conn)?;
        let display_name = format!("{first} {last}");
        diesel::update(profiles::table.find(row.id))
            .set((
                profiles::display_name.eq(&display_name),
                profiles::bio.eq(Sentence(5..20).fake_with_rng::<String, _>(random)),
                profiles::created_at.eq(joined),
            ))
            .execute(conn)?;
        return Ok(SeedUser { id: row.id, username: row.username, display_name });
    }
}
