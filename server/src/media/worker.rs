//! One worker's thread.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use media::{Certificate, Config as PlaneConfig, Fact, Plane, RtpConfig, SocketOrder};
use mio::{Events, Poll};
use timing::Instant;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::inbox::{self, Inbox, Taken};
use super::ports::{Attached, Buffers, Ports};
use super::{Load, WorkerFact, WorkerId};

/// Datagrams are taken in rounds of a batch a socket, so that timers and orders come to their turn under any
/// flood.
const ROUNDS: usize = 4;
/// How soon facts that found no room are offered again.
const RETRY: Duration = Duration::from_millis(5);
/// How often the lag and the number of legs are told to the metrics.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// A worker that panics again and again is of no use and must not fill the log.
const MOST_RESTARTS: u32 = 100;

pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) epoch: std::time::Instant,
    pub(super) certificate: Certificate,
    pub(super) seed: [u8; 32],
    pub(super) rtp: RtpConfig,
    pub(super) inbox: Arc<Inbox>,
    pub(super) load: Arc<Load>,
    pub(super) facts: mpsc::Sender<WorkerFact>,
}

/// What a worker works with, kept apart from the plane so that it outlives a panic.
struct Outlets {
    id: WorkerId,
    ports: Attached,
    /// The ports of plain legs.
    leg_ports: BTreeSet<SocketAddr>,
    facts: mpsc::Sender<WorkerFact>,
    /// Facts for which there was no room. It holds what the switch must know, which is a handful for each leg.
    backlog: VecDeque<Fact>,
}

/// The longest that anything waited for the loop since it was last told.
#[derive(Default)]
struct Lag {
    worst: Duration,
    next_tell: Instant,
}

enum Next {
    Again,
    Stop,
}

