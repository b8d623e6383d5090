//! What happens in a push: the devices are read piece by piece in the order of their ids, each piece is sent, counted and noted.

use std::sync::Arc;

use futures::future::join_all;
use parsimony_cloud::{PushDevice, PushMessage, PushOutcome};
use parsimony_model::builtin::Builtin;
use parsimony_model::query::{Order, parse};
use parsimony_model::{ClassSchema, Constraint, Date, ErrorCode, Filter, Object, Op, ParseError, Update, Value, map};
use parsimony_store::{Change, Scope, Selection};

use super::payload::{Addressed, groups};
use super::queue::{Push, Queue};
use super::request::{Badge, badge};
use super::status;
use super::zones::{Civil, offset_name};
use crate::engine::Engine;
use crate::find;
use crate::options::PushOptions;
use crate::work::Work;

/// How often it is said how far a push has come.
const TELL_MILLIS: i64 = 1_000;

/// How often a push may be taken in vain.
const TRIES_MAX: u32 = 20;

/// What has to be known of a device.
const KEYS: [&str; 7] =
    ["deviceToken", "deviceType", "pushType", "appIdentifier", "localeIdentifier", "badge", "timeZone"];

/// How a push, or a pass of it, came to its end on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// All that were due are done.
    Whole,
    /// The rest is worth nothing any more.
    Expired,
    /// This server ends; another one goes on.
    Stopping,
    /// Another server has it.
    Lost,
}

/// Sends a push, or what of it is due.
pub(super) async fn deliver(engine: &Arc<Engine>, push: Push) {
    let id = push.id.clone();
    let done = async {
        let Some(options) = &engine.options.push else { return Ok(()) };
        let queue = Queue::of(engine).await?;
        let server = engine.as_master();
        let mut delivery = Delivery { engine, options, queue: &queue, server, push, told: Date::EPOCH };
        let sent = tokio::select! {
            sent = delivery.send() => sent,
            () = silence(engine, &queue, &id) => Ok(Ended::Lost),
        };
        delivery.end(sent).await
    };
    let done: Result<(), ParseError> = done.await;
    if let Err(error) = done {
        // When its lease is over it is taken again.
        tracing::error!(push = %id, cause = error.detail.as_deref(), "a push is held up: {}", error.message);
    }
}

/// Says every now and then that a push goes on; comes back when that is in vain.
async fn silence(engine: &Engine, queue: &Queue<'_>, id: &parsimony_model::ObjectId) {
    let lease = engine.options.limits.push_lease;
    let mut said = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(lease / 3).await;
        match queue.beat(id, engine.jobs.server()).await {
            Ok(true) => said = tokio::time::Instant::now(),
            Ok(false) => return,
            // When others may take it, this server must have let go of it.
            Err(_) if said.elapsed() >= lease => return,
            Err(error) => {
                tracing::warn!(push = %id, cause = error.detail.as_deref(), "it cannot be said that a push goes on");
            }
        }
    }
}

/// A push on its way.
struct Delivery<'a> {
    engine: &'a Arc<Engine>,
    options: &'a PushOptions,
    queue: &'a Queue<'a>,
    /// The rights with which it is seen.
    server: Work,
    push: Push,
    /// When it was last said how far it has come.
    told: Date,
}

/// The devices that a push addresses.
struct Audience {
    class: Arc<ClassSchema>,
    filter: Filter,
}

impl Audience {
    fn select(&self, more: Filter) -> Selection {
        Selection::new(Arc::clone(&self.class), self.filter.clone().and(more), Scope::Everything)
    }
}

