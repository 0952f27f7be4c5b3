//! The loops round [`media::Plane`]: a thread, a plane, and UDP ports for each worker: one for all its browsers,
//! and two for each plain leg, from its slice of a range.
//!
//! [`MediaPool::start`] opens the ports and starts the threads; [`MediaPool::pick`] names the worker for a new
//! call, whose legs must all live there; [`MediaPool::order`] asks, and what comes of it arrives as
//! [`WorkerFact`]s. Nothing here waits for the rest of the server, and nothing of the rest waits for it.

mod inbox;
mod lag;
mod port_range;
mod ports;
mod worker;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use media::sdp::Unsupported;
use media::{Certificate, CertificateError, Fact, LegId, Order, RtpConfig};
use thiserror::Error;
use timing::Instant;
use tokio::sync::mpsc;

use inbox::Inbox;
use lag::Load;
pub use port_range::{NotAPortRange, PortRange};
use ports::Ports;
use worker::Worker;

/// Facts that may wait for the signalling loop. A worker whose facts find no room keeps what matters and
/// drops figures and keys; see `worker`.
const FACTS: usize = 4096;

/// What the pool is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses to tell to browsers, the default one first. Those that are this machine's are listened on;
    /// for others (a public address that a router maps to us) all addresses of that family are.
    pub addresses: Vec<IpAddr>,
    /// The first worker's UDP port; each further worker takes the next. 0 takes any free ones.
    pub port: u16,
    /// The UDP ports of plain legs, shared among the workers.
    pub rtp_ports: PortRange,
    /// How many workers; 0 for one less than there are cores, at least one.
    pub workers: u16,
    /// The moment that `timing::Instant::ORIGIN` stands for.
    pub epoch: std::time::Instant,
    /// Secret randomness, from which every worker gets its own.
    pub seed: [u8; 32],
}

/// Why no pool could be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The DTLS key pair.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A port could not be opened.
    #[error("cannot listen for media on UDP {address} port {port}")]
    Listen {
        /// Where.
        address: IpAddr,
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no address to listen on.
    #[error("no media address is configured")]
    NoAddress,
    /// The system gave no thread or no readiness queue.
    #[error("cannot start a media worker")]
    Thread(#[source] io::Error),
}

/// One worker of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What happened on a worker's plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFact {
    /// Where.
    pub worker: WorkerId,
    /// What.
    pub fact: Fact,
}

