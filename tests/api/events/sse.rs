//! A client of the stream that parses it as the HTML standard specifies.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::app::PATIENCE;
use crate::client::{Answer, Client};

pub const STREAM: &str = "/api/v1/events/stream";

/// An open stream.
pub struct Sse {
    pub headers: HeaderMap,
    chunks: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>>>>,
    unread: Vec<u8>,
    /// The `id` and the `event` of the last event.
    pub lines: (String, String),
}

impl Sse {
    /// Open a stream that begins now.
    pub async fn open(client: &Client) -> Self {
        Self::begin(client, None).await.unwrap_or_else(|refusal| panic!("no stream: {refusal:?}"))
    }

    /// Open a stream that begins after an event.
    pub async fn after(client: &Client, id: i64) -> Self {
        let begun = Self::begin(client, Some(&id.to_string())).await;
        begun.unwrap_or_else(|refusal| panic!("no stream: {refusal:?}"))
    }

    /// Open a stream, or return the error response.
    pub async fn begin(client: &Client, last_event_id: Option<&str>) -> Result<Self, Answer> {
        let request = client.request(Method::GET, STREAM);
        let request = match last_event_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        Self::of(request).await
    }

    /// Open a stream with this request, or return the error response.
    pub async fn of(request: RequestBuilder) -> Result<Self, Answer> {
        let response = request.send().await.expect("an answer");
        if response.status() != 200 {
            return Err(Answer::of(response).await);
        }
        let headers = response.headers().clone();
        Ok(Self {
            headers,
            chunks: Box::pin(response.bytes_stream()),
            unread: Vec::new(),
            lines: Default::default(),
        })
    }

    /// The next block of lines, without the empty line that ends it. `None` if the stream has ended.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let block = self.unread.drain(..end + 2).collect();
                return Some(String::from_utf8(block).expect("text").trim_end().to_owned());
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunks.next()).await.expect("something in time");
            // A stream that is cut off has ended, too.
            self.unread.extend(chunk.and_then(Result::ok)?);
        }
    }

    /// The next event.
    pub async fn next(&mut self) -> Option<Value> {
        // One timeout for the whole wait, since heartbeats keep arriving.
        tokio::time::timeout(PATIENCE, self.next_event()).await.expect("an event in time")
    }

    async fn next_event(&mut self) -> Option<Value> {
        loop {
            let block = self.block().await?;
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let Some(data) = field("data") else { continue };
            self.lines = (field("id").expect("an id").to_owned(), field("event").expect("a type").to_owned());
            return Some(serde_json::from_str(data).expect("JSON"));
        }
    }

    /// The next `number` events as lines, such as `post.created posts/ada`.
    pub async fn told(&mut self, number: usize) -> String {
        let mut told = Vec::new();
        for _ in 0..number {
            told.push(super::line(&self.next().await.expect("the stream goes on")));
        }
        told.join("\n")
    }

    /// All events until the stream ends.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }
}
