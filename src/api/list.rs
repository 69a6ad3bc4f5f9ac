//! Lists: what a query string requests from a list, and the answer.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use diesel::pg::PgConnection;
use tokio::sync::OwnedSemaphorePermit;

use super::conditional::ListResponse;
use super::frame::Route;
use super::page::{Page, Paged};
use super::state::AppState;
use crate::auth::Caller;
use crate::db::Db;
use crate::error::{Code, Error, Result, Violation};
use crate::lookups::cursor::Cursor;
use crate::lookups::fault::Refusal;
use crate::lookups::order::Place;
use crate::lookups::page::Slice;
use crate::lookups::request::{Request, RequestKind};
use crate::lookups::selection::Selection;
use crate::lookups::table::{Reader, Relation, Resource};
use crate::urls;

/// A page of a list of `T`, as a request selects it.
pub struct List<T> {
    selection: Selection,
    path: String,
    parameters: Vec<(String, String)>,
    app: AppState,
    shown: PhantomData<T>,
}

impl<T: Paged> List<T> {
    fn of(request: &HttpRequest) -> Result<Self> {
        let (selection, parameters) = select(request, T::RESOURCE, RequestKind::List)?;
        let route = request.extensions().get::<Route>().map(|route| route.path.clone());
        let route = route.ok_or_else(|| Error::internal("the request did not pass the frame"))?;
        let path: Vec<String> = route.split('/').map(urls::segment).collect();
        let mut list = Self {
            selection,
            path: path.join("/"),
            parameters,
            app: AppState::of(request)?.clone(),
            shown: PhantomData,
        };
        list.selection.from = list.place()?;
        Ok(list)
    }

    /// Return what a cursor must have been made for. If the query says `me`, this includes the caller, since `me` is a different
    /// user for each caller.
    fn identity(&self) -> String {
        let says_me = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "me");
        let user = self.selection.reader.user.as_ref();
        let me = user.filter(|_| self.parameters.iter().any(|(_, value)| says_me(value)));
        let me = me.map(|(id, _)| id.to_string()).unwrap_or_default();
        format!("{me} {}?{}", self.path, self.selection.request.identity)
    }

    fn place(&self) -> Result<Option<(Place, bool)>> {
        let Some(text) = &self.selection.request.cursor else { return Ok(None) };
        let cursor = self.app.cursors.open(&self.identity(), text);
        let is_place = |cursor: &Cursor| self.selection.request.ordering.has(&cursor.place);
        let cursor = cursor.filter(is_place).ok_or_else(|| {
            let detail = "The cursor does not belong to this list with this filter and ordering.";
            Error::violation(Code::InvalidQuery, Violation::parameter("cursor", "invalid_cursor", detail))
        })?;
        Ok(Some((cursor.place, cursor.backward)))
    }

    /// Restrict the list to the rows that a relation connects to the row with this key.
    #[must_use]
    pub fn within(mut self, relation: &'static Relation, key: &str) -> Self {
        self.selection = self.selection.within(relation, key);
        self
    }

    /// Read the page.
    pub async fn read<R: Send + 'static>(
        &self,
        db: &Db,
        page: impl Fn(&mut PgConnection, &Selection) -> Result<Slice<R>> + Send + 'static,
    ) -> Result<Slice<R>> {
        let mut selection = self.selection.clone().drive_by_link_index();
        if !selection.is_heavy() {
            return db.run(move |conn| page(conn, &selection)).await;
        }
        let time = db.statement_timeout();
        let turn = turn(db, &selection).await?;
        db.transaction(move |conn| {
            // The turn is held until the work ends, even if the client has disconnected.
            let _turn = turn;
            selection.deadline = Some(Instant::now() + time);
            judge(conn, &selection)?;
            page(conn, &selection)
        })
        .await
    }

    /// Return the answer.
    pub fn answer<R>(&self, slice: Slice<R>, show: impl FnMut(&R) -> T) -> Result<ListResponse> {
        let cursor = |place: Option<Place>, backward| {
            let seal = |place| self.app.cursors.seal(&self.identity(), &Cursor { place, backward });
            place.map(seal).transpose().map_err(Error::internal)
        };
        let next_cursor = cursor(slice.next, false)?;
        let previous_cursor = cursor(slice.previous, true)?;
        let url = |cursor: &Option<String>| {
            cursor.as_ref().map(|cursor| {
                let kept = self.parameters.iter().filter(|(name, _)| name != "cursor" && name != "offset");
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(kept)
                    .append_pair("cursor", cursor)
                    .finish();
                self.app.urls.path(&format!("{}?{query}", self.path))
            })
        };
        let page = Page {
            results: slice.rows.iter().map(show).collect(),
            next: url(&next_cursor),
            previous: url(&previous_cursor),
            next_cursor,
            previous_cursor,
            count: slice.count,
        };
        ListResponse::new(&page, page.links())
    }
}

