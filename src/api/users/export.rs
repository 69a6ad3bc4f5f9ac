//! The export of everything about a user, as one JSON object.

use std::time::Duration;

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
use crate::api::path::UsernamePath;
use crate::api::posts::Post;
use crate::api::profiles::Profile;
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::context;
use crate::error::{Error, Result};
use crate::lookups::page::Slice;
use crate::lookups::request::Request;
use crate::lookups::selection::Selection;
use crate::models::account_token::AccountToken;
use crate::models::names::fold;
use crate::models::resources::{COMMENTS, POSTS, SESSIONS, USER_OF_COMMENT, WRITER_OF_POST};
use crate::models::{Viewer, comment, post, profile, session, throttle, user};
use crate::time::timestamp;

/// Number of rows per read. A post may have a megabyte, and rows that were read wait in memory for a slow client.
const AT_ONCE: i64 = 5;
/// How long a client may take to receive a chunk.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything about a user.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document knows it; the export is written as a stream")]
pub struct UserExport {
    /// When the export began.
    #[schema(format = DateTime)]
    exported_at: String,
    /// The user, with every field.
    user: User,
    /// The user's profile.
    profile: Profile,
    /// Sessions in which the user is logged in.
    sessions: Vec<Session>,
    /// Networks from which the user has recently logged in.
    networks: Vec<LoginNetwork>,
    /// E-mail addresses that wait for confirmation.
    pending_emails: Vec<String>,
    /// Posts that the user has written, including drafts.
    posts: Vec<Post>,
    /// Comments that the user has written. `post` is `null` if the comment is detached, or if its post is now another user's
    /// draft.
    comments: Vec<Comment>,
}

/// A network from which a user has logged in.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginNetwork {
    /// Address prefix: a /24 of IPv4 or a /64 of IPv6.
    #[schema(examples("203.0.113.0/24"))]
    prefix: String,
    /// When the user last logged in from this network.
    #[schema(format = DateTime)]
    last_login_at: String,
}

/// Writes a JSON object to a client, one field after the other.
struct Writer {
    sender: mpsc::Sender<Result<Bytes>>,
    app: AppState,
}

/// Export everything about a user.
///
/// For the user and for staff; 403 for others. The export is sent while it is read, so it has no `Content-Length`. An export that
/// breaks off is not valid JSON.
#[utoipa::path(
    operation_id = "exportUser", tag = "users", security(("bearer" = [])),
    params(UsernamePath),
    responses((status = 200, description = "Everything about the user", body = UserExport), Refusals)
)]
#[get("/users/{username}/export")]
pub async fn export_user(app: AppState, user: CurrentUser, name: UsernamePath) -> Result<HttpResponse> {
    let viewer = user.viewer();
    // If staff export another user, none of that user's sessions is marked as current.
    let current = user.session_id;
    let (row, profile, networks, pending) = app
        .db
        .run(move |conn| {
            let row = user::User::find(conn, &name.0, viewer)?;
            may_change(&user, &row)?;
            let profile = profile::Profile::find(conn, &row.username, Viewer::Staff(row.id))?;
            let networks = throttle::known_networks(conn, row.id)?;
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
        json(&User::of(&row, shown, &app.urls))?,
        json(&Profile::of(&profile, shown, &app.urls))?,
        json(&networks)?,
        json(&pending)?,
    );
    let (sender, receiver) = mpsc::channel(2);
    let writer = Writer { sender, app };
    context::spawn(async move {
        if let Err(error) = writer.write(head, row.id, &row.username, current).await {
            writer.break_off(error).await;
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    Ok(HttpResponse::Ok().content_type("application/json").streaming(chunks))
}

impl Writer {
    async fn write(&self, head: String, user_id: i64, username: &str, current: i64) -> Result<()> {
        self.send(head).await?;
        // The export shows what the user may see, no matter who requests it. Reading as staff ensures that nothing is left out.
        let all = |resource| {
            let request = Request { limit: AT_ONCE, ..Request::whole(resource) };
            Selection::new(resource, Viewer::Staff(user_id).reader(username), request)
        };
        let key = fold(username);
        let sessions = all(&SESSIONS);
        self.list("sessions", sessions, session::Session::page, |row| json(&Session::of(&row, current)))
            .await?;
        let posts = all(&POSTS).within(&WRITER_OF_POST, &key);
        self.list("posts", posts, post::Post::page_in_full, |row| json(&Post::of(row, &self.app.urls)))
            .await?;
        let comments = all(&COMMENTS).within(&USER_OF_COMMENT, &key);
        let author = Viewer::Member(user_id);
        let show = |row| json(&Comment::of(&row, author, &self.app.urls));
        self.list("comments", comments, comment::Comment::page, show).await?;
        self.send("}".into()).await
    }

    /// Write a field that holds a list, which is read page by page.
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
            let slice = self.app.db.run(move |conn| Ok(page(conn, &asked)?)).await?;
            selection.from = slice.next.map(|place| (place, false));
            for row in slice.rows {
                self.send(std::mem::replace(&mut before, ",".into()) + &show(row)?).await?;
            }
            if selection.from.is_none() {
                // The beginning of an empty list has not been sent yet.
                let begun = if before == "," { String::new() } else { before };
                return self.send(begun + "]").await;
            }
        }
    }

    /// Break the connection off, so that the client does not take the export for complete.
    async fn break_off(&self, error: Error) {
        if self.sender.is_closed() {
            // The client disconnected first, which is not a failure.
            return;
        }
        tracing::warn!(cause = %error, "an export was interrupted");
        // A client that has just disconnected does not need to be notified.
        drop(self.sender.send(Err(error)).await);
    }

    /// Send a chunk. Fails if the client has disconnected, or does not receive the chunk within [`PATIENCE`].
    async fn send(&self, text: String) -> Result<()> {
        let sent = tokio::time::timeout(PATIENCE, self.sender.send(Ok(text.into()))).await;
        sent.map_err(Error::internal)?.map_err(Error::internal)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
