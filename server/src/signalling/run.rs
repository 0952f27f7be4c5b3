use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{CallId, LegId, SessionId};
use sip::{FlowEnds, FlowId, Transport};
use switch::{Command, Directory, Fact, Identity, Switch, TrunkId};
use tokio::sync::{mpsc, oneshot};

use super::echo::EchoTests;
use super::flows::Outbox;
use super::records::Records;
use super::services::ServicesKeeper;
use super::trunks::Trunks;
use crate::clock::Clock;
use crate::cti::{self, Cti};
use crate::engines::supervise;
use crate::media::{MediaPool, WorkerFact, WorkerId, makes_leg, refusal};
use crate::socket::Outgoing;

/// What comes to the switch's loop.
#[derive(Debug)]
pub enum Wish {
    /// A connection that may speak SIP for `identity`.
    FlowOpened {
        /// Its number.
        flow: FlowId,
        /// What carries it.
        transport: Transport,
        /// Who it is.
        identity: Identity,
        /// Where its messages go.
        outbox: mpsc::Sender<Outgoing>,
    },
    /// A connection or a UDP peer that has proved nothing.
    StrangerOpened {
        /// Its number.
        flow: FlowId,
        /// What carries it.
        transport: Transport,
        /// Where it begins and ends; not known of a WebSocket.
        ends: Option<FlowEnds>,
        /// The trunk's name that its certificate bears, and that was verified.
        certificate: Option<String>,
        /// Whence a WebSocket comes, by what trusted proxies say.
        source: Option<IpAddr>,
        /// Whether it has come to a socket of ours that only trunks are told of.
        uninvited: bool,
        /// Where its messages go.
        outbox: Outbox,
    },
    /// A connection that we have made to a trunk, or a UDP peer that we have chosen for it.
    TrunkOpened {
        /// Which trunk.
        trunk: TrunkId,
        /// Its number.
        flow: FlowId,
        /// What carries it.
        transport: Transport,
        /// Where it begins and ends.
        ends: FlowEnds,
        /// Where its messages go.
        outbox: Outbox,
    },
    /// The addresses that a trunk's name has now.
    TrunkAddresses {
        /// Which trunk.
        trunk: TrunkId,
        /// Those.
        addresses: Vec<IpAddr>,
    },
    /// One SIP message.
    Message {
        /// By which connection.
        flow: FlowId,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// A connection is gone.
    FlowClosed {
        /// Which.
        flow: FlowId,
    },
    /// Nothing has come by a flow for long: it is closed unless a call or a registration lives on it.
    FlowIdle {
        /// Which.
        flow: FlowId,
    },
    /// A CTI session's wish.
    Command {
        /// Who asks.
        session: SessionId,
        /// What.
        command: Command,
    },
    /// The lines or their devices have changed.
    Directory(Directory),
    /// The server stops: end all calls, then say so.
    Drain(oneshot::Sender<()>),
}

/// The way to the switch's loop.
#[derive(Clone, Debug)]
pub struct Signalling {
    inbox: mpsc::Sender<Wish>,
    next_flow: Arc<AtomicU64>,
    realm: Arc<str>,
}

/// Messages that may wait for the switch. When it is full, sockets wait before they read on.
const INBOX: usize = 4_096;

impl Signalling {
    /// A way to a loop that is not there yet, and the loop's end of it.
    pub fn new(realm: &str) -> (Signalling, mpsc::Receiver<Wish>) {
        let (inbox, wishes) = mpsc::channel(INBOX);
        (Signalling { inbox, next_flow: Arc::default(), realm: realm.into() }, wishes)
    }

    /// The realm of digest challenges.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Hands something to the loop; waits while its inbox is full. `false` when the loop has ended.
    pub async fn tell(&self, wish: Wish) -> bool {
        self.inbox.send(wish).await.is_ok()
    }

    /// Hands something to the loop unless its inbox is full.
    pub fn try_tell(&self, wish: Wish) -> bool {
        self.inbox.try_send(wish).is_ok()
    }

    /// Ends all calls, each with a BYE, and waits until they have been sent.
    pub async fn drain(&self) {
        let (done, drained) = oneshot::channel();
        if self.tell(Wish::Drain(done)).await {
            let _ = drained.await;
        }
    }

    /// Waits until the loop has ended.
    pub(super) async fn ended(&self) {
        self.inbox.closed().await;
    }

    pub(super) fn inbox(&self) -> &mpsc::Sender<Wish> {
        &self.inbox
    }

