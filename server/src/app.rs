//! Puts the rooms together: from settings to a running server. The binary and the tests both start here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use store::Store;
use tokio::net::TcpListener;

use crate::auth::{Auth, ServerSecret};
use crate::clock::Clock;
use crate::config::Config;
use crate::cti::Cti;
use crate::engines;
use crate::http::accept::{self, Limits};
use crate::http::{self, Site};
use crate::limits;
use crate::outside::{self, Outside};
use crate::shutdown::{self, Ending, Shutdown};
use crate::signalling::{self, EchoTests, House, Kept, Listening, Names, Signalling};
use crate::storage::{self, Storage};
use crate::tls::Tls;

/// What every request can reach. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// The inside of [`AppState`].
pub struct Shared {
    /// The settings in force.
    pub config: Config,
    /// The clock of this process.
    pub clock: Clock,
    /// What is durable.
    pub store: Arc<dyn Store>,
    /// Logins and tokens.
    pub auth: Auth,
    /// The pages.
    pub site: Site,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// Whether the server is stopping.
    pub shutdown: Shutdown,
    /// The loop round the switch.
    pub signalling: Signalling,
    /// The loop round the gateway.
    pub cti: Cti,
    /// The echo page's tests.
    pub echo_tests: EchoTests,
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// A server that runs until it is told to stop.
pub struct Running {
    /// Where it can be reached.
    pub addresses: Addresses,
    /// Where it listens for SIP, WebSockets apart.
    pub sip: Listening,
    /// The SHA-256 fingerprint of its TLS certificate, if it speaks TLS.
    pub tls_fingerprint: Option<String>,
    /// What its requests see.
    pub app: AppState,
    ending: Ending,
    kept: Kept,
    _storage: Storage,
}

/// Where a running server can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP and WebSockets; with the port that was really taken where the settings said 0.
    pub http: SocketAddr,
    /// Whether they are HTTPS and WSS.
    pub secure: bool,
}

/// Starts a server.
///
/// # Errors
/// If a setting, a file, the database or the address cannot be used; the text says which and what to do.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    config.check()?;
    let metrics = http::metrics_handle();
    let clock = Clock::start();
    let storage = Storage::open(&config.data_dir, config.demo).await?;
    let sip = [config.sip.udp(config.demo), config.sip.tcp(config.demo), config.sip.tls.clone()].concat();
    let listening = std::iter::once(config.listen).chain(sip).map(|address| address.ip());
    storage::guard_demo_passwords(&*storage.store, listening).await?;
    let kept = Kept::open(&config.data_dir).context("cannot open the journal of calls in the data folder")?;
    if let Err(error) = kept.store_all(&*storage.store).await {
        tracing::warn!(%error, "call records of before wait in the journal");
    }
    let secret = ServerSecret::open(&config.data_dir)?;
    let auth = Auth::new(storage.store.clone(), &secret, config.auth.token_ttl_seconds, clock)?;
    auth.recall().await?;
    let site = Site::open(config.site.as_deref()).context("site: cannot open the folder of pages")?;
    let tls = Tls::open(&config)?;
    let (shutdown, ending) = Shutdown::new();
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("cannot listen on {}; choose another address with --listen", config.listen)
    })?;
    let addresses = Addresses { http: listener.local_addr()?, secure: tls.is_some() };
    let door = Limits {
        connections: limits::connections(config.http.max_connections),
        connections_per_address: config.http.max_connections_per_address,
        uncounted: config.http.trusted_proxies.clone(),
        ..Limits::default()
    };

    let store = storage.store.clone();
    let nonce_secret = auth.sip_secrets.nonce_key();
    let Outside { plan, connections, callers } = outside::read(&config, &*store).await?;
    let (signalling, cti, echo_tests) =
        engines::start(&config, store.clone(), kept.clone(), nonce_secret, plan, clock, &shutdown).await?;
    let (sip, ports) = signalling::listen(&config, tls.as_ref(), &signalling, &callers, clock, &shutdown)?;
    let names = Names { advertise: config.sip.advertise.clone(), listening: sip.clone() };
    outside::connect(connections, |dns| House {
        ports: ports.clone(),
        names: names.clone(),
        dns,
        signalling: signalling.clone(),
        clock,
        shutdown: shutdown.clone(),
    });
    let shared = Shared {
        config,
        clock,
        store,
        auth,
        site,
        metrics,
        shutdown: shutdown.clone(),
        signalling,
        cti,
        echo_tests,
    };
    let app = AppState(Arc::new(shared));
    let tls_fingerprint = tls.as_ref().map(Tls::fingerprint);
    if let Some(tls) = &tls {
        tokio::spawn(tls.clone().watch_files(shutdown.clone()));
    }
    let metrics = app.metrics.clone();
    tokio::spawn(http::keep_metrics(move || metrics.run_upkeep(), shutdown.clone()));
    tokio::spawn(app.auth.clone().run(shutdown.clone()));
    tokio::spawn(accept::serve(listener, tls, http::router(app.clone()), door, shutdown));
    Ok(Running { addresses, sip, tls_fingerprint, app, ending, kept, _storage: storage })
}

/// The addresses that browsers are told to send sound to.
///
/// Without a setting these are the machine's own, loopback included when only this machine can reach the pages; a
/// demo on loopback has nothing but loopback.
pub fn media_addresses(config: &Config) -> Vec<IpAddr> {
    if !config.media.addresses.is_empty() {
        return config.media.addresses.clone();
    }
    let local_only = config.listen.ip().to_canonical().is_loopback();
    if config.demo && local_only {
        return vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    }
    let usable = |address: &IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_link_local() && (local_only || !v4.is_loopback()),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && (local_only || !v6.is_loopback()),
    };
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut addresses: Vec<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).filter(usable).collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() { vec![IpAddr::from(Ipv4Addr::LOCALHOST)] } else { addresses }
}

impl Running {
    /// Stops the server: nobody new is let in, what holds a guard may finish, up to [`shutdown::LIMIT`].
    ///
    /// Returns whether all finished in time.
    pub async fn stop(self) -> bool {
        self.app.shutdown.begin();
        self.app.signalling.drain().await;
        let in_time = self.ending.finish(shutdown::LIMIT).await;
        match self.kept.waiting() {
            Ok(0) => {}
            Ok(records) => {
                tracing::warn!(records, "call records are left in the journal; the next start stores them")
            }
            Err(error) => tracing::warn!(%error, "the journal of calls cannot be read"),
        }
        in_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_on_loopback_has_its_sound_there_alone() {
        let demo = Config { demo: true, ..Config::default() };
        assert_eq!(media_addresses(&demo), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
        let public: IpAddr = "192.0.2.1".parse().expect("an address");
        let mut set = demo;
        set.media.addresses = vec![public];
        assert_eq!(media_addresses(&set), [public]);
    }
}
