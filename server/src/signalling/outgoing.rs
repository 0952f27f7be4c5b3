//! Connections that we make: one task for each trunk finds its servers, connects to one, and begins again when that
//! is lost.

mod dns;
mod link;
mod resolve;
mod tls;
mod websocket;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sip::Transport;
use switch::TrunkId;
use tokio::time::sleep;

pub use dns::SystemDns;
pub use resolve::Dns;
pub use tls::{Callers, Trust};

use super::listen::{Names, UdpPorts};
use super::run::{Signalling, Wish};
use crate::auth::random_bytes;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// The first pause before a trunk is connected anew; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that has lasted so long has worked.
const HAS_WORKED: Duration = Duration::from_secs(30);

/// How a trunk is reached.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Which trunk.
    pub trunk: TrunkId,
    /// What people call it.
    pub name: String,
    /// Its host: a name or an address.
    pub host: String,
    /// Its port, where one is said.
    pub port: Option<u16>,
    /// What carries SIP, where that is said.
    pub transport: Option<Transport>,
    /// The path of its WebSocket.
    pub path: String,
    /// What its certificate must say, and who must say it.
    pub trust: Trust,
    /// How often something is sent to keep the way open.
    pub keep_alive: Option<Duration>,
    /// Whether that is STUN by UDP.
    pub stun: bool,
}

/// What the connections need of the house.
#[derive(Clone)]
pub struct House {
    /// Our sockets of SIP over UDP.
    pub ports: UdpPorts,
    /// How we name ourselves on connections.
    pub names: Names,
    /// Where names are looked up.
    pub dns: Arc<dyn Dns>,
    /// The way to the switch.
    pub signalling: Signalling,
    /// The clock.
    pub clock: Clock,
    /// Whether the server stops.
    pub shutdown: Shutdown,
}

/// Keeps a trunk connected until the server stops. A connection that is up is not cut then: what ends the calls on it
/// still has to go out, and the switch closes it behind that.
pub async fn keep(connection: Connection, house: House) {
    let mut pauses = Pauses::default();
    let mut told = None;
    let own = OnceLock::new();
    loop {
        let Connection { host, port, transport, trunk, .. } = &connection;
        let targets = resolve::targets(&*house.dns, host, *port, *transport, random_below).await;
        if targets.is_empty() {
            // where it was it still is, as far as anybody knows
            tell_once(&connection, &mut told, "its name has no address");
        } else {
            let addresses = targets.iter().map(|target| target.address.ip()).collect();
            house.signalling.tell(Wish::TrunkAddresses { trunk: *trunk, addresses }).await;
        }
        for target in targets {
            if house.shutdown.has_begun() {
                return;
            }
            let began = house.clock.now();
            match link::carry(&connection, target, &house, &own).await {
                Ok(()) => told = None,
                Err(error) => {
                    tell_once(&connection, &mut told, &format!("{}: {error}", target.address));
                    continue;
                }
            }
            if house.clock.now().since(began) >= HAS_WORKED {
                pauses = Pauses::default();
                break;
            }
        }
        tokio::select! {
            () = sleep(pauses.next(random_below)) => {}
            () = house.shutdown.begun() => return,
        }
    }
}

/// A trouble is logged when it comes, not each time that it is met again.
fn tell_once(connection: &Connection, told: &mut Option<String>, trouble: &str) {
    if told.as_deref() != Some(trouble) {
        tracing::warn!(trunk = connection.name, trouble, "cannot connect a trunk");
        *told = Some(trouble.to_owned());
    }
    metrics::counter!("hotdesk_trunk_connections_failed_total", "trunk" => connection.name.clone())
        .increment(1);
}

/// A random number below `bound`; 0 where the system gives none, which only takes the dice away.
fn random_below(bound: u32) -> u32 {
    random_bytes().map_or(0, u32::from_le_bytes).checked_rem(bound).unwrap_or(0)
}

/// Pauses that double, each with a quarter of chance, so that many do not come back in one instant.
#[derive(Clone, Copy, Debug)]
struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses { next: FIRST_PAUSE }
    }
}

impl Pauses {
    fn next(&mut self, mut random: impl FnMut(u32) -> u32) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        let quarter = u32::try_from(pause.as_millis() / 4).unwrap_or(u32::MAX);
        pause - Duration::from_millis(random(quarter.max(1)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_with_some_chance() {
        let mut pauses = Pauses::default();
        let without: Vec<u64> = (0..8).map(|_| pauses.next(|_| 0).as_secs()).collect();
        assert_eq!(without, [1, 2, 4, 8, 16, 32, 60, 60]);
        let mut pauses = Pauses::default();
        let most = pauses.next(|bound| bound - 1);
        assert!(most > Duration::from_millis(700) && most < FIRST_PAUSE, "{most:?}");
        assert!((0..100).all(|_| random_below(3) < 3));
    }
}
