//! What happens to one request, from the socket and back.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BodyStream, SizedStream};
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, rt, web};
use futures::stream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use parsimony_engine::metrics::{Level, REQUESTS_UNDER_WAY};
use parsimony_engine::{Delivery, Engine, Headers, LiveConnection, Repeatable, Work};
use parsimony_model::{ErrorCode, ParseError};
use tokio::sync::watch;

use crate::caller::TrustProxy;
use crate::envelope::{Envelope, Head, Params};
use crate::error::Telling;
use crate::layers::cors::Cors;
use crate::layers::{log, measure, request_id};
use crate::once::Turn;
use crate::pages::{Asked as PageAsked, Pages, PagesOptions};
use crate::reply::{Coming, Reply};
use crate::routes::{AccountRoute, Route, below, decoded};
use crate::{body, files, live_socket, once, public, rest};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the door has to know.
pub struct HttpOptions {
    /// The engine behind it.
    pub engine: Arc<Engine>,
    /// The path below which Parse's routes are, `/parse`; empty if they are at the root.
    pub mount_path: String,
    /// The URL under which clients reach the mount path, for `Location`, without a slash at its end.
    pub server_url: String,
    /// Another path that the parts of a batch may begin with, that of `publicServerURL`.
    pub public_path: Option<String>,
    /// `maxUploadSize`: the largest body, unpacked.
    pub body_bytes_max: usize,
    /// `allowHeaders`
    pub allow_headers: Vec<String>,
    /// `allowOrigin`; none allows everybody.
    pub allow_origin: Vec<String>,
    /// `trustProxy`
    pub trust_proxy: TrustProxy,
    /// `pages`
    pub pages: PagesOptions,
}

/// The door of one application.
pub struct Door {
    engine: Arc<Engine>,
    mount_path: String,
    server_url: String,
    batch_prefixes: Vec<String>,
    body_bytes_max: usize,
    cors: Cors,
    trust_proxy: TrustProxy,
    pages: PagesOptions,
    under_way: Level,
    /// Whether the server ends.
    ends: watch::Sender<bool>,
}

impl Door {
    /// Makes a door. The error says which option cannot be.
    pub fn new(options: HttpOptions) -> Result<Arc<Self>, String> {
        let mount_path = format!("/{}", options.mount_path.trim_matches('/'));
        let mount_path = if mount_path == "/" { String::new() } else { mount_path };
        let public_path = options.public_path.map(|path| path.trim_end_matches('/').to_owned());
        Ok(Arc::new(Self {
            under_way: options.engine.metrics().level(&REQUESTS_UNDER_WAY, &[]),
            cors: Cors::new(&options.allow_origin, &options.allow_headers)?,
            engine: options.engine,
            batch_prefixes: std::iter::once(mount_path.clone()).chain(public_path).collect(),
            mount_path,
            server_url: options.server_url.trim_end_matches('/').to_owned(),
            body_bytes_max: options.body_bytes_max,
            trust_proxy: options.trust_proxy,
            pages: options.pages,
            ends: watch::Sender::new(false),
        }))
    }

    /// Sends away who is connected for as long as they please, as the server ends.
    pub(crate) fn close_sockets(&self) {
        self.ends.send_replace(true);
    }

    /// Hangs the door into an actix application: everything that no other service takes comes here.
    pub fn configure(self: &Arc<Self>, config: &mut web::ServiceConfig) {
        let door = Arc::clone(self);
        config.default_service(web::to(move |request, payload| serve(Arc::clone(&door), request, payload)));
    }

    /// The URL under which clients reach the mount path.
    pub(crate) fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The engine behind it.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The largest body, unpacked.
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// What the paths of a batch's parts may begin with.
    pub(crate) fn batch_prefixes(&self) -> &[String] {
        &self.batch_prefixes
    }

    /// `routeAllowList`: whether this path may be asked for.
    pub(crate) fn admit(&self, work: &Work, path: &str) -> Result<(), ParseError> {
        let Some(allowed) = &self.engine.options().route_allow_list else { return Ok(()) };
        if work.is_master() || allowed.iter().any(|pattern| pattern.is_match(path)) {
            return Ok(());
        }
        let detail = format!("Route not allowed by routeAllowList: {}", parsimony_model::names::shorten(path));
        Err(ParseError::denied(ErrorCode::OperationForbidden, detail))
    }

