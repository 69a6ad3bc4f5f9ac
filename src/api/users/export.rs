//! Everything about a user, as one JSON object.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use bytes::Bytes;
use chrono::Utc;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::{User, may_change};
use crate::api::auth::sessions::Session;
use crate::api::comments::Comment;
use crate::api::document::Refusals;
use crate::api::path::NamedUser;
use crate::api::posts::Post;
use crate::api::profiles::Profile;
use crate::api::timestamp;
use crate::api::urls::Urls;
use crate::auth::CurrentUser;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::lookups::page::Slice;
use crate::lookups::request::Request;
use crate::lookups::selection::Selection;
use crate::models::account_token::AccountToken;
use crate::models::names::fold;
use crate::models::resources::{COMMENTS, POSTS, SESSIONS, USER_OF_COMMENT, WRITER_OF_POST};
use crate::models::{Viewer, comment, post, profile, session, throttle, user};

/// Rows that are read at once: a post may have a megabyte, and a slow client keeps what was read waiting.
const AT_ONCE: i64 = 5;
/// How long a client may take for a piece of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything about a user.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document knows it; the export is written as a stream")]
pub struct UserExport {
    /// When it was begun.
    #[schema(format = DateTime)]
    exported_at: String,
    /// The user, nothing left out.
    user: User,
    /// What the user shows.
    profile: Profile,
    /// Where the user is logged in.
    sessions: Vec<Session>,
    /// Networks that the user logged in from lately.
    networks: Vec<LoginNetwork>,
    /// Addresses that wait to be confirmed.
    pending_emails: Vec<String>,
    /// What the user has written, drafts included.
    posts: Vec<Post>,
    /// What the user has said. `post` is `null` where that is somebody else's draft by now.
    comments: Vec<Comment>,
}

/// A network that a user logged in from.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginNetwork {
    /// A /24 of IPv4 or a /64 of IPv6.
    #[schema(examples("203.0.113.0/24"))]
    prefix: String,
    /// When that last was.
    #[schema(format = DateTime)]
    last_login_at: String,
}

/// A JSON object on its way to a client, a member after the other.
struct Writer {
    sender: mpsc::Sender<Result<Bytes>>,
    db: Data<Db>,
}

/// Export everything about a user.
///
/// Oneself or staff. It is sent while it is read, so its length is not known beforehand; an export that breaks off is no
/// JSON.
#[utoipa::path(
    operation_id = "exportUser", tag = "users", security(("bearer" = [])),
    params(("username" = String, Path, description = "Username in any case, or `me`")),
    responses((status = 200, description = "Everything about the user", body = UserExport), Refusals)
)]
#[get("/users/{username}/export")]
pub async fn export_user(
    user: CurrentUser,
    name: NamedUser,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<HttpResponse> {
    let viewer = user.viewer();
    // Staff who export another user's see none of that user's sessions as their own.
    let current = user.session_id;
    let (row, profile, networks, pending) = db
        .run(move |conn| {
            let row = user::User::find(conn, &name.0, viewer)?;
            may_change(&user, &row)?;
            let profile = profile::Profile::find(conn, &row.username, Viewer::Staff(row.id))?;
            let networks = throttle::homes(conn, row.id)?;
            let pending = AccountToken::pending_emails(conn, &row)?;
            Ok((row, profile, networks, pending))
        })
        .await?;
    let shown = Viewer::Staff(row.id);
    let networks: Vec<_> = networks
        .into_iter()
        .map(|(prefix, at)| LoginNetwork { prefix, last_login_at: timestamp(at) })
        .collect();
    let head = format!(
        "{{\"exported_at\":{},\"user\":{},\"profile\":{},\"networks\":{},\"pending_emails\":{}",
        json(&timestamp(Utc::now()))?,
        json(&User::of(&row, shown, &urls))?,
        json(&Profile::of(&profile, shown, &urls))?,
        json(&networks)?,
        json(&pending)?,
    );
    let (sender, receiver) = mpsc::channel(2);
    let writer = Writer { sender, db };
    actix_web::rt::spawn(async move {
        if let Err(error) = writer.write(head, row.id, &row.username, current, &urls).await {
            writer.break_off(error).await;
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    Ok(HttpResponse::Ok().content_type("application/json").streaming(chunks))
}

impl Writer {
    async fn write(
        &self,
        head: String,
        user_id: i64,
        username: &str,
        current: i64,
        urls: &Urls,
    ) -> Result<()> {
        self.send(head).await?;
        // Whoever asks, it is shown as to the user; staff's eyes let nothing be left out.
        let all = |resource| {
            let request = Request { limit: AT_ONCE, ..Request::whole(resource) };
            Selection::new(resource, Viewer::Staff(user_id).reader(username), request)
        };
        let key = fold(username);
        let sessions = all(&SESSIONS);
        self.list("sessions", sessions, session::Session::page, |row| json(&Session::of(&row, current)))
            .await?;
        let posts = all(&POSTS).within(&WRITER_OF_POST, &key);
        self.list("posts", posts, post::Post::page_in_full, |row| json(&Post::of(row, urls))).await?;
        let comments = all(&COMMENTS).within(&USER_OF_COMMENT, &key);
        let author = Viewer::Member(user_id);
        let show = |row| json(&Comment::of(&row, author, urls));
        self.list("comments", comments, comment::Comment::page, show).await?;
        self.send("}".into()).await
    }

    /// A member that is a list, read page by page.
    async fn list<R: Send + 'static>(
        &self,
        name: &str,
        mut selection: Selection,
        page: fn(&mut diesel::PgConnection, &Selection) -> diesel::QueryResult<Slice<R>>,
        show: impl Fn(R) -> Result<String>,
    ) -> Result<()> {
        let mut before = format!(",\"{name}\":[");
        loop {
            let asked = selection.clone();
            let slice = self.db.run(move |conn| Ok(page(conn, &asked)?)).await?;
            selection.from = slice.next.map(|place| (place, false));
            for row in slice.rows {
                self.send(std::mem::replace(&mut before, ",".into()) + &show(row)?).await?;
            }
            if selection.from.is_none() {
                // An empty list has not begun yet.
                let begun = if before == "," { String::new() } else { before };
                return self.send(begun + "]").await;
            }
        }
    }

    /// The connection breaks off, which a client cannot take for the end.
    async fn break_off(&self, error: Error) {
        if self.sender.is_closed() {
            // The client went away first, which is no failure.
            return;
        }
        tracing::warn!(cause = %error, "an export broke off");
        // A client that goes away just now needs no telling.
        drop(self.sender.send(Err(error)).await);
    }

    /// Fails when nobody listens any more, or not for [`PATIENCE`].
    async fn send(&self, text: String) -> Result<()> {
        let sent = tokio::time::timeout(PATIENCE, self.sender.send(Ok(text.into()))).await;
        sent.map_err(Error::internal)?.map_err(Error::internal)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
