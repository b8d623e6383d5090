//! How does the door get its requests? From an HTTP server with a thread and workers of its own.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use tokio::sync::oneshot;

use crate::door::Door;

/// How long what runs may take when the server ends.
const SHUTDOWN_SECONDS: u64 = 30;

/// How long a connection may be idle: longer than proxies keep theirs, so that the proxy closes first.
const KEEP_ALIVE_SECONDS: u64 = 75;

/// How long a client may take to send the head of a request.
const HEAD_SECONDS: u64 = 10;

/// Threads for each worker's blocking work: password hashes, unpacking of bodies.
const BLOCKING_THREADS_MAX: usize = 16;

/// What ends when the HTTP server does.
type Ended = oneshot::Receiver<Result<(), String>>;

/// An HTTP server that answers.
pub struct Listening {
    handle: ServerHandle,
    ended: Option<Ended>,
    door: Arc<Door>,
}

impl Listening {
    /// Begins to answer, whatever runtime this is called from. The error is a sentence.
    pub async fn start(listener: TcpListener, door: Arc<Door>) -> Result<Self, String> {
        let (handle, ended) = listen(listener, Arc::clone(&door)).await?;
        Ok(Self { handle, ended: Some(ended), door })
    }

    /// Stops listening, sends the clients of `LiveQuery` away, and waits for what runs.
    pub async fn stop(&mut self) {
        self.door.close_sockets();
        self.handle.stop(true).await;
        self.ended().await.ok();
    }

    /// Waits until the server has ended, by itself or because it was stopped.
    pub async fn ended(&mut self) -> Result<(), String> {
        let Some(ended) = self.ended.as_mut() else { return Ok(()) };
        let result = ended.await.unwrap_or_else(|_| Err("The HTTP server has failed.".to_owned()));
        self.ended = None;
        result
    }
}

/// The server's thread, and the workers it starts.
async fn listen(listener: TcpListener, door: Arc<Door>) -> Result<(ServerHandle, Ended), String> {
    let (tell_started, started) = oneshot::channel();
    let (tell_ended, ended) = oneshot::channel();
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return tell_started.send(Err(error)).unwrap_or_default(),
        };
        let result = runtime.block_on(async move {
            let server = HttpServer::new(move || App::new().configure(|config| door.configure(config)))
                .keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
                // A frame of LiveQuery does not wait for the acknowledgement of the one before.
                .tcp_nodelay(true)
                .client_request_timeout(Duration::from_secs(HEAD_SECONDS))
                .shutdown_timeout(SHUTDOWN_SECONDS)
                .worker_max_blocking_threads(BLOCKING_THREADS_MAX)
                .disable_signals()
                .listen(listener);
            match server {
                Ok(server) => {
                    let server = server.run();
                    tell_started.send(Ok(server.handle())).unwrap_or_default();
                    server.await
                }
                Err(error) => {
                    tell_started.send(Err(error)).unwrap_or_default();
                    Ok(())
                }
            }
        });
        tell_ended.send(result.map_err(|error| format!("The HTTP server has failed: {error}."))).unwrap_or_default();
    };
    let told = |error: std::io::Error| format!("The HTTP server cannot start: {error}.");
    std::thread::Builder::new().name("http".to_owned()).spawn(serve).map_err(told)?;
    let handle = started.await.map_err(|_dropped| "The HTTP server did not start.".to_owned())?.map_err(told)?;
    Ok((handle, ended))
}