    /// Opens a request and answers it. Tells which method it turned out to have, for the log.
    async fn answer(
        self: &Arc<Self>,
        request: &HttpRequest,
        payload: web::Payload,
        request_id: &str,
        method: &mut Cow<'_, str>,
    ) -> Result<Reply, ParseError> {
        if *request.method() == Method::OPTIONS {
            return Ok(Reply::text("OK"));
        }
        let path = request.uri().path();
        // Parse: a leading `//` is one `/`.
        let path = if path.starts_with("//") { path.get(1..).unwrap_or(path) } else { path };
        let not_ours = || ParseError::new(ErrorCode::RouteNotFound, format!("There is nothing at {path}."));
        let segments = decoded(below(&self.mount_path, path).ok_or_else(not_ours)?)?;
        let area = segments.first().map_or("", |area| &**area);
        if area.eq_ignore_ascii_case("health") && segments.len() == 1 {
            return Ok(rest::health(&self.engine, request_id).await);
        }
        if let Some(reply) = rest::measures_by_token(&self.engine, request, &segments) {
            return Ok(reply);
        }
        if area.eq_ignore_ascii_case("files") {
            return files::answer(self, request, payload, (&segments, request_id)).await;
        }
        if let Some(asked) = public::asked(request, &segments, self.client_ip(request)) {
            return public::show(&self.engine, asked).await;
        }
        let body = body::read(payload, request.headers(), self.body_bytes_max).await?;
        if let Some(to) = webhook(request.method(), &segments) {
            return self.receive(request, to, &body).await;
        }
        let head = Head {
            method: request.method().as_str(),
            headers: request.headers(),
            application_id: &self.engine.options().keys.application_id,
        };
        let mut envelope = Envelope::open(head, &body)?;
        drop(body);
        method.clone_from(&envelope.method);
        log::asked(method, request.uri(), &envelope.body);
        envelope.credentials.ip = self.client_ip(request);
        if segments.len() > 1 && area.eq_ignore_ascii_case(&self.engine.options().accounts.pages_endpoint) {
            return self.page(request, &segments, envelope).await;
        }
        request_id.clone_into(&mut envelope.credentials.request_id);
        let options = self.engine.options();
        let watched = options.idempotency.is_some() && once::may_be_watched(&envelope.method, area);
        let id = watched.then(|| request.headers().get(once::X_PARSE_REQUEST_ID)).flatten();
        let id = id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned()).filter(|id| !id.is_empty());
        let counts = self.engine.counts();
        let asked = Asked {
            route: Route::parse(&envelope.method, &segments),
            path: (options.route_allow_list.is_some() || id.is_some() || counts).then(|| segments.join("/")),
            counts,
            once: id,
            envelope,
            query: request.uri().query().unwrap_or_default().to_owned(),
            request_id: request_id.to_owned(),
        };
        to_its_end(Box::pin(AssertUnwindSafe(Arc::clone(self).dispatch(asked)).catch_unwind())).await
    }

    /// Shows an account page: a browser sends no headers of Parse's, and what it sends proves nothing but its token.
    async fn page(
        &self,
        request: &HttpRequest,
        segments: &[Cow<'_, str>],
        envelope: Envelope,
    ) -> Result<Reply, ParseError> {
        let Envelope { method, body, mut credentials, .. } = envelope;
        let engine = Arc::clone(&self.engine);
        let options = self.pages.clone();
        let (body, query) = Params { body, query: request.uri().query().unwrap_or_default() }.apart();
        let (headers, path) = (request.headers().clone(), format!("/{}", segments.join("/")));
        let below = segments.iter().skip(1).map(|segment| segment.clone().into_owned()).collect();
        let work = async move {
            if engine.counts() {
                credentials.application_id = Some(engine.options().keys.application_id.clone());
                engine.count(&credentials, &method, &path).await?;
            }
            let keys = &engine.options().keys;
            let (accounts, application_id) = (&engine.options().accounts, keys.application_id.as_str());
            let asked = PageAsked { path: below, method: &method, query, body, headers: &headers };
            Pages { options: &options, accounts, application_id }.answer(&engine.as_master(), &asked).await
        };
        to_its_end(Box::pin(AssertUnwindSafe(work).catch_unwind())).await
    }

    /// Where a request comes from.
    pub(crate) fn client_ip(&self, request: &HttpRequest) -> Option<IpAddr> {
        let forwarded = request.headers().get_all(X_FORWARDED_FOR);
        self.trust_proxy.client(request.peer_addr().map(|peer| peer.ip()), forwarded)
    }

    /// Takes what an outside service sends: no client of Parse's, so nothing of its envelope is looked for.
    async fn receive(&self, request: &HttpRequest, to: (&str, &str), body: &[u8]) -> Result<Reply, ParseError> {
        let ip = self.client_ip(request);
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let headers = request.headers().iter();
        let delivery = Delivery {
            // As the sender knows it: it may have signed it.
            url: format!("{}/webhooks/{}/{}{query}", self.server_url, to.0, to.1),
            headers: Headers::new(headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))),
            body: body.into(),
            ip: ip.map(|ip| ip.to_string()),
        };
        let engine = Arc::clone(&self.engine);
        let (application, source) = (to.0.to_owned(), to.1.to_owned());
        // What has begun to be stored is stored, even if the sender does not wait.
        let work = async move {
            engine.receive((&application, &source), delivery).await?;
            Ok(Reply::empty())
        };
        to_its_end(Box::pin(AssertUnwindSafe(work).catch_unwind())).await
    }

    /// Checks the credentials of an opened request, and asks the engine.
    async fn dispatch(self: Arc<Self>, asked: Asked) -> Result<Reply, ParseError> {
        let Asked { route, envelope: Envelope { method, body, credentials, master_or_nothing }, .. } = asked;
        if let Some(path) = asked.path.as_ref().filter(|_| asked.counts) {
            // Before the session is looked at: whoever tries many is counted too.
            Box::pin(self.engine.count(&credentials, &method, &format!("/{path}"))).await?;
        }
        let work = match route {
            Ok(Route::LogIn) => Box::pin(self.engine.authenticate_without_session(credentials)).await?,
            Ok(Route::Account(AccountRoute::UpgradeSession)) => {
                Box::pin(self.engine.authenticate_legacy(credentials)).await?
            }
            _ => Box::pin(self.engine.authenticate(credentials)).await?,
        };
        if master_or_nothing && !work.is_master() {
            return Err(ParseError::new(ErrorCode::Unauthorized, "unauthorized"));
        }
        if let Some(path) = &asked.path {
            self.admit(&work, path)?;
        }
        let route = route?;
        let (query, telling) = (asked.query.as_str(), self.telling(&asked.request_id));
        let mut claim = None;
        if let (Some(id), Some(path)) = (&asked.once, &asked.path) {
            let request = Repeatable { id, method: &method, path, query, body: &body };
            match Box::pin(once::turn(&work, request)).await? {
                Turn::Again(reply) => return Ok(reply),
                Turn::Done(own) => claim = own,
            }
        }
        let answer = rest::answer(&self, &work, telling, route, Params { body, query }).await;
        match claim {
            None => answer,
            Some(claim) => Box::pin(once::keep(&work, claim, answer, telling)).await,
        }
    }

    fn measure(&self, method: &str, path: &str, reply: &Reply, started: Instant) {
        let pages = &self.engine.options().accounts.pages_endpoint;
        let asked = (method, below(&self.mount_path, path), pages.as_str());
        measure::answered(self.engine.metrics(), asked, reply.status, started);
    }

    /// Lets a client of `LiveQuery` in.
    async fn live(&self, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        let ip = self.client_ip(request);
        let opened = match (&self.engine.options().live, LiveConnection::new(&self.engine, ip)) {
            (Some(options), Some(client)) => {
                let ping = Duration::from_millis(options.ping_millis.max(1));
                live_socket::open(request, payload, client, (ping, self.ends.subscribe())).await
            }
            _ => Err(ParseError::new(ErrorCode::RouteNotFound, "LiveQuery is not on.")),
        };
        opened.unwrap_or_else(|error| {
            let reply = self.telling("").reply(&error);
            HttpResponse::with_body(reply.status, reply.body).map_into_boxed_body()
        })
    }

    fn telling<'a>(&self, request_id: &'a str) -> Telling<'a> {
        Telling { sanitized: self.engine.options().sanitized_errors, request_id }
    }
}

