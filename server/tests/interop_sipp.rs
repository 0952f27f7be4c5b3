//! sipp, as caller and as callee, against the real server: the scenarios of `sipp/`.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::net::SocketAddr;

use common::sipp::{Role, Sipp, plays};
use common::tools::free_port;
use common::{Server, demo, folder};
use server::config::{Config, Digests};

/// How both sides come to the server.
#[derive(Clone, Copy)]
struct Way {
    by_tcp: bool,
    server: SocketAddr,
}

impl Way {
    fn plays(self, scenario: &str, role: &Role) -> String {
        plays(scenario, &self.of(role), self.server)
    }

    /// A registered phone that waits to be called.
    fn waits(self, scenario: &str, role: &Role) -> Sipp {
        if self.by_tcp {
            // the port of a connection that has just ended is not free yet
            let role = Role { port: free_port(), ..self.of(role) };
            return Sipp::connected(scenario, &role, self.server);
        }
        plays("register", role, self.server);
        Sipp::waiting(scenario, role, self.server)
    }

    fn of(self, role: &Role) -> Role {
        Role { tcp: self.by_tcp, ..role.clone() }
    }
}

/// A server whose phones are asked for MD5 alone: the sipp of today's distributions reads the first challenge, and
/// knows no other digest.
async fn started() -> (tempfile::TempDir, Server, [Way; 2]) {
    started_with(|config| config.sip.digest = Digests::Md5).await
}

async fn started_with(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Server, [Way; 2]) {
    let (dir, path) = folder();
    let mut config = demo(&path);
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    (config.sip.udp, config.sip.tcp) = (Some(vec![anywhere]), Some(vec![anywhere]));
    change(&mut config);
    let server = Server::start(config).await;
    let sip = server.running.sip.clone();
    let by_udp = Way { by_tcp: false, server: sip.udp[0] };
    (dir, server, [by_udp, Way { by_tcp: true, server: sip.tcp[0] }])
}

/// The same, of which all phones come in one way.
async fn started_for(by_tcp: bool) -> (tempfile::TempDir, Server, Way) {
    let (dir, server, ways) = started().await;
    (dir, server, ways[usize::from(by_tcp)])
}

fn calling(user: &'static str, calls: &'static str) -> Role {
    Role { calls, ..Role::of(user) }
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_register_by_udp_and_tcp() {
    let (_dir, _server, ways) = started().await;
    for way in ways {
        way.plays("register", &Role::of("1001"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_knows_md5_alone_gets_in_at_its_second_try() {
    let (_dir, _server, [by_udp, _]) = started_with(|_| ()).await;
    let role = Role::of("1001");
    let messages = by_udp.plays("register_twice", &role);
    assert_eq!(messages.matches("algorithm=SHA-256").count(), 1, "the first challenge: {messages}");
    // a phone that has proved itself by MD5 is asked for it in its calls, too
    by_udp.plays("call", &role);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_test_answers_in_every_manner_of_calling() {
    let (_dir, server, ways) = started().await;
    let scenarios = ["call", "late_offer", "hold", "update", "info", "timer", "timer_too_short"];
    for scenario in scenarios {
        for way in ways {
            way.plays(scenario, &Role::of("1001"));
        }
    }
    assert!(server.running.stop().await, "and nothing hangs on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_a_phone_whichever_way_either_comes() {
    let (_dir, _server, ways) = started().await;
    for caller in ways {
        for (callee, number) in ways.into_iter().zip(["1002", "1003"]) {
            let phone = callee.waits("callee", &Role::of(number));
            caller.plays("call", &calling("1001", number));
            phone.played();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_an_offer_gets_that_of_the_callee() {
    for by_tcp in [false, true] {
        let (_dir, _server, way) = started_for(by_tcp).await;
        let callee = way.waits("callee", &Role::of("1002"));
        way.plays("late_offer", &calling("1001", "1002"));
        callee.played();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provisional_responses_are_reliable_where_that_is_asked_for() {
    for by_tcp in [false, true] {
        let (_dir, _server, way) = started_for(by_tcp).await;
        let callee = way.waits("callee", &Role::of("1002"));
        way.plays("reliable", &calling("1001", "1002"));
        callee.played();
        let callee = way.waits("callee_reliable", &Role::of("1003"));
        way.plays("call", &calling("1001", "1003"));
        callee.played();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_cancelled_before_its_answer_and_as_it_comes() {
    let phone = Role::of("1002");
    for by_tcp in [false, true] {
        let (_dir, _server, way) = started_for(by_tcp).await;
        for scenario in ["callee_cancelled", "callee_answers_too_late"] {
            let callee = way.waits(scenario, &phone);
            way.plays("cancel", &calling("1001", "1002"));
            callee.played();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_arrives_as_what_it_is() {
    // the same contact each time: at another port it would be a second phone, which rings on
    let phone = Role::of("1002");
    for by_tcp in [false, true] {
        let (_dir, _server, way) = started_for(by_tcp).await;
        for status in [486, 603, 480] {
            let callee = way.waits("callee_refuses", &Role { status, ..phone.clone() });
            way.plays("refused", &Role { status, ..calling("1001", "1002") });
            callee.played();
        }
        way.plays("refused", &Role { status: 404, ..calling("1001", "4711") });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_may_send_its_call_to_a_colleague_and_not_out_into_the_world() {
    for by_tcp in [false, true] {
        let (_dir, _server, way) = started_for(by_tcp).await;
        // one contact all along: a phone that has gone without a word stays registered, and would ring on
        let phone = Role::of("1002");
        let sends_to = |number: &str| {
            let extra = format!("Contact: <sip:{number}@{}>", way.server);
            Role { status: 302, extra, ..phone.clone() }
        };
        let colleague = way.waits("callee", &Role::of("1003"));
        let callee = way.waits("callee_refuses", &sends_to("1003"));
        way.plays("call", &calling("1001", "1002"));
        callee.played();
        colleague.played();

        let callee = way.waits("callee_refuses", &sends_to("0033899700000"));
        way.plays("refused_somehow", &calling("1001", "1002"));
        callee.played();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_side_hangs_up_and_both_at_once() {
    let phone = Role::of("1002");
    for by_tcp in [false, true] {
        let (_dir, _server, way) = started_for(by_tcp).await;
        let callee = way.waits("callee_hangs_up", &phone);
        way.plays("call_is_ended", &calling("1001", "1002"));
        callee.played();
        // it hangs up as our BYE is on its way to it
        let callee = way.waits("callee_hangs_up_too", &phone);
        way.plays("call", &calling("1001", "1002"));
        callee.played();
    }
}
