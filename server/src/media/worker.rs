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
use super::lag::{Lag, Load, TELL_EVERY};
use super::ports::{Attached, Buffers, Ports};
use super::{WorkerFact, WorkerId, now_since, refusal};

/// Datagrams are taken in rounds of a batch a socket, so that timers and orders come to their turn under any
/// flood.
const ROUNDS: usize = 4;
/// How soon facts that found no room are offered again.
const RETRY: Duration = Duration::from_millis(5);
/// How often a worker at its end offers its last facts: a second long, then nobody wants them.
const LAST_RETRIES: u32 = 200;
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
    ports: Attached,
    /// The ports of plain legs.
    leg_ports: BTreeSet<SocketAddr>,
    news: News,
}

/// The way of facts to the signalling loop.
struct News {
    id: WorkerId,
    facts: mpsc::Sender<WorkerFact>,
    /// Facts for which there was no room. It holds what the switch must know, which is a handful for each leg.
    backlog: VecDeque<Fact>,
}

enum Next {
    Again,
    Stop,
}

impl Worker {
    /// Runs until the pool is stopped.
    pub(super) fn run(self, mut poll: Poll, ports: Ports) {
        let candidates = ports.candidates().to_vec();
        let mut news = News { id: self.id, facts: self.facts.clone(), backlog: VecDeque::new() };
        match ports.attach(poll.registry()) {
            Ok(ports) => {
                tracing::info!(worker = %self.id, ?candidates, "media worker listens");
                let mut outlets = Outlets { ports, leg_ports: BTreeSet::new(), news };
                self.keep_serving(&candidates, &mut poll, &mut outlets);
                news = outlets.news;
            }
            Err(error) => tracing::error!(worker = %self.id, %error, "media worker cannot start"),
        }
        self.leave(news);
    }

    /// A panic outside the engines, which the plane catches itself, ends the legs of this worker and no more.
    fn keep_serving(&self, candidates: &[SocketAddr], poll: &mut Poll, outlets: &mut Outlets) {
        for start in 0..MOST_RESTARTS {
            let mut plane = Plane::new(PlaneConfig {
                candidates: candidates.to_vec(),
                epoch: self.epoch,
                certificate: self.certificate.clone(),
                seed: self.seed_of(start),
            })
            .with_rtp(self.rtp.clone());
            let served = catch_unwind(AssertUnwindSafe(|| self.serve(&mut plane, poll, outlets)));
            outlets.close_leg_ports();
            // a plane that was stopped has none
            outlets.news.backlog.extend(plane.legs().map(|leg| Fact::Crashed { leg }));
            match served {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    return tracing::error!(worker = %self.id, %error, "media worker cannot go on");
                }
                Err(_) => tracing::error!(worker = %self.id, "media worker panicked; its legs are lost"),
            }
        }
        tracing::error!(worker = %self.id, "media worker panicked too often and stays down");
    }

    /// Nothing is done here any more: what happened is still told, and what was asked is refused.
    fn leave(&self, mut news: News) {
        self.load.give_up();
        for refused in self.inbox.close().iter().filter_map(refusal) {
            news.tell(refused);
        }
        for _ in 0..LAST_RETRIES {
            news.retry();
            if news.backlog.is_empty() {
                return;
            }
            std::thread::sleep(RETRY);
        }
        tracing::warn!(worker = %self.id, facts = news.backlog.len(), "nobody took the last facts");
    }

    fn serve(&self, plane: &mut Plane, poll: &mut Poll, outlets: &mut Outlets) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let mut buffers = Buffers::new();
        let mut lag = Lag::default();
        loop {
            let begun = self.now();
            self.load.turn(begun);
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
            let done = self.now();
            // what waited the longest: a timer that was due before the loop came to it, or whatever came while
            // the loop was busy
            lag.note(done.since(due.map_or(begun, |due| due.min(begun))));
            if let Some((lag, worst)) = lag.tell(&self.load, done) {
                self.measure(lag, worst);
            }
            wait(plane, poll, &mut events, outlets, self.now())?;
            for event in events.iter().filter(|event| event.token() != inbox::TOKEN) {
                outlets.ports.set_readable(event.token());
            }
        }
    }

    fn take_orders(&self, plane: &mut Plane, outlets: &mut Outlets) -> Next {
        let Taken { orders, stopping } = self.inbox.take();
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

    fn measure(&self, lag: Duration, worst: Duration) {
        let label = self.id.to_string();
        let legs = self.load.legs.load(Ordering::Relaxed);
        metrics::gauge!("hotdesk_media_loop_lag_seconds", "worker" => label.clone()).set(lag.as_secs_f64());
        metrics::gauge!("hotdesk_media_loop_lag_worst_seconds", "worker" => label.clone())
            .set(worst.as_secs_f64());
        metrics::gauge!("hotdesk_media_legs", "worker" => label).set(legs as f64);
    }

    fn now(&self) -> Instant {
        now_since(self.epoch)
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
            self.news.tell(fact);
        }
        self.news.retry();
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
        while let Some(rtp) = self.leg_ports.first().copied() {
            self.close_pair(rtp);
        }
    }
}

impl News {
    /// Tells the signalling loop. When that has fallen behind and there is no room, figures are dropped, since
    /// newer ones follow, and keys, which come as fast as the peer likes; the rest waits its turn here.
    fn tell(&mut self, fact: Fact) {
        let may_be_lost = matches!(fact, Fact::Figures { .. } | Fact::Dtmf { .. });
        if !self.backlog.is_empty() && !may_be_lost {
            self.backlog.push_back(fact);
        } else if let Err(fact) = self.try_tell(fact)
            && !may_be_lost
        {
            tracing::warn!(worker = %self.id, "the signalling loop is behind");
            self.backlog.push_back(fact);
        }
    }

    /// Offers again what found no room.
    fn retry(&mut self) {
        while let Some(fact) = self.backlog.pop_front() {
            if let Err(fact) = self.try_tell(fact) {
                self.backlog.push_front(fact);
                break;
            }
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

/// Waits for a datagram, an order, or the next deadline.
fn wait(
    plane: &Plane,
    poll: &mut Poll,
    events: &mut Events,
    outlets: &Outlets,
    now: Instant,
) -> io::Result<()> {
    let until_due = plane.poll_timeout().map(|deadline| deadline.at.since(now));
    let retry = (!outlets.news.backlog.is_empty()).then_some(RETRY);
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

#[cfg(test)]
mod tests {
    use super::*;
    use media::{LegFigures, LegId};

    #[test]
    fn a_full_channel_loses_figures_and_keys_and_nothing_else() {
        let (facts, mut told) = mpsc::channel(1);
        let mut news = News { id: WorkerId(0), facts, backlog: VecDeque::new() };
        let leg = LegId(1);
        news.tell(Fact::Connected { leg });
        for _ in 0..1000 {
            news.tell(Fact::Dtmf { leg, key: '5' });
            news.tell(Fact::Figures { leg, figures: LegFigures::default() });
        }
        news.tell(Fact::Lost { leg });
        assert_eq!(news.backlog, [Fact::Lost { leg }]);
        let mut next = || told.try_recv().map(|told| told.fact);
        assert_eq!(next(), Ok(Fact::Connected { leg }));
        news.retry();
        assert_eq!(next(), Ok(Fact::Lost { leg }));
        assert!(news.backlog.is_empty());
    }
}
