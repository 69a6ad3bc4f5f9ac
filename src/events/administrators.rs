//! The mails to the administrators about new posts.

use super::accounts::MAIL_ATTEMPTS;
use super::job::{Job, JobContext, Queue};
use super::mail::delivery::deliver;
use super::mail::letters;
use super::outcome::{Outcome, unreadable};
use super::publisher::Subscription;
use crate::models::event::Event;
use crate::models::job::Payload;
use crate::models::job_payload::{DigestPosts, SendDigest};

/// Maximum number of posts that a mail names. Of further posts it gives only the number.
const NAMED: usize = 20;

impl Job for DigestPosts {
    const ATTEMPTS: i32 = MAIL_ATTEMPTS;
    const QUEUE: Queue = Queue::Mails;

    fn subscription(context: &JobContext) -> Option<Subscription> {
        let is_wanted = !context.administrators.is_empty();
        is_wanted.then_some(Subscription {
            kind: Self::KIND,
            types: &["post.created"],
            within: context.digest_window,
        })
    }

    /// Write one job per administrator, so that a server that rejects mail for one does not delay the mails to the others.
    async fn run(self, context: &JobContext) -> Outcome {
        let administrators = context.administrators.clone();
        let jobs = context.db.transaction(move |conn| {
            for administrator in &administrators {
                let digest =
                    SendDigest { to: administrator.as_str().to_owned(), events: self.events.clone() };
                digest.enqueue(conn, None)?;
            }
            Ok(())
        });
        Ok(jobs.await?)
    }
}

impl Job for SendDigest {
    const ATTEMPTS: i32 = MAIL_ATTEMPTS;
    const QUEUE: Queue = Queue::Mails;

    /// Mail one digest of all these posts. Posts whose writer was deleted in the meantime are left out.
    async fn run(self, context: &JobContext) -> Outcome {
        let Self { to, events } = self;
        let found = context.db.run(move |conn| Ok(Event::of_ids(conn, &events)?)).await?;
        let mut posts = Vec::with_capacity(found.len());
        for full in &found {
            let Some(data) = &full.event.data else { continue };
            let Some(writer) = data["writer"].as_str() else { continue };
            let text = |name: &str| data[name].as_str().ok_or_else(|| unreadable(&format!("no {name}")));
            posts.push(letters::NewPost {
                title: text("title")?.to_owned(),
                writer: writer.to_owned(),
                url: link(context, text("slug")?),
            });
        }
        if posts.is_empty() {
            return Ok(());
        }
        let more = posts.len().saturating_sub(NAMED);
        deliver(&context.mailer, &letters::new_posts(&posts[..posts.len() - more], more).to(to)).await
    }
}

/// Return the URL at which the post can be viewed.
fn link(context: &JobContext, slug: &str) -> String {
    if context.has_post_pages { format!("{}/posts/{slug}", context.pages) } else { context.urls.post(slug) }
}