/// The application and the source that a webhook is sent to, if it is one.
fn webhook<'a>(method: &Method, segments: &'a [Cow<'_, str>]) -> Option<(&'a str, &'a str)> {
    match segments {
        [area, application, source] if *method == Method::POST && area.eq_ignore_ascii_case("webhooks") => {
            Some((application, source))
        }
        _ => None,
    }
}

/// A request, as it is handed over to the work on it.
struct Asked {
    /// What it is for, or why it is for nothing; credentials are checked before that is told.
    route: Result<Route, ParseError>,
    /// The path below the mount path, decoded, if `routeAllowList`, `idempotencyOptions` or `rateLimit` asks for it.
    path: Option<String>,
    /// Whether requests are counted.
    counts: bool,
    /// The id that makes it one of a kind, where such requests are watched.
    once: Option<String>,
    envelope: Envelope,
    query: String,
    request_id: String,
}

/// What work on a request comes to; a panic in it is an error too.
pub(crate) type Done = std::thread::Result<Result<Reply, ParseError>>;

/// Does work that goes on to its end, even if the client does not wait for it.
pub(crate) async fn to_its_end(mut work: Pin<Box<impl Future<Output = Done> + 'static>>) -> Result<Reply, ParseError> {
    // Much work is done without waiting for anything, and needs no task of its own.
    let done = match work.as_mut().now_or_never() {
        Some(done) => done,
        None => rt::spawn(work).await.map_err(ParseError::internal)?,
    };
    done.unwrap_or_else(|_panic| Err(ParseError::internal("the work on a request panicked")))
}

