//! One client of LiveQuery: who it is, what it subscribed to, and what its frames do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parsimony_cloud::metrics::LIVE_CLOSED;
use parsimony_cloud::{BeforeConnect, BeforeSubscribe, CONNECT};
use parsimony_model::permissions::Operation;
use parsimony_model::query::parse::{self, Bounds, Reading};
use parsimony_model::query::{Filter, Query, write};
use parsimony_model::value::json;
use parsimony_model::{ClassName, ClassSchema, ErrorCode, FieldName, ParseError, Value};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;

use super::LiveOptions;
use super::messages::{self, BAD_KEY, Connect, Message, Refusal, Subscribe};
use super::room::{Listener, Subscriber, ready};
use super::wire::Wire;
use crate::access::class;
use crate::access::fields::Hidden;
use crate::caller::Caller;
use crate::classes::rules_for;
use crate::engine::Engine;
use crate::triggers;
use crate::work::Work;

/// What is to be sent to a client.
pub struct Outgoing {
    frames: mpsc::Receiver<String>,
    wire: Arc<Wire>,
}

impl Outgoing {
    /// The next frame; `None` when the client reads too slowly to be told everything, and is to be sent away.
    pub async fn next(&mut self) -> Option<String> {
        tokio::select! {
            frame = self.frames.recv() => frame,
            () = self.wire.overflow() => None,
        }
    }

    /// Waits until the client reads too slowly to be told everything.
    pub async fn overflow(&self) {
        self.wire.overflow().await;
    }
}

/// One client. What it subscribed to ends with it.
pub struct LiveConnection {
    engine: Arc<Engine>,
    wire: Arc<Wire>,
    ip: Option<IpAddr>,
    client: Option<Client>,
}

/// A client that has said who it is.
struct Client {
    id: String,
    session_token: Option<String>,
    master: bool,
    installation_id: Option<String>,
    /// By the bits of the request's id: the class, and the text of the conditions.
    subscriptions: HashMap<u64, (ClassName, String)>,
}

impl LiveConnection {
    /// A client that has just come; `None` if this server has no LiveQuery.
    pub fn new(engine: &Arc<Engine>, ip: Option<IpAddr>) -> Option<(Self, Outgoing)> {
        engine.options.live.as_ref()?;
        let (wire, frames) = Wire::new(engine.options.limits.live_frames_waiting_max);
        let outgoing = Outgoing { frames, wire: Arc::clone(&wire) };
        Some((Self { engine: Arc::clone(engine), wire, ip, client: None }, outgoing))
    }

    /// Whether it has said who it is.
    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Notes that it is sent away, and why in one word.
    pub fn sent_away(&self, why: &'static str) {
        self.engine.metrics.count(&LIVE_CLOSED, &[why]);
    }