impl Worker {
    /// Runs until the pool is stopped. A panic outside the engines, which the plane catches itself, ends the
    /// legs of this worker and no more.
    pub(super) fn run(self, mut poll: Poll, ports: Ports) {
        let candidates = ports.candidates().to_vec();
        tracing::info!(worker = %self.id, ?candidates, "media worker listens");
        let ports = match ports.attach(poll.registry()) {
            Ok(ports) => ports,
            Err(error) => return tracing::error!(worker = %self.id, %error, "media worker cannot start"),
        };
        let mut outlets = Outlets {
            id: self.id,
            ports,
            leg_ports: BTreeSet::new(),
            facts: self.facts.clone(),
            backlog: VecDeque::new(),
        };
        for start in 0..MOST_RESTARTS {
            let mut plane = Plane::new(PlaneConfig {
                candidates: candidates.clone(),
                epoch: self.epoch,
                certificate: self.certificate.clone(),
                seed: self.seed_of(start),
            })
            .with_rtp(self.rtp.clone());
            let served = catch_unwind(AssertUnwindSafe(|| self.serve(&mut plane, &mut poll, &mut outlets)));
            match served {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    return tracing::error!(worker = %self.id, %error, "media worker cannot go on");
                }
                Err(_) => tracing::error!(worker = %self.id, "media worker panicked; its legs are lost"),
            }
            outlets.close_leg_ports();
            let legs = plane.legs();
            outlets.backlog.extend(legs.map(|leg| Fact::Crashed { leg }));
        }
        tracing::error!(worker = %self.id, "media worker panicked too often and stays down");
    }

    fn serve(&self, plane: &mut Plane, poll: &mut Poll, outlets: &mut Outlets) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let mut buffers = Buffers::new();
        let mut lag = Lag::default();
        loop {
            let begun = self.now();
            let due = plane.poll_timeout().map(|deadline| deadline.at);
            let next = self.take_orders(plane, outlets);
            for _ in 0..ROUNDS {
                // one reading of the clock serves a batch: its packets lay in the socket together
                let now = self.now();
                outlets.ports.receive(&mut buffers, |source, local, bytes| {
                    if !bytes.is_empty() {
                        plane.handle_datagram(source, local, bytes, now);
                    }
                });
                outlets.drain(plane);
                if !outlets.ports.is_readable() {
                    break;
                }
            }
            plane.handle_timeout(self.now());
            outlets.drain(plane);
            outlets.serve_sockets(plane, self.now());
            self.load.legs.store(plane.leg_count(), Ordering::Relaxed);
            if matches!(next, Next::Stop) {
                plane.close_all(self.now());
                outlets.drain(plane);
                return Ok(());
            }
            lag.note(begun, due, self.now());
            lag.tell(self, self.now());
            wait(plane, poll, &mut events, outlets, self.now())?;
            for event in events.iter().filter(|event| event.token() != inbox::TOKEN) {
                outlets.ports.set_readable(event.token());
            }
        }
    }

    fn take_orders(&self, plane: &mut Plane, outlets: &mut Outlets) -> Next {
        let Taken { orders, refusals, stopping } = self.inbox.take();
        for fact in refusals {
            outlets.tell(fact);
        }
        for order in orders {
            plane.handle_order(order, self.now());
            outlets.drain(plane);
            outlets.serve_sockets(plane, self.now());
        }
        if stopping { Next::Stop } else { Next::Again }
    }

    /// A key of its own for each plane: the generator makes unrelated numbers of keys that differ in one bit.
    fn seed_of(&self, start: u32) -> [u8; 32] {
        let mut seed = self.seed;
        let number = (u64::from(self.id.0) << 32) | u64::from(start);
        for (byte, change) in seed.iter_mut().zip(number.to_be_bytes()) {
            *byte ^= change;
        }
        seed
    }

    fn now(&self) -> Instant {
        let micros = self.epoch.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Outlets {
    /// Takes out all that the plane has.
    fn drain(&mut self, plane: &mut Plane) {
        while let Some(transmit) = plane.poll_transmit() {
            self.ports.send(transmit);
        }
        self.ports.flush();
        while let Some(fact) = plane.poll_fact() {
            self.tell(fact);
        }
        while let Some(fact) = self.backlog.pop_front() {
            if let Err(fact) = self.try_tell(fact) {
                self.backlog.push_front(fact);
                break;
            }
        }
    }

    /// Opens and closes the ports of plain legs, which may give facts.
    fn serve_sockets(&mut self, plane: &mut Plane, now: Instant) {
        while let Some(order) = plane.poll_socket() {
            match order {
                SocketOrder::Open { rtp } => {
                    let opened = self.open_pair(rtp);
                    plane.handle_socket(rtp, opened, now);
                    self.drain(plane);
                }
                SocketOrder::Close { rtp } => self.close_pair(rtp),
            }
        }
    }

    fn open_pair(&mut self, rtp: SocketAddr) -> bool {
        self.leg_ports.insert(rtp);
        for local in [rtp, rtcp(rtp)] {
            if let Err(error) = self.ports.open(local) {
                tracing::debug!(%local, %error, "cannot be opened");
                self.close_pair(rtp);
                return false;
            }
        }
        true
    }

    fn close_pair(&mut self, rtp: SocketAddr) {
        if self.leg_ports.remove(&rtp) {
            self.ports.close(rtp);
            self.ports.close(rtcp(rtp));
        }
    }

    /// The plane that they belonged to is gone.
    fn close_leg_ports(&mut self) {
        for rtp in std::mem::take(&mut self.leg_ports) {
            self.ports.close(rtp);
            self.ports.close(rtcp(rtp));
        }
    }

    /// Tells the signalling loop. When that has fallen behind and there is no room, figures are dropped, since
    /// newer ones follow, and the rest waits its turn here.
    fn tell(&mut self, fact: Fact) {
        if !self.backlog.is_empty() && !matches!(fact, Fact::Figures { .. }) {
            self.backlog.push_back(fact);
        } else if let Err(fact) = self.try_tell(fact)
            && !matches!(fact, Fact::Figures { .. })
        {
            tracing::warn!(worker = %self.id, "the signalling loop is behind");
            self.backlog.push_back(fact);
        }
    }

    fn try_tell(&self, fact: Fact) -> Result<(), Fact> {
        match self.facts.try_send(WorkerFact { worker: self.id, fact }) {
            // nobody listens any more: the server is stopping
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(told)) => Err(told.fact),
        }
    }
}

/// Reports come in next to what they are about.
fn rtcp(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}

impl Lag {
    /// What waited the longest: a timer that was due before the loop came to it, or whatever came while the
    /// loop was busy.
    fn note(&mut self, begun: Instant, due: Option<Instant>, done: Instant) {
        let oldest = due.map_or(begun, |due| due.min(begun));
        self.worst = self.worst.max(done.since(oldest));
    }

    fn tell(&mut self, worker: &Worker, now: Instant) {
        if now < self.next_tell {
            return;
        }
        self.next_tell = now + TELL_EVERY;
        let worst = std::mem::take(&mut self.worst);
        worker.load.lag_us.store(u64::try_from(worst.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let label = worker.id.to_string();
        metrics::gauge!("hotdesk_media_loop_lag_seconds", "worker" => label.clone()).set(worst.as_secs_f64());
        metrics::gauge!("hotdesk_media_legs", "worker" => label)
            .set(worker.load.legs.load(Ordering::Relaxed) as f64);
    }
}

/// Waits for a datagram, an order, or the next deadline.
fn wait(
    plane: &Plane,
    poll: &mut Poll,
    events: &mut Events,
    outlets: &Outlets,
    now: Instant,
) -> io::Result<()> {
    let until_due = plane.poll_timeout().map(|deadline| deadline.at.since(now));
    let retry = (!outlets.backlog.is_empty()).then_some(RETRY);
    let now_at_once = outlets.ports.is_readable().then_some(Duration::ZERO);
    // an idle worker still tells that it is not late any more
    let timeout = [until_due, retry, now_at_once, Some(TELL_EVERY)].into_iter().flatten().min();
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        other => other,
    }
}