impl<T: Paged> FromRequest for List<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// The rows of `T` that a request selects in order to change all of them.
pub struct BulkSelection<T> {
    selection: Selection,
    shown: PhantomData<T>,
}

impl<T: Paged> FromRequest for BulkSelection<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let chosen = select(request, T::RESOURCE, RequestKind::Bulk);
        ready(chosen.map(|(selection, _)| Self { selection, shown: PhantomData }))
    }
}

impl<T> BulkSelection<T> {
    /// Change the rows, in a transaction that may take long. If the query has a regular expression, the transaction may not,
    /// since an expression can be made to take all of the time.
    pub async fn apply<R: Send + 'static>(
        self,
        db: &Db,
        change: impl FnOnce(&mut PgConnection, &Selection) -> Result<R> + Send + 'static,
    ) -> Result<R>
    where
        T: 'static,
    {
        let selection = self.selection;
        let has_patterns = !selection.request.patterns.is_empty();
        let turn = turn(db, &selection).await?;
        let work = move |conn: &mut PgConnection| {
            let _turn = turn;
            judge(conn, &selection)?;
            change(conn, &selection)
        };
        if has_patterns { db.transaction(work).await } else { db.long_transaction(work).await }
    }
}

/// Return the rows of a resource that a query string selects, and the parameters of the query string.
fn select(
    request: &HttpRequest,
    resource: &'static Resource,
    purpose: RequestKind,
) -> Result<(Selection, Vec<(String, String)>)> {
    // The gate has checked that this is text.
    let parameters: Vec<(String, String)> =
        url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let caller = request.extensions().get::<Caller>().and_then(|caller| caller.0.clone());
    let reader = caller.map_or_else(Reader::default, |user| user.viewer().reader(&user.username));
    let asked = Request::parse(resource, &parameters, &reader, purpose).map_err(refuse)?;
    Ok((Selection::new(resource, reader, asked), parameters))
}

fn refuse(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Anonymous => Error::refused(
            Code::AuthenticationRequired,
            "This query requires authentication. Send an access token.",
        ),
        Refusal::Forbidden => Error::forbidden(),
        Refusal::Faults(faults) => {
            let violations = faults.into_iter().map(|fault| {
                Violation::parameter(fault.parameter, fault.code, fault.detail).with(fault.params)
            });
            Error::violations(Code::InvalidQuery, violations.collect())
        }
    }
}

/// Wait for a turn if the query has a regular expression. Regular expressions can be made to take all of a statement's time, so
/// only a few run concurrently, and other requests find the other connections free. 503 `busy` if no turn becomes free.
async fn turn(db: &Db, selection: &Selection) -> Result<Option<OwnedSemaphorePermit>> {
    if selection.request.patterns.is_empty() { Ok(None) } else { db.turn().await.map(Some) }
}

/// 400 if the database does not accept a regular expression or a time zone. This is checked first, so that the answer does not
/// depend on the rows, and names the parameter.
fn judge(conn: &mut PgConnection, selection: &Selection) -> Result<()> {
    if !selection.knows_zone(conn)? {
        let detail =
            format!("`tz`: the database does not know the time zone {}.", selection.request.zone.name());
        let violation = Violation::parameter("tz", "invalid_parameter", detail);
        return Err(Error::violation(Code::InvalidQuery, violation));
    }
    let Some((parameter, complaint)) = selection.complaint(conn)? else { return Ok(()) };
    let detail = format!("`{parameter}`: {complaint}.");
    let violation = Violation::parameter(parameter.to_owned(), "invalid_pattern", detail);
    Err(Error::violation(Code::InvalidQuery, violation))
}
