//! Offers that cross on their way (RFC 3261 §14.1): sipp offers while the server refreshes its session, with a
//! baresip at the other end that hears itself once all is settled.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::net::SocketAddr;

use common::baresip::{Account, Baresip};
use common::sipp::{Role, Sipp, plays};
use common::tone::assert_tone;
use common::{Server, demo, folder};
use server::config::Digests;

/// A session cannot be had that is refreshed sooner than 45 seconds after its beginning (RFC 4028 §4).
const WITHIN: u16 = 90;

/// A server of its own, by UDP and by TCP.
async fn started() -> (tempfile::TempDir, Server, SocketAddr, SocketAddr) {
    let (dir, path) = folder();
    let mut config = demo(&path);
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    (config.sip.udp, config.sip.tcp) = (Some(vec![anywhere]), Some(vec![anywhere]));
    config.sip.digest = Digests::Md5;
    let server = Server::start(config).await;
    let sip = server.running.sip.clone();
    (dir, server, sip.udp[0], sip.tcp[0])
}

/// sipp calls, its session is refreshed by the server, and who is called hears himself at the end.
fn refreshed_caller(by_tcp: bool, udp: SocketAddr, tcp: SocketAddr) {
    let callee = Baresip::registered(&Account { answers: true, ..Account::of("1003", 440) }, udp);
    let role = Role { calls: "1003", tcp: by_tcp, echoes: true, within: WITHIN, ..Role::of("1002") };
    plays("glare_caller", &role, if by_tcp { tcp } else { udp });
    callee.tells("CALL_CLOSED", 1);
    assert_tone(callee.heard(), 440);
}

/// sipp is called, its session is refreshed by the server, and the caller hears himself at the end.
fn refreshed_callee(scenario: &str, udp: SocketAddr) {
    let role = Role { echoes: true, within: WITHIN, ..Role::of("1002") };
    plays("register", &role, udp);
    let callee = Sipp::waiting(scenario, &role, udp);
    let caller = Baresip::registered(&Account::of("1003", 440), udp);
    caller.command("dial", &format!("sip:1002@{udp}"));
    callee.played();
    caller.tells("CALL_CLOSED", 1);
    assert_tone(caller.heard(), 440);
}

/// All at once, since each takes as long as a session lives without a refresh.
#[tokio::test(flavor = "multi_thread")]
async fn who_offers_while_we_refresh_is_told_to_wait_and_so_are_we() {
    let mut stories = tokio::task::JoinSet::new();
    for by_tcp in [false, true] {
        let (_dir, server, udp, tcp) = started().await;
        stories.spawn_blocking(move || {
            refreshed_caller(by_tcp, udp, tcp);
            (_dir, server)
        });
    }
    for scenario in ["glare_callee", "glare_callee_first"] {
        let (_dir, server, udp, _) = started().await;
        stories.spawn_blocking(move || {
            refreshed_callee(scenario, udp);
            (_dir, server)
        });
    }
    for (_dir, server) in stories.join_all().await {
        assert!(server.running.stop().await, "and nothing hangs on");
    }
}
