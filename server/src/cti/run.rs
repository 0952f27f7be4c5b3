use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway::{CloseReason, Gateway, Profile, Transmit};
use model::SessionId;
use switch::{Fact, Refusal};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::engines::supervise;
use crate::signalling::{self, Signalling};
use crate::socket::Outgoing;

/// What comes to the gateway's loop.
#[derive(Debug)]
pub enum Wish {
    /// A socket with a good token.
    Open {
        /// Its number.
        session: SessionId,
        /// Whose it is.
        profile: Box<Profile>,
        /// Where its frames go.
        outbox: mpsc::Sender<Outgoing>,
    },
    /// A text frame.
    Frame {
        /// From whom.
        session: SessionId,
        /// What.
        text: String,
    },
    /// A socket is gone.
    Closed {
        /// Which.
        session: SessionId,
    },
    /// Something happened in the switch.
    Fact(Fact),
    /// The switch did not take a command.
    Refused {
        /// Who had asked.
        session: SessionId,
        /// Why not.
        refusal: Refusal,
    },
    /// The server stops: all sockets are closed.
    Stop,
}

/// The way to the gateway's loop.
#[derive(Clone, Debug)]
pub struct Cti {
    inbox: mpsc::Sender<Wish>,
    next_session: Arc<AtomicU64>,
}

/// Frames and facts that may wait for the gateway. When it is full, sockets wait before they read on, and the
/// switch's loop waits too: facts are never dropped, since pages change on facts alone.
const INBOX: usize = 10_000;

impl Cti {
    /// A way to a loop that is not there yet, and the loop's end of it.
    pub fn new() -> (Cti, mpsc::Receiver<Wish>) {
        let (inbox, wishes) = mpsc::channel(INBOX);
        (Cti { inbox, next_session: Arc::default() }, wishes)
    }

    /// Hands something to the loop; waits while its inbox is full. `false` when the loop has ended.
    pub async fn tell(&self, wish: Wish) -> bool {
        self.inbox.send(wish).await.is_ok()
    }

    pub(super) fn inbox(&self) -> &mpsc::Sender<Wish> {
        &self.inbox
    }

    pub(super) fn new_session(&self) -> SessionId {
        SessionId(self.next_session.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Starts the loop round the gateway.
pub fn spawn(
    config: gateway::Config,
    mut wishes: mpsc::Receiver<Wish>,
    signalling: Signalling,
    clock: Clock,
) {
    let running = tokio::spawn(async move {
        let mut gateway = Gateway::new(config);
        let mut outlets = Outlets { sockets: HashMap::new(), logins: BTreeMap::new(), signalling };
        loop {
            outlets.drain(&mut gateway);
            let wake = gateway.poll_timeout();
            tokio::select! {
                wish = wishes.recv() => match wish {
                    Some(Wish::Stop) | None => return outlets.say_goodbye(),
                    Some(wish) => outlets.handle(&mut gateway, wish, clock),
                },
                () = clock.sleep_until(wake) => gateway.handle_timeout(clock.now()),
            }
        }
    });
    supervise("gateway", running);
}

struct Outlets {
    sockets: HashMap<SessionId, mpsc::Sender<Outgoing>>,
    /// For logs.
    logins: BTreeMap<SessionId, String>,
    signalling: Signalling,
}

impl Outlets {
    fn handle(&mut self, gateway: &mut Gateway, wish: Wish, clock: Clock) {
        let now = clock.now();
        match wish {
            Wish::Open { session, profile, outbox } => {
                tracing::info!(%session, login = profile.login, "CTI session opened");
                self.logins.insert(session, profile.login.clone());
                self.sockets.insert(session, outbox);
                gateway.open(session, *profile, now);
            }
            Wish::Frame { session, text } => {
                metrics::counter!("hotdesk_cti_frames_total", "direction" => "in").increment(1);
                gateway.handle_frame(session, &text, now);
            }
            Wish::Closed { session } => {
                tracing::info!(%session, login = self.logins.remove(&session), "CTI session closed");
                self.sockets.remove(&session);
                gateway.close(session);
            }
            Wish::Fact(fact) => gateway.handle_fact(&fact),
            Wish::Refused { session, refusal } => gateway.refused(session, refusal),
            Wish::Stop => {}
        }
        metrics::gauge!("hotdesk_cti_sessions").set(gateway.sessions() as f64);
    }

    fn say_goodbye(&mut self) {
        for (_, outbox) in self.sockets.drain() {
            let _ = outbox.try_send(Outgoing::Close(1012, "the server is stopping"));
        }
    }

    fn drain(&mut self, gateway: &mut Gateway) {
        while let Some(gateway::Order { session, command }) = gateway.poll_order() {
            // never wait for the other loop, which may be waiting for us
            if !self.signalling.try_tell(signalling::Wish::Command { session, command }) {
                gateway.refused(session, Refusal::NoRoom);
            }
        }
        while let Some(transmit) = gateway.poll_transmit() {
            match transmit {
                Transmit::Frame(session, text) => {
                    self.send(gateway, session, Outgoing::Frame(text.into_bytes()))
                }
                Transmit::Close(session, reason) => {
                    let (code, text) = match reason {
                        CloseReason::Idle => (1001, "nothing was heard for too long"),
                    };
                    self.send(gateway, session, Outgoing::Close(code, text));
                    self.sockets.remove(&session);
                }
            }
        }
        while let Some((session, level, text)) = gateway.poll_log() {
            // what a page says is data: debug formatting keeps line ends and escape codes out of the log
            let login = self.logins.get(&session);
            let text: String = text.chars().take(2_000).collect();
            match level.as_str() {
                "error" => tracing::error!(%session, login, page = ?text),
                "warn" => tracing::warn!(%session, login, page = ?text),
                _ => tracing::info!(%session, login, page = ?text),
            }
        }
    }

    /// A socket whose outbox is full does not read: its sender is dropped, which closes it.
    fn send(&mut self, gateway: &mut Gateway, session: SessionId, outgoing: Outgoing) {
        let Some(outbox) = self.sockets.get(&session) else { return };
        metrics::counter!("hotdesk_cti_frames_total", "direction" => "out").increment(1);
        if outbox.try_send(outgoing).is_err() {
            tracing::warn!(%session, "a CTI client does not read; its socket is closed");
            self.sockets.remove(&session);
            gateway.close(session);
        }
    }
}
