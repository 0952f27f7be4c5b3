use std::net::IpAddr;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use http::StatusCode;
use sip::{FlowId, Transport};
use switch::Identity;
use tokio::sync::mpsc;

use super::run::Wish;
use crate::app::AppState;
use crate::auth::{ApiError, Ended, Principal, SideDoor, unreadable};
use crate::http::sized_for_signalling;
use crate::socket::{Incoming, OUTBOX, Outgoing, carry};

/// Who has no login and has not registered by then is sent away.
const STRANGERS_TIME: Duration = Duration::from_secs(60);

const NO_SUBPROTOCOL: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "SipSubprotocolMissing",
    "Offer the WebSocket sub-protocol sip (RFC 7118)",
);
const NO_LINE: ApiError = ApiError::new(StatusCode::FORBIDDEN, "NoLine", "This user has no phone line");

/// `/wssip`, `/ws` and both with a proxy's name behind a hyphen: SIP over WebSocket (RFC 7118).
///
/// # Errors
/// A JSON error body before the upgrade: as [`SideDoor`] says, 400 without the sub-protocol `sip`, 403 for a user
/// without a line, and without a token unless the settings allow it.
pub async fn sip_socket(
    State(app): State<AppState>,
    SideDoor { principal, peer }: SideDoor,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let upgrade = sized_for_signalling(upgrade).protocols(["sip"]);
    if upgrade.selected_protocol().is_none() {
        return Err(NO_SUBPROTOCOL);
    }
    let transport = if peer.secure { Transport::Wss } else { Transport::Ws };
    let Some(principal) = principal else {
        let allowed = app.config.sip.websocket_without_login.unwrap_or(app.config.demo);
        if !allowed {
            return Err(ApiError::NO_BEARER.with_status(StatusCode::FORBIDDEN));
        }
        return Ok(upgrade.on_upgrade(move |socket| run_stranger(app, socket, transport, peer.address)));
    };
    let line = app.store.line_of(principal.user_id).await.map_err(unreadable)?.ok_or(NO_LINE)?;
    let password = app.auth.sip_secrets.password(&principal.session, &line.name);
    let identity = Identity {
        user: principal.user_id,
        ha1: sip::digest::Ha1::new(&line.name, app.signalling.realm(), &password),
        account: line.name,
    };
    Ok(upgrade.on_upgrade(move |socket| run(app, socket, principal, transport, identity)))
}

async fn run(
    app: AppState,
    socket: WebSocket,
    principal: Principal,
    transport: Transport,
    identity: Identity,
) {
    let flow: FlowId = app.signalling.new_flow();
    let (outbox, frames) = mpsc::channel(OUTBOX);
    let opened = Wish::FlowOpened { flow, transport, identity, outbox };
    let ended = app.auth.ended(&principal);
    carry_flow(&app, socket, flow, opened, frames, ended).await;
}

/// Who has no login proves himself by digest; there is no login whose end could end his socket.
async fn run_stranger(app: AppState, socket: WebSocket, transport: Transport, source: IpAddr) {
    let flow: FlowId = app.signalling.new_flow();
    let (outbox, frames) = mpsc::channel(OUTBOX);
    let opened = Wish::StrangerOpened {
        flow,
        transport,
        ends: None,
        certificate: None,
        source: Some(source),
        uninvited: false,
        outbox: outbox.into(),
    };
    let ended = async {
        tokio::time::sleep(STRANGERS_TIME).await;
        app.signalling.tell(Wish::FlowIdle { flow }).await;
        std::future::pending().await
    };
    carry_flow(&app, socket, flow, opened, frames, ended).await;
}

async fn carry_flow(
    app: &AppState,
    socket: WebSocket,
    flow: FlowId,
    opened: Wish,
    frames: mpsc::Receiver<Outgoing>,
    ended: impl Future<Output = Ended>,
) {
    let _guard = app.shutdown.guard();
    if !app.signalling.tell(opened).await {
        return;
    }
    carry(socket, frames, app.signalling.inbox(), ended, |incoming| match incoming {
        Incoming::Text(text) => Some(Wish::Message { flow, bytes: text.into_bytes() }),
        Incoming::Binary(bytes) => Some(Wish::Message { flow, bytes }),
    })
    .await;
    app.signalling.tell(Wish::FlowClosed { flow }).await;
}
