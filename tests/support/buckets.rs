//! A real S3 server for tests, which checks signatures. Its buckets are folders. A test can make each bucket fail.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use std::{fs, io, thread};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{HttpError, HttpResponse};

const ACCESS_KEY: &str = "plaza";
/// The key that requests must be signed with.
pub const SECRET_KEY: &str = "a secret of the bucket";

/// The environment variables with which a client signs with `secret`.
pub fn variables(url: &str, secret: &str) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// A server on its own port. It ends with the test process.
pub struct S3Server {
    address: SocketAddr,
    root: PathBuf,
    doors: Doors,
}

/// A bucket of an [`S3Server`].
pub struct Bucket {
    name: String,
    url: String,
    folder: PathBuf,
    doors: Doors,
}

/// How the server answers requests for a bucket.
#[derive(Clone, Copy, Default)]
pub enum Answers {
    /// Answer requests correctly.
    #[default]
    Well,
    /// Answer 503 `SlowDown`.
    SlowDown,
    /// Close the connection without a response.
    Never,
    /// Hold requests with this method until the test changes the behaviour. Answer other requests correctly.
    Held(&'static str),
}

/// The state of each bucket, which a request checks before it reaches the bucket.
#[derive(Clone, Default)]
struct Doors(Arc<Mutex<HashMap<String, Door>>>);

#[derive(Default)]
struct Door {
    answers: Answers,
    requests: usize,
}

impl Doors {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Door>> {
        self.0.lock().expect("nobody panics at a door")
    }

    /// Count a request, wait while it is held, and return how to answer it.
    async fn pass(&self, method: &str, path: &str) -> Answers {
        let name = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if let Some(door) = self.lock().get_mut(name) {
            door.requests += 1;
        }
        loop {
            match self.lock().get(name).map_or(Answers::Well, |door| door.answers) {
                Answers::Held(held) if held == method => {}
                Answers::Held(_) => return Answers::Well,
                answers => return answers,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl S3Server {
    /// Serve the subfolders of `root` as buckets.
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener of ours");
        let address = listener.local_addr().expect("an address");
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).expect("a folder"));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let (service, doors) = (builder.build(), Doors::default());
        let shared = doors.clone();
        thread::spawn(move || serve(listener, service, &shared));
        Self { address, root: root.to_owned(), doors }
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn bucket(&self, name: &str) -> Bucket {
        let folder = self.root.join(name);
        fs::create_dir(&folder).expect("a bucket that is not there yet");
        self.doors.lock().insert(name.to_owned(), Door::default());
        Bucket { name: name.to_owned(), url: self.url(), folder, doors: self.doors.clone() }
    }
}

impl Bucket {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The environment variables with which a client may use the bucket.
    pub fn variables(&self) -> Vec<(String, String)> {
        variables(&self.url, SECRET_KEY)
    }

    /// Answer requests like this from now on.
    pub fn answer(&self, answers: Answers) {
        self.with_door(|door| door.answers = answers);
    }

    /// The number of requests so far, whatever the response.
    pub fn requests(&self) -> usize {
        self.with_door(|door| door.requests)
    }

    fn with_door<T>(&self, what: impl FnOnce(&mut Door) -> T) -> T {
        what(self.doors.lock().get_mut(&self.name).expect("a door for every bucket"))
    }

    /// The keys of the bucket's objects, sorted. The server keeps their metadata outside the bucket's folder.
    pub fn objects(&self) -> Vec<String> {
        files_below(&self.folder)
    }
}

/// Every file below a folder, as a path relative to it, sorted.
pub fn files_below(root: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(root).expect("inside").display().to_string());
            }
        }
    }
    files.sort();
    files
}

fn serve(listener: TcpListener, service: S3Service, doors: &Doors) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a connection of ours");
            let (service, doors) = (service.clone(), doors.clone());
            let answer = service_fn(move |request| answer(service.clone(), doors.clone(), request));
            tokio::spawn(async move {
                // A client that disconnects ends only its own connection.
                drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await);
            });
        }
    });
}

async fn answer(
    service: S3Service,
    doors: Doors,
    request: Request<Incoming>,
) -> Result<HttpResponse, HttpError> {
    match doors.pass(request.method().as_str(), request.uri().path()).await {
        Answers::Well | Answers::Held(_) => hyper::service::Service::call(&service, request).await,
        Answers::SlowDown => {
            let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code></Error>";
            let response = Response::builder()
                .status(503)
                .header("content-type", "application/xml")
                .body(body.to_owned().into());
            response.map_err(|error| HttpError::new(Box::new(error)))
        }
        // hyper closes the connection when the service returns an error.
        Answers::Never => Err(HttpError::new(Box::new(io::Error::other("as the test wants it")))),
    }
}
