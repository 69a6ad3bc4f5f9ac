//! Bodies that arrive slowly, break off, or are longer or shorter than declared.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{END, FORM, Uploads, contains};
use crate::app::PATIENCE;
use crate::pictures;

impl Uploads {
    /// The head of a request with a body of this length.
    fn head(&self, length: usize) -> String {
        let token = self.ana.token.as_deref().expect("a token");
        format!(
            "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {FORM}\r\n\
             content-length: {length}\r\n\r\n",
            self.target.path
        )
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.app.base.trim_start_matches("http://")).await.expect("a connection")
    }
}

/// What arrives until the server closes the connection or has sent `awaited`.
async fn answer(stream: &mut TcpStream, awaited: &str) -> String {
    let mut bytes = Vec::new();
    let read = async {
        // A reset ends it, too.
        while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0)
            && !contains(&bytes, awaited.as_bytes())
        {}
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text that no response contains.
const THE_END: &str = "\0";

#[actix_web::test]
async fn a_form_that_comes_too_slowly_is_given_up() {
    for uploads in Uploads::each_with(&["--body-grace", "300ms"]).await {
        let body = [uploads.file(&pictures::jpeg(64, 48)).as_slice(), END].concat();
        // Nothing of the form, its beginning, all but its end, and a complete form in an incomplete body.
        for sent in [0, 10, body.len() / 2, body.len() - 1, body.len()] {
            let mut stream = uploads.connect().await;
            let head = uploads.head(body.len() + 1).replace("host: x", "host: x\r\nconnection: close");
            stream.write_all(&[head.as_bytes(), &body[..sent]].concat()).await.expect("a request");
            let code = "\"code\":\"request_timeout\"";
            let answer = answer(&mut stream, code).await;
            assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(code), "{sent} bytes: {answer}");
            uploads.is_as_it_was("a body that came too slowly").await;
        }
    }
}

#[actix_web::test]
async fn a_body_shorter_than_its_length_leaves_nothing() {
    for uploads in Uploads::each().await {
        let body = [uploads.file(&pictures::jpeg(64, 48)).as_slice(), END].concat();
        // In the last case the form is complete, but its body is one byte short.
        for sent in [0, body.len() / 2, body.len()] {
            let mut stream = uploads.connect().await;
            let request = [uploads.head(body.len() + 1).as_bytes(), &body[..sent]].concat();
            stream.write_all(&request).await.expect("a request");
            stream.shutdown().await.expect("a connection of ours");
            let answer = answer(&mut stream, THE_END).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{sent} bytes: {answer}");
            uploads.is_as_it_was("a body that broke off").await;
        }
    }
}

#[actix_web::test]
async fn a_body_longer_than_its_length_is_cut_there() {
    for uploads in Uploads::each().await {
        let body = [uploads.file(&pictures::jpeg(64, 48)).as_slice(), END].concat();
        let mut stream = uploads.connect().await;
        let request = [uploads.head(body.len() / 2).as_bytes(), &body].concat();
        stream.write_all(&request).await.expect("a request");
        stream.shutdown().await.expect("a connection of ours");
        let answer = answer(&mut stream, THE_END).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(!answer.contains("HTTP/1.1 2"), "what follows is no request: {answer}");
        uploads.is_as_it_was("a body that was longer").await;
    }
}

#[actix_web::test]
async fn a_length_that_is_none_or_comes_twice_is_refused() {
    for uploads in Uploads::each().await {
        let body = [uploads.file(&pictures::jpeg(64, 48)).as_slice(), END].concat();
        let right = format!("content-length: {}", body.len());
        for wrong in [
            "content-length: x".to_owned(),
            "content-length: -1".to_owned(),
            "content-length: +5".to_owned(),
            format!("{right}\r\ncontent-length: 5"),
            format!("{right}\r\ntransfer-encoding: chunked"),
        ] {
            let mut stream = uploads.connect().await;
            let head = uploads.head(body.len()).replace(&right, &wrong);
            stream.write_all(&[head.as_bytes(), &body].concat()).await.expect("a request");
            stream.shutdown().await.expect("a connection of ours");
            let answer = answer(&mut stream, THE_END).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{wrong}: {answer}");
            uploads.is_as_it_was(&wrong).await;
        }
    }
}
