//! `LiveQuery`: a WebSocket on any path of the server. It carries frames and decides nothing.

use std::time::Duration;

use actix_web::http::header::{CONNECTION, UPGRADE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, rt, web};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use futures::StreamExt;
use parsimony_engine::{LiveConnection, Outgoing};
use parsimony_model::ParseError;
use tokio::sync::watch;

use crate::frame_guard::guarded;

/// How many bytes a frame of a client may have.
const FRAME_BYTES_MAX: usize = 256 << 10;

/// How long a client may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(30);

/// How long a client may take to read what it is sent, once there is no room for it on the way.
const SEND_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a client that is sent away may take to read why.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(30);

/// How many questions of ours a client may leave unanswered.
const UNANSWERED_MAX: u8 = 1;

/// Whether a request wants a WebSocket.
pub(crate) fn is_wanted(request: &HttpRequest) -> bool {
    let has = |name, word: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    has(UPGRADE, "websocket") && has(CONNECTION, "upgrade")
}

/// Opens the socket; what comes through it is the connection's.
pub(crate) async fn open(
    request: &HttpRequest,
    payload: web::Payload,
    (connection, outgoing): (LiveConnection, Outgoing),
    (ping, ends): (Duration, watch::Receiver<bool>),
) -> Result<HttpResponse, ParseError> {
    let mut payload = guarded(payload.into_inner());
    let payload = web::Payload::from_request(request, &mut payload).await.map_err(ParseError::internal)?;
    let (response, session, stream) = actix_ws::handle(request, payload).map_err(ParseError::internal)?;
    let stream = stream.max_frame_size(FRAME_BYTES_MAX);
    rt::spawn(serve((connection, outgoing), session, stream, ping, ends));
    Ok(response)
}

/// Carries frames both ways until one side ends it.
async fn serve(
    (mut connection, mut outgoing): (LiveConnection, Outgoing),
    mut session: Session,
    mut stream: MessageStream,
    ping: Duration,
    mut ends: watch::Receiver<bool>,
) {
    let mut pings = rt::time::interval(ping);
    let introduction = rt::time::sleep(INTRODUCTION);
    let mut introduction = std::pin::pin!(introduction);
    let mut unanswered = 0;
    let end = loop {
        tokio::select! {
            frame = outgoing.next() => match frame {
                // Sending waits for as long as the client does not read.
                Some(frame) => tokio::select! {
                    sent = session.text(frame) => if sent.is_err() { return },
                    () = outgoing.overflow() => break End::Slow,
                    () = rt::time::sleep(SEND_TIME_MAX) => break End::Slow,
                    () = told(&mut ends) => break End::Leaving,
                },
                None => break End::Slow,
            },
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => connection.hear(&text).await,
                Some(Ok(Message::Ping(bytes))) => if session.pong(&bytes).await.is_err() { return },
                Some(Ok(Message::Pong(_))) => unanswered = 0,
                Some(Ok(Message::Close(_))) | None => break End::Wanted,
                Some(Ok(Message::Nop)) => {}
                Some(Ok(_)) => break End::InPieces,
                Some(Err(_)) => break End::Malformed,
            },
            _ = pings.tick() => {
                unanswered += 1;
                if unanswered > UNANSWERED_MAX {
                    break End::Silent;
                }
                if session.ping(b"").await.is_err() { return }
            }
            () = told(&mut ends) => break End::Leaving,
            () = &mut introduction, if !connection.is_connected() => break End::Stranger,
        }
    };
    if let Some(why) = end.name() {
        connection.sent_away(why);
    }
    // The client may be gone already, or read nothing, not even that it is sent away.
    rt::time::timeout(CLOSE_TIME_MAX, session.close(Some(end.reason()))).await.ok();
}

/// Waits until the server ends.
async fn told(ends: &mut watch::Receiver<bool>) {
    ends.wait_for(|ends| *ends).await.ok();
}

/// Why a socket is closed.
#[derive(Clone, Copy)]
enum End {
    /// The client goes.
    Wanted,
    /// The server ends; another one, or this one started anew, is there for the client.
    Leaving,
    Slow,
    InPieces,
    Malformed,
    Silent,
    Stranger,
}

impl End {
    /// How it is measured, where it is the client's fault.
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Wanted | Self::Leaving => None,
            Self::Slow => Some("slow"),
            Self::InPieces | Self::Malformed => Some("malformed"),
            Self::Silent => Some("silent"),
            Self::Stranger => Some("stranger"),
        }
    }

    fn reason(self) -> CloseReason {
        let reason = |code, text: &str| CloseReason { code, description: Some(text.to_owned()) };
        match self {
            Self::Wanted => CloseReason::from(CloseCode::Normal),
            Self::Leaving => reason(CloseCode::Away, "The server ends."),
            Self::Slow => reason(CloseCode::Again, "The client reads too slowly."),
            Self::InPieces => reason(CloseCode::Unsupported, "A frame is a text in one piece."),
            Self::Malformed => reason(CloseCode::Protocol, "The frame is malformed, or too large."),
            Self::Silent => reason(CloseCode::Away, "The client does not answer."),
            Self::Stranger => reason(CloseCode::Policy, "The client did not connect."),
        }
    }
}
