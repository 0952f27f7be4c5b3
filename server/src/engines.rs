//! Starts the engines and the loops round them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use store::Store;
use switch::{Plan, Switch};
use tokio::task::JoinHandle;

use crate::app::media_addresses;
use crate::auth::random_bytes;
use crate::clock::Clock;
use crate::config::Config;
use crate::cti::{self, Cti};
use crate::lines;
use crate::media::{self, MediaPool};
use crate::shutdown::Shutdown;
use crate::signalling::{self, EchoTests, Kept, Signalling};

/// The SIP domain of our lines, as XiVO's pages know the main server's.
const DOMAIN: &str = "default";
/// The realm of digest challenges.
pub const REALM: &str = "hotdesk";

/// Starts media workers, the switch and the gateway; what comes back are the ways to them.
///
/// # Errors
/// If the store cannot be read or a media port is taken; the text says which.
pub async fn start(
    config: &Config,
    store: Arc<dyn Store>,
    kept: Kept,
    nonce_secret: [u8; 32],
    plan: Plan,
    clock: Clock,
    shutdown: &Shutdown,
) -> anyhow::Result<(Signalling, Cti, EchoTests)> {
    let (pool, media_facts) = MediaPool::start(media::Config {
        addresses: media_addresses(config),
        port: config.media.port,
        rtp_ports: config.media.rtp_ports,
        workers: config.media.workers,
        epoch: clock.epoch(),
        seed: random_bytes()?,
    })
    .with_context(|| {
        format!("cannot open the media port {}; choose another with --media-port", config.media.port)
    })?;
    let pool = Arc::new(pool);
    let (signalling, wishes) = Signalling::new(REALM);
    let (cti, frames) = Cti::new();
    let echo_tests = EchoTests::new(Arc::clone(&pool));

    let users = store.users().await?;
    let names = users.iter().map(|user| (user.login.clone(), user.full_name())).collect();
    let services = store.services().await?;
    let gateway = gateway::Config {
        domain: DOMAIN.into(),
        names,
        services: services.iter().cloned().collect(),
        ..gateway::Config::default()
    };
    cti::spawn(gateway, frames, signalling.clone(), clock);

    let mut switch = Switch::new(switch::Config {
        domain: DOMAIN.into(),
        realm: REALM.into(),
        user_agent: concat!("Hotdesk/", env!("CARGO_PKG_VERSION")).into(),
        seed: random_bytes()?,
        nonce_secret,
        digests: config.sip.digest.algorithms(),
        unix_origin_ms: clock.unix_millis()
            - i64::try_from(clock.now().since_origin().as_millis()).unwrap_or(0),
        ..switch::Config::default()
    });
    let directory = lines::directory(&*store).await?;
    switch.set_directory(directory.clone());
    let trunks = plan.trunks.iter().map(|trunk| (trunk.id, trunk.name.clone())).collect();
    switch.set_plan(plan);
    switch.set_services(services);
    tokio::spawn(lines::watch(store.clone(), directory, signalling.clone(), shutdown.clone()));
    let services = signalling::keep_services(store.clone(), shutdown);
    let records = signalling::keep_records(store, kept, shutdown);
    signalling::spawn(
        signalling::Setup {
            switch,
            pool,
            trunks,
            media_facts,
            cti: cti.clone(),
            records,
            services,
            echo_tests: echo_tests.clone(),
            clock,
        },
        wishes,
    );
    Ok((signalling, cti, echo_tests))
}

/// Ends the process when an engine's loop has panicked: a server whose calls nobody runs must not look healthy.
/// Whoever supervises the process starts it again; all facts that were told are in the store.
pub(crate) fn supervise(engine: &'static str, running: JoinHandle<()>) {
    tokio::spawn(async move {
        if let Err(error) = running.await
            && error.is_panic()
        {
            tracing::error!(engine, %error, "an engine's loop panicked; the server ends");
            // the log is written by a thread of its own
            tokio::time::sleep(Duration::from_millis(200)).await;
            std::process::exit(PANICKED);
        }
    });
}

/// The exit code after a panic, as a Rust program's own.
const PANICKED: i32 = 101;
