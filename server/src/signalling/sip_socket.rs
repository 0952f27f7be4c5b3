use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use http::StatusCode;
use sip::{FlowId, Transport};
use switch::Identity;
use tokio::sync::mpsc;

use super::run::Wish;
use crate::app::AppState;
use crate::auth::{ApiError, Entrance, Principal, unreadable};
use crate::http::sized_for_signalling;
use crate::socket::{Incoming, OUTBOX, carry};

const NO_SUBPROTOCOL: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "SipSubprotocolMissing",
    "Offer the WebSocket sub-protocol sip (RFC 7118)",
);
const NO_LINE: ApiError = ApiError::new(StatusCode::FORBIDDEN, "NoLine", "This user has no phone line");

/// `/wssip`, `/ws` and both with a proxy's name behind a hyphen: SIP over WebSocket (RFC 7118).
///
/// # Errors
/// A JSON error body before the upgrade: as [`Entrance`] says, 400 without the sub-protocol `sip`, 403 for a user
/// without a line.
pub async fn sip_socket(
    State(app): State<AppState>,
    Entrance { principal, peer }: Entrance,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let upgrade = sized_for_signalling(upgrade).protocols(["sip"]);
    if upgrade.selected_protocol().is_none() {
        return Err(NO_SUBPROTOCOL);
    }
    let line = app.store.line_of(principal.user_id).await.map_err(unreadable)?.ok_or(NO_LINE)?;
    let password = app.auth.sip_secrets.password(&principal.session, &line.name);
    let identity = Identity {
        user: principal.user_id,
        ha1: sip::digest::Ha1::new(&line.name, app.signalling.realm(), &password),
        account: line.name,
    };
    let transport = if peer.secure { Transport::Wss } else { Transport::Ws };
    Ok(upgrade.on_upgrade(move |socket| run(app, socket, principal, transport, identity)))
}

async fn run(
    app: AppState,
    socket: WebSocket,
    principal: Principal,
    transport: Transport,
    identity: Identity,
) {
    let _guard = app.shutdown.guard();
    let flow: FlowId = app.signalling.new_flow();
    let (outbox, frames) = mpsc::channel(OUTBOX);
    if !app.signalling.tell(Wish::FlowOpened { flow, transport, identity, outbox }).await {
        return;
    }
    carry(socket, frames, app.signalling.inbox(), app.auth.ended(&principal), |incoming| match incoming {
        Incoming::Text(text) => Some(Wish::Message { flow, bytes: text.into_bytes() }),
        Incoming::Binary(bytes) => Some(Wish::Message { flow, bytes }),
    })
    .await;
    app.signalling.tell(Wish::FlowClosed { flow }).await;
}