    /// Does what a frame says. What there is to say to it is sent.
    pub async fn hear(&mut self, text: &str) {
        let done = match messages::read(text) {
            Ok(Message::Connect(connect)) => self.connect(connect).await,
            Ok(Message::Subscribe(subscribe)) => self.subscribe(subscribe, false).await,
            Ok(Message::Update(subscribe)) => {
                self.end(subscribe.request_id);
                self.subscribe(subscribe, true).await
            }
            Ok(Message::Unsubscribe(request_id)) => self.unsubscribe(request_id),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = done {
            self.wire.send(refusal.frame());
        }
    }

    async fn connect(&mut self, connect: Connect) -> Result<(), Refusal> {
        let Some(options) = &self.engine.options.live else { return Ok(()) };
        if !has_key(options, &connect) {
            let text = "Key in request is not valid".to_owned();
            return Err(Refusal { text, code: BAD_KEY, reconnect: true, request_id: None });
        }
        let master = has_master_key(options, &connect);
        if let Some(client) = self.client.take() {
            end_all(&self.engine, &self.wire, &client);
        }
        let id = uuid(&self.engine);
        let listener = Listener { session_token: connect.session_token, master };
        let caller = Caller::listener(&self.engine, listener.session_token.as_deref(), master).await;
        let caller = caller.at_device(connect.installation_id.as_deref(), self.ip);
        let work = Work::new(Arc::clone(&self.engine), caller);
        let request = |origin| BeforeConnect { client: id.clone(), audience: self.engine.live.audience(), origin };
        if let Err(error) = triggers::run(&work, CONNECT, request).await {
            return Err(Refusal::of(&error, None, self.engine.options.sanitized_errors));
        }
        let mut name = format!(r#""clientId":"{id}""#);
        let mut answer = parsimony_model::map! { "op" => "connected", "clientId" => id.as_str() };
        if let Some(installation) = &connect.installation_id {
            let text = String::from_utf8(json::write(&Value::from(installation.as_str()))).unwrap_or_default();
            name.extend([r#","installationId":"#, &text]);
            answer.insert("installationId".into(), installation.as_str().into());
        }
        self.wire.call(name);
        let subscriptions = HashMap::new();
        let Listener { session_token, master } = listener;
        let installation_id = connect.installation_id;
        self.client = Some(Client { id, session_token, master, installation_id, subscriptions });
        self.engine.live.clients.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(ip = ?self.ip, "a LiveQuery client connected");
        self.wire.send(messages::frame(answer));
        Ok(())
    }

    async fn subscribe(&mut self, mut subscribe: Subscribe, is_update: bool) -> Result<(), Refusal> {
        let Some(client) = &mut self.client else {
            let text = "Can not find this client, make sure you connect to server before subscribing";
            return Err(Refusal::unknown(text.to_owned()));
        };
        let request_id = subscribe.request_id;
        let sanitized = self.engine.options.sanitized_errors;
        let told = |error: ParseError| Refusal::of(&error, Some(request_id), sanitized);
        if client.subscriptions.len() >= self.engine.options.limits.live_subscriptions_max {
            return Err(told(ParseError::new(ErrorCode::ConnectionFailed, "Too many subscriptions.")));
        }
        let token = subscribe.session_token.clone().or_else(|| client.session_token.clone());
        let listener = Listener { session_token: token, master: client.master };
        let caller = Caller::listener(&self.engine, listener.session_token.as_deref(), listener.master).await;
        let caller = caller.at_device(client.installation_id.as_deref(), self.ip);
        let work = Work::new(Arc::clone(&self.engine), caller);
        let asked = admit(&work, &mut subscribe, is_update).await.map_err(told)?;
        let key = asked.key();
        let subscriber = Subscriber {
            wire: Arc::clone(&self.wire),
            request_id,
            listener,
            keys: subscribe.keys.into(),
            watch: subscribe.watch.into(),
        };
        if let Some((class, before)) =
            client.subscriptions.insert(request_id.to_bits(), (asked.class.clone(), key.clone()))
        {
            self.engine.live.with_room(&class, |room| room.leave(&before, &self.wire, request_id));
        } else {
            self.engine.live.subscriptions.fetch_add(1, Ordering::Relaxed);
        }
        // Parse: who asks for a class that is not told is told nothing, and not that.
        if self.engine.options.live.as_ref().is_some_and(|options| options.tells(&asked.class)) {
            if self.engine.live.from_store {
                self.engine.live.stream.ready(&self.engine, &asked.class).await;
            }
            let schema = self.engine.schemas.get(&asked.class);
            let fitted = asked.fitted.as_ref().zip(schema.as_deref());
            self.engine.live.with_room(&asked.class, |room| room.enter(key, &asked.filter, fitted, subscriber));
        }
        self.wire.tell("subscribed", request_id, "");
        Ok(())
    }

    fn unsubscribe(&mut self, request_id: f64) -> Result<(), Refusal> {
        let Some(client) = &self.client else {
            let text = "Can not find this client, make sure you connect to live query server before unsubscribing.";
            return Err(Refusal::unknown(text.to_owned()));
        };
        if !client.subscriptions.contains_key(&request_id.to_bits()) {
            let text = format!(
                "Cannot find subscription with clientId {} subscriptionId {request_id}. Make sure you subscribe to live \
                 query server before unsubscribing.",
                client.id
            );
            return Err(Refusal::unknown(text));
        }
        self.end(request_id);
        self.wire.tell("unsubscribed", request_id, "");
        Ok(())
    }

    /// Ends a subscription, if there is one.
    fn end(&mut self, request_id: f64) {
        let Some(client) = &mut self.client else { return };
        if let Some((class, key)) = client.subscriptions.remove(&request_id.to_bits()) {
            self.engine.live.with_room(&class, |room| room.leave(&key, &self.wire, request_id));
            self.engine.live.subscriptions.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for LiveConnection {
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            end_all(&self.engine, &self.wire, client);
        }
    }
}

fn end_all(engine: &Engine, wire: &Arc<Wire>, client: &Client) {
    for (bits, (class, key)) in &client.subscriptions {
        engine.live.with_room(class, |room| room.leave(key, wire, f64::from_bits(*bits)));
    }
    engine.live.subscriptions.fetch_sub(client.subscriptions.len(), Ordering::Relaxed);
    engine.live.clients.fetch_sub(1, Ordering::Relaxed);
}

/// A subscription that this listener may have.
struct Asked {
    class: ClassName,
    filter: Filter,
    /// The condition fitted to the class, if there is such a class.
    fitted: Option<Filter>,
    conditions: Value,
}

impl Asked {
    /// What those who ask the same have in common.
    fn key(&self) -> String {
        String::from_utf8(json::write(&self.conditions)).unwrap_or_default()
    }
}

/// Refuses what a find would refuse: every rule of a query counts, and what one object does not tell is refused too.
async fn admit(work: &Work, subscribe: &mut Subscribe, is_update: bool) -> Result<Asked, ParseError> {
    let (engine, caller) = (&work.engine, &work.caller);
    let class = ClassName::parse(&subscribe.class)?;
    let reading = Reading { now: engine.clock.now(), internal_fields: caller.is_privileged() };
    let bounds = if caller.is_privileged() { Bounds::default() } else { engine.options.complexity.conditions };
    let conditions = Value::Object(subscribe.conditions.clone());
    let mut query = parse::find_within(&parsimony_model::map! { "where" => conditions }, reading, bounds)?;
    query.keys.clone_from(&subscribe.keys);
    if let Some(changed) = before_subscribe(work, &class, &query, subscribe, is_update).await? {
        subscribe.keys = changed.keys;
        query.filter = changed.filter;
    }
    let conditions = Value::Object(write::conditions(&query.filter));
    let filter = query.filter;
    let operation = if filter.as_id().is_some() { Operation::Get } else { Operation::Find };
    class::refuse_master_only(caller, &class, operation)?;
    rules_for(&class).visible(caller)?;
    let Some(schema) = engine.schemas.find(&class).await? else {
        // Of a class that is not there yet, what can be known of the condition is.
        ready(&filter, &ClassSchema::new(class.clone()))?;
        return Ok(Asked { class, filter, fitted: None, conditions });
    };
    class::decide(caller, &schema, operation)?;
    let hidden = Hidden::from(caller, &schema, &engine.options);
    hidden.refuse_use_in(&Query::new(filter.clone()), &schema)?;
    if let Some(field) = subscribe.watch.iter().find(|field| hidden.hides(field)) {
        let detail = format!("This user is not allowed to watch {field} on class {class}");
        return Err(ParseError::denied(ErrorCode::OperationForbidden, detail));
    }
    for field in &subscribe.keys {
        FieldName::parse(parsimony_model::update::top(field))?;
    }
    let (_, fitted) = ready(&filter, &schema)?;
    Ok(Asked { class, filter, fitted: Some(fitted), conditions })
}

/// What cloud code makes of what is asked; `None` if it is not asked.
async fn before_subscribe(
    work: &Work,
    class: &ClassName,
    query: &Query,
    subscribe: &Subscribe,
    is_update: bool,
) -> Result<Option<Query>, ParseError> {
    let request = |origin| BeforeSubscribe {
        class: class.clone(),
        query: query.clone(),
        watch: subscribe.watch.iter().map(ToString::to_string).collect(),
        request_id: subscribe.request_id,
        is_update,
        origin,
    };
    triggers::run(work, class.as_str(), request).await
}

/// Whether a client sent a key that lets it in, if any is asked for.
fn has_key(options: &LiveOptions, connect: &Connect) -> bool {
    options.key_pairs.is_empty() || options.key_pairs.keys().any(|name| same_key(options, connect, name))
}

fn has_master_key(options: &LiveOptions, connect: &Connect) -> bool {
    same_key(options, connect, "masterKey")
}

fn same_key(options: &LiveOptions, connect: &Connect, name: &str) -> bool {
    let (Some(key), Some(sent)) = (options.key_pairs.get(name), connect.keys.get(name)) else { return false };
    let (Some(key), Some(sent)) = (key.as_str(), sent.as_str()) else { return false };
    !key.is_empty() && bool::from(key.as_bytes().ct_eq(sent.as_bytes()))
}

/// A name for a client: a UUID of version 4.
fn uuid(engine: &Engine) -> String {
    let mut bytes = [0; 16];
    engine.clock.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.iter().filter_map(|(from, to)| text.get(*from..*to)).collect::<Vec<_>>().join("-")
}