    pub(super) fn new_flow(&self) -> FlowId {
        FlowId(self.next_flow.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// What the loop is made of.
pub struct Setup {
    /// The switch, with its lines.
    pub switch: Switch,
    /// The media workers.
    pub pool: Arc<MediaPool>,
    /// How people call the trunks.
    pub trunks: BTreeMap<TrunkId, String>,
    /// What the workers tell.
    pub media_facts: mpsc::Receiver<WorkerFact>,
    /// Where facts go.
    pub cti: Cti,
    /// Where ended calls go.
    pub records: Records,
    /// Where users' choices go.
    pub services: ServicesKeeper,
    /// Who else has legs on the workers.
    pub echo_tests: EchoTests,
    /// The clock.
    pub clock: Clock,
}

/// Starts the loop round the switch.
pub fn spawn(setup: Setup, mut wishes: mpsc::Receiver<Wish>) {
    let Setup { mut switch, pool, trunks, mut media_facts, cti, records, services, echo_tests, clock } =
        setup;
    let running = tokio::spawn(async move {
        let (flows, workers) = (HashMap::new(), BTreeMap::new());
        let trunks = Trunks::new(trunks);
        let mut outlets = Outlets { flows, workers, pool, trunks, cti, records, services, clock };
        loop {
            outlets.drain(&mut switch).await;
            let wake = switch.poll_timeout();
            tokio::select! {
                wish = wishes.recv() => match wish {
                    Some(Wish::Drain(done)) => {
                        let _ = switch.handle_command(Command::Drain, clock.now());
                        outlets.drain(&mut switch).await;
                        outlets.say_goodbye().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(wish) => outlets.handle(&mut switch, wish, clock).await,
                    None => return,
                },
                Some(fact) = media_facts.recv() => {
                    observe(&fact.fact, &switch);
                    if !echo_tests.hear(&fact.fact) {
                        switch.handle_media(fact.fact, clock.now());
                    }
                }
                () = clock.sleep_until(wake) => switch.handle_timeout(clock.now()),
            }
        }
    });
    supervise("switch", running);
}

struct Outlets {
    flows: HashMap<FlowId, Outbox>,
    /// All legs of a call, and of those that grow out of it, live on one worker, chosen with the first.
    workers: BTreeMap<CallId, WorkerId>,
    pool: Arc<MediaPool>,
    trunks: Trunks,
    cti: Cti,
    records: Records,
    services: ServicesKeeper,
    clock: Clock,
}

impl Outlets {
    async fn handle(&mut self, switch: &mut Switch, wish: Wish, clock: Clock) {
        let now = clock.now();
        match wish {
            Wish::FlowOpened { flow, transport, identity, outbox } => {
                tracing::debug!(flow = flow.0, user = %identity.user, "SIP flow opened");
                self.flows.insert(flow, outbox.into());
                switch.open_flow(flow, transport, identity, now);
            }
            Wish::TrunkOpened { trunk, flow, transport, ends, outbox } => {
                self.flows.insert(flow, outbox);
                switch.open_trunk(trunk, flow, transport, ends, now);
            }
            Wish::TrunkAddresses { trunk, addresses } => switch.set_trunk_addresses(trunk, addresses, now),
            Wish::StrangerOpened { flow, transport, ends, certificate, source, uninvited, mut outbox } => {
                tracing::debug!(
                    flow = flow.0,
                    transport = transport.via_token(),
                    "SIP flow of a stranger opened"
                );
                switch.open_stranger(flow, transport, ends, certificate.as_deref(), now);
                if switch.knows(flow) {
                    outbox.is_of_a_trunk();
                }
                self.flows.insert(flow, outbox);
                if let Some(source) = source {
                    switch.set_source(flow, source);
                }
                if uninvited && !switch.knows(flow) {
                    self.flows.remove(&flow);
                    switch.close_flow(flow, now);
                }
            }
            Wish::Message { flow, bytes } => {
                metrics::counter!("hotdesk_sip_messages_total", "direction" => "in").increment(1);
                switch.handle_message(flow, &bytes, now);
                if switch.knows(flow)
                    && let Some(outbox) = self.flows.get_mut(&flow)
                {
                    outbox.prove();
                }
            }
            Wish::FlowIdle { flow } if switch.lives_on(flow) => {}
            Wish::FlowClosed { flow } | Wish::FlowIdle { flow } => {
                tracing::debug!(flow = flow.0, "SIP flow closed");
                self.flows.remove(&flow);
                switch.close_flow(flow, now);
            }
            Wish::Command { session, command } => {
                if let Err(refusal) = switch.handle_command(command, now) {
                    tracing::debug!(%session, %refusal, "command refused");
                    self.cti.tell(cti::Wish::Refused { session, refusal }).await;
                }
            }
            Wish::Directory(directory) => switch.set_directory(directory),
            Wish::Drain(_) => unreachable!("the loop takes it"),
        }
    }

    /// Closes all sockets behind what was sent to them.
    async fn say_goodbye(&mut self) {
        for (_, outbox) in self.flows.drain() {
            let _ = outbox.try_send(Outgoing::Close(1012, "the server is stopping"));
        }
        self.cti.tell(cti::Wish::Stop).await;
    }

    /// Orders something of the call's worker. A call that has none gets one with its first leg, if there is one
    /// that can take another call.
    fn ask(&mut self, call: CallId, order: media::Order) -> Result<(), media::Fact> {
        let worker = match self.workers.get(&call) {
            Some(worker) => *worker,
            None if makes_leg(&order) => {
                let Some(worker) = self.pool.pick() else { return refusal(&order).map_or(Ok(()), Err) };
                *self.workers.entry(call).or_insert(worker)
            }
            None => return Ok(()),
        };
        self.pool.order(worker, order)
    }

    /// Lets everything out that the switch has to say.
    async fn drain(&mut self, switch: &mut Switch) {
        while let Some(order) = switch.poll_order() {
            if let Err(refused) = self.ask(order.call, order.order) {
                observe(&refused, switch);
                switch.handle_media(refused, self.clock.now());
            }
        }
        // after the orders, before the first message: nobody hears of a call what the journal does not know
        let facts: Vec<Fact> = std::iter::from_fn(|| switch.poll_fact()).collect();
        self.records.keep(&facts, self.clock.unix_millis());
        while let Some(transmit) = switch.poll_transmit() {
            metrics::counter!("hotdesk_sip_messages_total", "direction" => "out").increment(1);
            let Some(outbox) = self.flows.get(&transmit.flow) else { continue };
            if outbox.try_send(Outgoing::Frame(transmit.bytes)).is_err() {
                // it does not read: dropping the sender closes its socket, and the flow with it
                tracing::warn!(flow = transmit.flow.0, "a SIP client does not read; its socket is closed");
                self.flows.remove(&transmit.flow);
            }
        }
        let mut silent = Vec::new();
        for fact in facts {
            match &fact {
                Fact::TrunkSilent { flow, .. } => silent.push(*flow),
                Fact::TrunkChanged { .. } | Fact::TrunkRefusedUs { .. } | Fact::NotLetOut { .. } => {
                    self.trunks.hear(&fact);
                }
                Fact::CallEnded(ended) => {
                    tracing::info!(
                        call = %ended.call,
                        linked_id = ended.linked_id,
                        cause = ended.cause.as_str(),
                        ms = ended.ended_at - ended.started_at,
                        answered = ended.answered_at.is_some(),
                        "call ended"
                    );
                    metrics::counter!("hotdesk_calls_total", "cause" => ended.cause.as_str()).increment(1);
                }
                Fact::CallBegan(began) => {
                    tracing::debug!(call = %began.call, linked_id = began.linked_id, "call began");
                }
                Fact::CallAnswered { call } => tracing::debug!(%call, "call answered"),
                Fact::Phone(phone) => {
                    tracing::debug!(call = %phone.call, user = %phone.user, kind = ?phone.kind, "call changed");
                    self.cti.tell(cti::Wish::Fact(fact)).await;
                }
                Fact::WorkerFree { home } => drop(self.workers.remove(home)),
                Fact::ServicesChanged { user, services } => {
                    self.services.keep(*user, services.clone());
                    self.cti.tell(cti::Wish::Fact(fact)).await;
                }
                Fact::LineChanged { .. } | Fact::PhoneAct { .. } => {
                    self.cti.tell(cti::Wish::Fact(fact)).await;
                }
            }
        }
        metrics::gauge!("hotdesk_calls").set(switch.calls() as f64);
        metrics::gauge!("hotdesk_sip_flows").set(self.flows.len() as f64);
        let (dialogs, transactions) = switch.held();
        metrics::gauge!("hotdesk_sip_dialogs").set(dialogs as f64);
        metrics::gauge!("hotdesk_sip_transactions").set(transactions as f64);
        self.trunks.count(switch);
        if !silent.is_empty() {
            for flow in silent {
                self.flows.remove(&flow);
                switch.close_flow(flow, self.clock.now());
            }
            Box::pin(self.drain(switch)).await;
        }
    }
}

fn observe(fact: &media::Fact, switch: &Switch) {
    let leg = fact.leg();
    let call = switch.call_of_leg(LegId(leg.0)).map(|call| call.0);
    match fact {
        media::Fact::Connected { .. } => tracing::debug!(call, %leg, "sound connected"),
        media::Fact::Lost { .. } => tracing::info!(call, %leg, "sound lost"),
        media::Fact::Silent { .. } => tracing::info!(call, %leg, "no sound comes"),
        media::Fact::Refused { why, .. } => tracing::debug!(call, %leg, %why, "session description refused"),
        media::Fact::Crashed { .. } => {
            tracing::error!(call, %leg, "the media engine of a leg panicked; its call ends");
            metrics::counter!("hotdesk_panics_total").increment(1);
        }
        _ => {}
    }
}