/// All media workers. Dropping the pool stops them.
pub struct MediaPool {
    workers: Vec<Handle>,
    epoch: std::time::Instant,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Handle {
    inbox: Arc<Inbox>,
    load: Arc<Load>,
}

impl MediaPool {
    /// Opens all ports, makes the DTLS certificate, and starts the threads.
    ///
    /// # Errors
    /// [`StartError`] if a port is taken or the system refuses; nothing keeps running then.
    pub fn start(config: Config) -> Result<(MediaPool, mpsc::Receiver<WorkerFact>), StartError> {
        if config.addresses.is_empty() {
            return Err(StartError::NoAddress);
        }
        let certificate = Certificate::generate()?;
        let (facts, receiver) = mpsc::channel(FACTS);
        let mut pool = MediaPool { workers: Vec::new(), epoch: config.epoch, threads: Mutex::default() };
        let workers = count(config.workers);
        for index in 0..workers {
            let port = if config.port == 0 { 0 } else { config.port.saturating_add(index) };
            let ports = Ports::open(&config.addresses, port)?;
            let poll = mio::Poll::new().map_err(StartError::Thread)?;
            let inbox = Arc::new(Inbox::new(poll.registry()).map_err(StartError::Thread)?);
            let load = Arc::new(Load::new(pool.now()));
            let worker = Worker {
                id: WorkerId(index),
                epoch: config.epoch,
                certificate: certificate.clone(),
                seed: config.seed,
                rtp: rtp_config(&config, index, workers),
                inbox: Arc::clone(&inbox),
                load: Arc::clone(&load),
                facts: facts.clone(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("media-{index}"))
                .spawn(move || worker.run(poll, ports))
                .map_err(StartError::Thread)?;
            pool.workers.push(Handle { inbox, load });
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok((pool, receiver))
    }

    /// The worker with the least to do, for a new call; `None` when all are too far behind to take another.
    pub fn pick(&self) -> Option<WorkerId> {
        let now = self.now();
        let able = self.workers.iter().enumerate().filter(|(_, worker)| !worker.load.is_overloaded(now));
        let (index, _) = able
            .min_by_key(|(_, worker)| (worker.load.is_late(now), worker.load.legs.load(Ordering::Relaxed)))?;
        u16::try_from(index).ok().map(WorkerId)
    }

    /// Asks `worker` to do something. Never waits.
    ///
    /// # Errors
    /// An offer or answer for which the worker has no time, or which comes after its end, is refused on the
    /// spot, as with [`Unsupported::Overloaded`]. Other orders never are: if the worker is gone, so are its legs.
    pub fn order(&self, worker: WorkerId, order: Order) -> Result<(), Fact> {
        let Some(handle) = self.workers.get(usize::from(worker.0)) else {
            tracing::error!(%worker, "no such media worker");
            return refusal(&order).map_or(Ok(()), Err);
        };
        let makes_leg = makes_leg(&order);
        handle.inbox.put(order)?;
        if makes_leg {
            // the worker sets it right; until then the next pick shall know
            handle.load.legs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// How late the loops are, one by one.
    pub fn lags(&self) -> impl Iterator<Item = Duration> {
        let now = self.now();
        self.workers.iter().map(move |worker| worker.load.lag(now))
    }

    /// Ends all legs with a goodbye to their peers and waits for the threads, which takes some milliseconds.
    pub fn stop(&self) {
        for worker in &self.workers {
            worker.inbox.stop();
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a media worker ended in a panic");
            }
        }
    }

    fn now(&self) -> Instant {
        now_since(self.epoch)
    }
}

impl Drop for MediaPool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The plain legs of worker `index`.
fn rtp_config(config: &Config, index: u16, workers: u16) -> RtpConfig {
    let browsers = config.port..=config.port.saturating_add(workers.saturating_sub(1));
    let slice = config.rtp_ports.slice(index, workers);
    RtpConfig {
        addresses: config.addresses.clone(),
        // a range too small for all leaves the last ones without; such legs are refused
        ports: slice.map_or(0..=0, PortRange::ports),
        reserved: vec![browsers, config.rtp_ports.ports()],
    }
}

fn count(asked: u16) -> u16 {
    if asked > 0 {
        return asked;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(cores.saturating_sub(1)).unwrap_or(u16::MAX).max(1)
}

/// Whether a leg begins with this order.
pub fn makes_leg(order: &Order) -> bool {
    matches!(order, Order::AcceptOffer { .. } | Order::MakeOffer { .. })
}

/// The fact by which an order is refused that no worker has time for; `None` if it cannot be refused.
pub fn refusal(order: &Order) -> Option<Fact> {
    let refused = |leg: LegId| Fact::Refused { leg, why: Unsupported::Overloaded };
    match order {
        Order::AcceptOffer { leg, .. }
        | Order::MakeOffer { leg, .. }
        | Order::AcceptAnswer { leg, .. }
        | Order::AcceptReoffer { leg, .. }
        | Order::MakeReoffer { leg, .. } => Some(refused(*leg)),
        Order::Retract { .. }
        | Order::Signalled { .. }
        | Order::Echo { .. }
        | Order::Bridge { .. }
        | Order::Play { .. }
        | Order::Mix { .. }
        | Order::Press { .. }
        | Order::Unbridge { .. }
        | Order::Gate { .. }
        | Order::Close { .. } => None,
    }
}

/// `epoch` stands for `timing::Instant::ORIGIN`.
fn now_since(epoch: std::time::Instant) -> Instant {
    let micros = epoch.elapsed().as_micros();
    Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
