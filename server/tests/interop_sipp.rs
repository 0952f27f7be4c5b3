//! sipp, as caller and as callee, against the real server: the scenarios of `sipp/`.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::net::SocketAddr;

use common::sipp::{Role, Sipp, plays};
use common::{Server, demo, folder};
use server::config::{Config, Digests};

/// A server whose phones are asked for MD5 alone: the sipp of today's distributions reads the first challenge, and
/// knows no other digest.
async fn started() -> (tempfile::TempDir, Server, SocketAddr, SocketAddr) {
    started_with(|config| config.sip.digest = Digests::Md5).await
}

async fn started_with(
    change: impl FnOnce(&mut Config),
) -> (tempfile::TempDir, Server, SocketAddr, SocketAddr) {
    let (dir, path) = folder();
    let mut config = demo(&path);
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    (config.sip.udp, config.sip.tcp) = (Some(vec![anywhere]), Some(vec![anywhere]));
    change(&mut config);
    let server = Server::start(config).await;
    let sip = server.running.sip.clone();
    (dir, server, sip.udp[0], sip.tcp[0])
}

fn calling(user: &'static str, calls: &'static str) -> Role {
    Role { calls, ..Role::of(user) }
}

/// A registered phone that waits to be called.
fn waits(scenario: &str, role: &Role, udp: SocketAddr) -> Sipp {
    plays("register", role, udp);
    Sipp::waiting(scenario, role, udp)
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_register_by_udp_and_tcp() {
    let (_dir, _server, udp, tcp) = started().await;
    plays("register", &Role::of("1001"), udp);
    plays("register", &Role { tcp: true, ..Role::of("1002") }, tcp);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_knows_md5_alone_gets_in_at_its_second_try() {
    let (_dir, _server, udp, _) = started_with(|_| ()).await;
    let role = Role::of("1001");
    let messages = plays("register_twice", &role, udp);
    assert_eq!(messages.matches("algorithm=SHA-256").count(), 1, "the first challenge: {messages}");
    // a phone that has proved itself by MD5 is asked for it in its calls, too
    plays("call", &role, udp);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_test_answers_in_every_manner_of_calling() {
    let (_dir, server, udp, tcp) = started().await;
    let scenarios = ["call", "late_offer", "hold", "update", "info", "timer", "timer_too_short"];
    for scenario in scenarios {
        for by_tcp in [false, true] {
            let role = Role { tcp: by_tcp, ..Role::of("1001") };
            plays(scenario, &role, if by_tcp { tcp } else { udp });
        }
    }
    assert!(server.running.stop().await, "and nothing hangs on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_a_phone() {
    let (_dir, _server, udp, tcp) = started().await;
    let callee = waits("callee", &Role::of("1002"), udp);
    plays("call", &calling("1001", "1002"), udp);
    callee.played();

    let callee = waits("callee", &Role::of("1003"), udp);
    plays("call", &Role { tcp: true, ..calling("1001", "1003") }, tcp);
    callee.played();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_an_offer_gets_that_of_the_callee() {
    let (_dir, _server, udp, _) = started().await;
    let callee = waits("callee", &Role::of("1002"), udp);
    plays("late_offer", &calling("1001", "1002"), udp);
    callee.played();
}

#[tokio::test(flavor = "multi_thread")]
async fn provisional_responses_are_reliable_where_that_is_asked_for() {
    let (_dir, _server, udp, _) = started().await;
    let callee = waits("callee", &Role::of("1002"), udp);
    plays("reliable", &calling("1001", "1002"), udp);
    callee.played();
    let callee = waits("callee_reliable", &Role::of("1003"), udp);
    plays("call", &calling("1001", "1003"), udp);
    callee.played();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_cancelled_before_its_answer_and_as_it_comes() {
    let (_dir, _server, udp, _) = started().await;
    let phone = Role::of("1002");
    for scenario in ["callee_cancelled", "callee_answers_too_late"] {
        let callee = waits(scenario, &phone, udp);
        plays("cancel", &calling("1001", "1002"), udp);
        callee.played();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_arrives_as_what_it_is() {
    let (_dir, _server, udp, _) = started().await;
    // the same contact each time: at another port it would be a second phone, which rings on
    let phone = Role::of("1002");
    for status in [486, 603, 480] {
        let callee = waits("callee_refuses", &Role { status, ..phone.clone() }, udp);
        plays("refused", &Role { status, ..calling("1001", "1002") }, udp);
        callee.played();
    }
    plays("refused", &Role { status: 404, ..calling("1001", "4711") }, udp);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_may_send_its_call_to_a_colleague_and_not_out_into_the_world() {
    let (_dir, _server, udp, _) = started().await;
    // one contact all along: a phone that has gone without a word stays registered, and would ring on
    let phone = Role::of("1002");
    let sends_to =
        |number: &str| Role { status: 302, extra: format!("Contact: <sip:{number}@{udp}>"), ..phone.clone() };
    let colleague = waits("callee", &Role::of("1003"), udp);
    let callee = waits("callee_refuses", &sends_to("1003"), udp);
    plays("call", &calling("1001", "1002"), udp);
    callee.played();
    colleague.played();

    let callee = waits("callee_refuses", &sends_to("0033899700000"), udp);
    plays("refused_somehow", &calling("1001", "1002"), udp);
    callee.played();
}

#[tokio::test(flavor = "multi_thread")]
async fn either_side_hangs_up_and_both_at_once() {
    let (_dir, _server, udp, _) = started().await;
    let phone = Role::of("1002");
    let callee = waits("callee_hangs_up", &phone, udp);
    plays("call_is_ended", &calling("1001", "1002"), udp);
    callee.played();
    // it hangs up as our BYE is on its way to it
    let callee = waits("callee_hangs_up_too", &phone, udp);
    plays("call", &calling("1001", "1002"), udp);
    callee.played();
}
