//! The mails to the administrators about new posts.

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

/// Maximum number of posts that a mail names. Of further posts it gives only the number.
const NAMED: usize = 20;

/// Writes and sends these mails.
pub struct AdministratorMails {
    /// The database that holds the events.
    pub db: Data<Db>,
    /// Delivers the mails.
    pub mailer: Mailer,
    /// The recipients.
    pub administrators: Vec<Email>,
    /// Returns the URL at which the post with this slug can be viewed.
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
    /// Write one job per administrator, so that a server that rejects mail for one does not delay the mails to the others.
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

    /// Mail one digest of all these posts. Posts whose writer was deleted in the meantime are left out.
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