impl Delivery<'_> {
    fn me(&self) -> &str {
        self.engine.jobs.server()
    }

    async fn send(&mut self) -> Result<Ended, ParseError> {
        if self.push.tries > TRIES_MAX {
            return Err(ParseError::new(ErrorCode::OtherCause, "The push was begun too often in vain."));
        }
        if self.push.local.is_some() {
            self.push.pass_up_to.get_or_insert_with(|| self.engine.clock.now());
        }
        let Some(audience) = self.audience().await? else { return Ok(Ended::Whole) };
        match self.push.local {
            None => self.pass(&audience).await,
            Some(civil) => self.local_pass(audience, civil).await,
        }
    }

    /// The devices that are addressed: those that have a token.
    async fn audience(&self) -> Result<Option<Audience>, ParseError> {
        let mut query = self.push.query.clone();
        query.entry("deviceToken".into()).or_insert_with(|| map! { "$exists" => true }.into());
        let reading = parse::Reading { now: self.push.at, internal_fields: true };
        let filter = parse::filter(&query, reading)?;
        let found = find::condition(&self.server, &Builtin::Installation.name(), filter).await?;
        Ok(found.map(|(class, filter)| Audience { class, filter }))
    }

    /// Those where the time has come since the last look.
    async fn local_pass(&mut self, audience: Audience, civil: Civil) -> Result<Ended, ParseError> {
        let up_to = self.push.pass_up_to.unwrap_or_else(|| self.engine.clock.now());
        if !self.queue.note(&self.push, self.me()).await? {
            return Ok(Ended::Lost);
        }
        let done = self.push.done_up_to;
        let is_due = |zone: Option<&str>| {
            let moment = civil.in_zone(zone).0;
            done < moment && moment <= up_to
        };
        let zones = self.server.objects.distinct(&audience.select(Filter::everything()), "timeZone").await?;
        let zones: Vec<Value> =
            zones.into_iter().filter(|zone| zone.as_str().is_some_and(|zone| is_due(Some(zone)))).collect();
        let mut any = vec![Filter::Field("timeZone".into(), Constraint::In(zones))];
        if is_due(None) {
            any.push(Filter::equals("timeZone", Value::Null));
        }
        let due = Audience { filter: audience.filter.and(Filter::Or(any)), ..audience };
        self.pass(&due).await
    }

    /// Sends to these devices, from where the last note says.
    async fn pass(&mut self, audience: &Audience) -> Result<Ended, ParseError> {
        let mut left = self.server.objects.count(&audience.select(self.rest())).await?;
        if left > 0 {
            self.tell(left).await?;
        }
        loop {
            if self.engine.tasks.is_stopping() {
                return Ok(Ended::Stopping);
            }
            let now = self.engine.clock.now();
            if left > 0 && self.push.expires_at().is_some_and(|expires_at| expires_at <= now) {
                return Ok(Ended::Expired);
            }
            let mut rows = self.piece(audience).await?;
            let Some(last) = rows.last().map(|row| row.id.as_str().to_owned()) else { return Ok(Ended::Whole) };
            if !self.change_badges(audience, &mut rows, &last).await? {
                return Ok(Ended::Lost);
            }
            left = left.saturating_sub(rows.len() as u64);
            self.send_to(rows).await?;
            self.push.cursor = last;
            if !self.queue.note(&self.push, self.me()).await? {
                return Ok(Ended::Lost);
            }
            if now.millis() - self.told.millis() >= TELL_MILLIS {
                self.tell(left).await?;
            }
        }
    }

    async fn tell(&mut self, left: u64) -> Result<(), ParseError> {
        self.told = self.engine.clock.now();
        let pieces = left.div_ceil(self.options.batch_devices.max(1));
        status::running(&self.server, &self.push.id, &self.push.counts, pieces).await
    }

    /// What is met by the devices that are not done yet.
    fn rest(&self) -> Filter {
        if self.push.cursor.is_empty() {
            return Filter::everything();
        }
        Filter::Field("objectId".into(), Constraint::Greater(self.push.cursor.as_str().into()))
    }

    async fn piece(&self, audience: &Audience) -> Result<Vec<Object>, ParseError> {
        let order = vec![Order { path: "objectId".into(), descending: false }];
        let keys = KEYS.iter().map(|key| (*key).to_owned()).collect();
        let selection = audience.select(self.rest()).ordered(order).range(0, Some(self.options.batch_devices.max(1)));
        Ok(self.server.objects.find(&selection.only(keys)).await?)
    }

    /// Changes the badges of the devices, each once: that it will be done is noted before. `false` if the push is not this
    /// server's any more.
    async fn change_badges(
        &mut self,
        audience: &Audience,
        rows: &mut [Object],
        last: &str,
    ) -> Result<bool, ParseError> {
        let Some(badge) = badge(&self.push.body)? else { return Ok(true) };
        let new = rows.iter().filter(|row| row.id.as_str() > self.push.badged_up_to.as_str());
        let ids: Vec<Value> = new.map(|row| row.id.as_str().into()).collect();
        let those = |ids: Vec<Value>| {
            let filter = Filter::Field("objectId".into(), Constraint::In(ids));
            Selection::new(Arc::clone(&audience.class), filter, Scope::Everything)
        };
        if !ids.is_empty() {
            last.clone_into(&mut self.push.badged_up_to);
            if !self.queue.note(&self.push, self.me()).await? {
                return Ok(false);
            }
            let op = match badge {
                Badge::Grow(amount) => Op::Increment(amount),
                Badge::Become(number) => Op::Set(number.into()),
            };
            let update: Update = std::iter::once(("badge".into(), op)).collect();
            let change = Change { update, acl: None, updated_at: self.engine.clock.now() };
            self.server.objects.update_all(&those(ids), &change).await?;
        }
        if matches!(badge, Badge::Grow(_)) {
            let all = rows.iter().map(|row| row.id.as_str().into()).collect();
            let keys = vec!["badge".to_owned()];
            let found = self.server.objects.find(&those(all).only(keys)).await?;
            for row in rows {
                let badge = found.iter().find(|found| found.id == row.id).and_then(|found| found.get("badge"));
                row.fields.insert("badge".into(), badge.cloned().unwrap_or_default());
            }
        }
        Ok(true)
    }

    /// Sends to the devices of a piece, and counts what became of it.
    async fn send_to(&mut self, rows: Vec<Object>) -> Result<(), ParseError> {
        let grows = matches!(badge(&self.push.body)?, Some(Badge::Grow(_)));
        let mut body = self.push.body.clone();
        if let Some(expires_at) = self.push.expires_at() {
            body.insert("expiration_time".into(), (expires_at.millis() as f64).into());
        }
        let civil = self.push.local;
        let offset = |row: &Object| civil.map(|civil| offset_name(civil.in_zone(row.text("timeZone")).1));
        let rows: Vec<Object> =
            rows.into_iter().filter(|row| row.text("deviceToken").is_some_and(|token| !token.is_empty())).collect();
        let offsets: Vec<Option<String>> = rows.iter().map(offset).collect();
        let all = rows.iter().map(|row| addressed(row, grows)).collect();
        let groups = groups(&body, all);
        let messages: Vec<PushMessage> = groups
            .iter()
            .map(|group| PushMessage { id: self.push.id.clone(), at: self.push.at, body: group.body.clone() })
            .collect();
        let sending =
            groups.iter().zip(&messages).map(|(group, message)| self.options.sender.send(message, &group.devices));
        let mut gone: Vec<Value> = Vec::new();
        for (group, outcomes) in groups.iter().zip(join_all(sending).await) {
            let mut outcomes = outcomes.into_iter();
            for (device, place) in group.devices.iter().zip(&group.places) {
                let outcome = outcomes.next().unwrap_or_else(|| PushOutcome::failed("The sender did not say."));
                let offset = offsets.get(*place).and_then(Option::as_deref);
                self.push.counts.count(device, &outcome, offset);
                let PushOutcome::Failed { reason, gone: is_gone } = outcome else { continue };
                tracing::debug!(push = %self.push.id, installation = device.installation, reason, "not sent");
                gone.extend(is_gone.then(|| Value::from(device.token.as_str())));
            }
        }
        self.forget(gone).await
    }

    /// Takes tokens from installations that their services do not know any more, where the administrator wants that.
    async fn forget(&self, tokens: Vec<Value>) -> Result<(), ParseError> {
        if tokens.is_empty() || !self.options.cleans_up {
            return Ok(());
        }
        tracing::info!(push = %self.push.id, count = tokens.len(), "tokens of devices that are gone are taken away");
        let class = self.engine.schemas.require(&Builtin::Installation.name()).await?;
        let filter = Filter::Field("deviceToken".into(), Constraint::In(tokens));
        let update: Update = std::iter::once(("deviceToken".into(), Op::Delete)).collect();
        let change = Change { update, acl: None, updated_at: self.engine.clock.now() };
        let selection = Selection::new(class, filter, Scope::Everything);
        self.server.objects.update_all(&selection, &change).await?;
        Ok(())
    }

    /// Says how it ended, and lets go of it.
    async fn end(mut self, sent: Result<Ended, ParseError>) -> Result<(), ParseError> {
        let me = self.engine.jobs.server();
        let ended = match sent {
            Ok(Ended::Lost) => {
                tracing::warn!(push = %self.push.id, "another server goes on with a push");
                return Ok(());
            }
            Ok(Ended::Stopping) => {
                let due = self.engine.clock.now();
                return self.queue.let_go(&self.push, me, due).await;
            }
            Ok(Ended::Whole) => Ok(()),
            Ok(Ended::Expired) => {
                Err(ParseError::new(ErrorCode::OtherCause, "The push expired before it was sent to everybody."))
            }
            // The database may be there again later.
            Err(error) if matches!(error.code, ErrorCode::InternalServerError | ErrorCode::NotReady) => {
                return Err(error);
            }
            Err(error) => Err(error),
        };
        if let (Ok(()), Some(civil), Some(up_to)) = (&ended, self.push.local, self.push.pass_up_to)
            && let Some(next) = civil.next_after(up_to)
        {
            self.push.done_up_to = up_to;
            self.push.pass_up_to = None;
            self.push.cursor.clear();
            self.push.badged_up_to.clear();
            if self.told != Date::EPOCH {
                self.tell(0).await?;
            }
            return self.queue.let_go(&self.push, me, next).await;
        }
        match &ended {
            Ok(()) => status::succeeded(&self.server, &self.push.id, &self.push.counts).await?,
            Err(error) => status::failed(&self.server, &self.push.id, &self.push.counts, error).await?,
        }
        self.queue.remove(&self.push.id, me).await
    }
}

fn addressed(row: &Object, grows: bool) -> Addressed {
    let text = |field: &str| row.text(field).map(str::to_owned);
    let device = PushDevice {
        installation: row.id.as_str().to_owned(),
        token: text("deviceToken").unwrap_or_default(),
        device_type: text("deviceType").unwrap_or_default(),
        push_type: text("pushType"),
        app_identifier: text("appIdentifier"),
    };
    let badge = row.get("badge").and_then(Value::as_f64).filter(|_| grows);
    Addressed { device, locale: text("localeIdentifier"), badge }
}