/// A body whose rest comes later. If it does not, the connection breaks, so that nobody takes the part for the whole.
fn in_pieces(status: StatusCode, first: Bytes, rest: Coming, request_id: String) -> HttpResponse {
    let told = rest.pieces.inspect_err(move |error| {
        tracing::error!(request_id, cause = error.detail.as_deref(), "an answer broke off: {}", error.message);
    });
    let body = stream::once(async { Ok(first) }).chain(told);
    match rest.length {
        Some(length) => HttpResponse::with_body(status, SizedStream::new(length, body)).map_into_boxed_body(),
        None => HttpResponse::with_body(status, BodyStream::new(body)).map_into_boxed_body(),
    }
}

/// Answers one request, whatever it is.
async fn serve(door: Arc<Door>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    if live_socket::is_wanted(&request) {
        return door.live(&request, payload).await;
    }
    let started = Instant::now();
    let _under_way = door.under_way.enter();
    let id = request_id::of(request.headers(), door.engine.clock());
    let mut method = Cow::Borrowed(request.method().as_str());
    let reply = match door.answer(&request, payload, &id, &mut method).await {
        Ok(reply) => reply,
        Err(error) => door.telling(&id).reply(&error),
    };
    log::answered(&method, request.uri().path(), &id, started, &reply);
    door.measure(&method, request.uri().path(), &reply, started);
    let says_something = !reply.body.is_empty() || reply.rest.is_some();
    let mut response = match reply.rest {
        None => HttpResponse::with_body(reply.status, reply.body).map_into_boxed_body(),
        Some(rest) => in_pieces(reply.status, reply.body, rest, id.clone()),
    };
    let headers = response.headers_mut();
    let json = *request.method() != Method::OPTIONS;
    let kind = if json { "application/json; charset=utf-8" } else { "text/plain; charset=utf-8" };
    if says_something {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(request_id::X_REQUEST_ID, id);
    }
    if let Some(location) = reply.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(LOCATION, location);
    }
    for (name, value) in reply.headers {
        headers.insert(name, value);
    }
    door.cors.apply(request.headers().get(ORIGIN), headers);
    response
}
