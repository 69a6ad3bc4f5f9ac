//! The mails to the administrators: what has been posted.

use std::sync::Arc;

use actix_web::web::Data;
use serde::Deserialize;
use serde_json::{Value, json};

use super::mail::delivery::deliver;
use super::mail::{Mailer, letters};
use super::outcome::{Outcome, read, unreadable};
use crate::db::Db;
use crate::models::event::Event;
use crate::models::job::{JobKind, NewJob};
use crate::models::names::Email;

/// Posts that a mail names; of more it says how many there are.
const NAMED: usize = 20;

/// Writes them.
pub struct AdministratorMails {
    /// Where events are.
    pub db: Data<Db>,
    /// Delivers.
    pub mailer: Mailer,
    /// Whom to.
    pub administrators: Vec<Email>,
    /// Where a post of this slug can be looked at.
    pub link: Box<dyn Fn(&str) -> String + Send + Sync>,
}

#[derive(Deserialize)]
struct Gathered {
    events: Vec<i64>,
}

#[derive(Deserialize)]
struct Told {
    to: String,
    events: Vec<i64>,
}

impl AdministratorMails {
    /// A job for each administrator, so that one whose server refuses holds up nobody else.
    pub async fn of_new_posts(self: Arc<Self>, payload: Value) -> Outcome {
        let Gathered { events } = read(payload)?;
        let administrators = self.administrators.clone();
        let jobs = self.db.transaction(move |conn| {
            for administrator in &administrators {
                let payload = json!({ "to": administrator.as_str(), "events": events });
                NewJob { kind: JobKind::TellAdministrator, payload, user_id: None }.insert(conn)?;
            }
            Ok(())
        });
        Ok(jobs.await?)
    }

    /// One mail of all of them. Those whose writer has gone meanwhile are left out.
    pub async fn tell(self: Arc<Self>, payload: Value) -> Outcome {
        let Told { to, events } = read(payload)?;
        let found = self.db.run(move |conn| Ok(Event::of_ids(conn, &events)?)).await?;
        let mut posts = Vec::with_capacity(found.len());
        for full in &found {
            let Some(data) = &full.event.data else { continue };
            let Some(writer) = data["writer"].as_str() else { continue };
            let text = |name: &str| data[name].as_str().ok_or_else(|| unreadable(&format!("no {name}")));
            posts.push(letters::NewPost {
                title: text("title")?.to_owned(),
                writer: writer.to_owned(),
                url: (self.link)(text("slug")?),
            });
        }
        if posts.is_empty() {
            return Ok(());
        }
        let more = posts.len().saturating_sub(NAMED);
        deliver(&self.mailer, &letters::new_posts(&posts[..posts.len() - more], more).to(to)).await
    }
}
