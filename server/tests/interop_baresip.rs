//! baresip against the real server: it registers, calls and is called, and what it hears is measured.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::baresip::{Account, Baresip};
use common::tone::{assert_tone, is_tone};
use common::{Server, demo, folder};
use server::config::Digests;
use server::signalling::Listening;

/// A server whose phones are asked for MD5 alone: the baresip of today's distributions gives up at the sight of
/// another digest, and comes back a minute later.
async fn started() -> (tempfile::TempDir, Server, Listening) {
    let (dir, path) = folder();
    let mut config = demo(&path);
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    (config.sip.udp, config.sip.tcp) = (Some(vec![anywhere]), Some(vec![anywhere]));
    config.tls.self_signed = true;
    config.sip.tls = vec![anywhere];
    config.sip.digest = Digests::Md5;
    let server = Server::start(config).await;
    let listening = server.running.sip.clone();
    (dir, server, listening)
}

/// A tone that G.711 cannot carry.
const WIDE: u32 = 5_000;

fn is_wide(codec: &str) -> bool {
    matches!(codec, "g722" | "opus")
}

fn listen_for_a_while() {
    std::thread::sleep(Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_hears_its_own_tone_in_the_echo_test_by_every_transport_and_codec() {
    let (_dir, _server, sip) = started().await;
    let (udp, tcp, tls) = (sip.udp[0], sip.tcp[0], sip.tls[0]);
    for (transport, address, codec) in [
        ("udp", udp, "pcmu"),
        ("tcp", tcp, "pcma"),
        ("tls", tls, "pcmu"),
        ("udp", udp, "g722"),
        ("tcp", tcp, "opus"),
    ] {
        let hertz = if is_wide(codec) { WIDE } else { 440 };
        let account = Account { transport, codec, ..Account::of("1001", hertz) };
        let phone = Baresip::registered(&account, address);
        phone.command("dial", &format!("sip:*55@{address}"));
        phone.tells("CALL_ESTABLISHED", 1);
        listen_for_a_while();
        let (samples, rate) = phone.hang_up();
        assert!(!is_tone(&samples, rate, 620.0), "{codec}");
        assert_tone((samples, rate), hertz);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_them_hear_each_other_and_the_keys_that_are_pressed() {
    let (_dir, _server, sip) = started().await;
    let (udp, tcp) = (sip.udp[0], sip.tcp[0]);
    let alice = Baresip::registered(&Account::of("1001", 440), udp);
    let bruno = Account { transport: "tcp", answers: true, ..Account::of("1002", 620) };
    let bruno = Baresip::registered(&bruno, tcp);
    alice.command("dial", &format!("sip:1002@{udp}"));
    alice.tells("CALL_ESTABLISHED", 1);
    bruno.tells("CALL_ESTABLISHED", 1);
    listen_for_a_while();
    alice.command("sndcode", "5");
    bruno.tells("CALL_DTMF_START", 1);
    assert!(bruno.told().contains("\"param\":\"5\""), "{}", bruno.told());
    listen_for_a_while();
    assert_tone(alice.hang_up(), 620);
    bruno.tells("CALL_CLOSED", 1);
    assert_tone(bruno.heard(), 440);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_reach_and_leave_a_phone_that_speaks_opus() {
    let (_dir, _server, sip) = started().await;
    let udp = sip.udp[0];
    let opus = Account { codec: "opus", answers: true, ..Account::of("1001", 440) };
    let alice = Baresip::registered(&opus, udp);
    let bruno = Baresip::registered(&Account { answers: true, ..Account::of("1002", 620) }, udp);
    for (times, (caller, number, hears)) in (1..).zip([(&alice, "1002", 620), (&bruno, "1001", 440)]) {
        caller.command("dial", &format!("sip:{number}@{udp}"));
        for phone in [&alice, &bruno] {
            phone.tells("CALL_ESTABLISHED", times);
        }
        listen_for_a_while();
        for (presses, is_told) in [(&alice, &bruno), (&bruno, &alice)] {
            presses.command("sndcode", "5");
            is_told.tells("CALL_DTMF_START", times);
            listen_for_a_while();
        }
        assert_tone(caller.hang_up(), hears);
    }
    for phone in [&alice, &bruno] {
        assert_eq!(phone.told().matches("CALL_DTMF_START").count(), 2, "each key once: {}", phone.told());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codecs_that_differ_are_no_hindrance() {
    let (_dir, _server, sip) = started().await;
    let udp = sip.udp[0];
    for (mine, theirs) in [
        ("pcmu", "pcma"),
        ("opus", "pcmu"),
        ("pcma", "opus"),
        ("g722", "pcmu"),
        ("opus", "g722"),
        ("g722", "opus"),
    ] {
        // what both can carry arrives as it was
        let (low, high) = if is_wide(mine) && is_wide(theirs) { (440, WIDE) } else { (440, 620) };
        let alice = Baresip::registered(&Account { codec: mine, ..Account::of("1001", low) }, udp);
        let bruno = Account { codec: theirs, answers: true, ..Account::of("1002", high) };
        let bruno = Baresip::registered(&bruno, udp);
        alice.command("dial", &format!("sip:1002@{udp}"));
        alice.tells("CALL_ESTABLISHED", 1);
        bruno.tells("CALL_ESTABLISHED", 1);
        listen_for_a_while();
        assert_tone(alice.hang_up(), high);
        bruno.tells("CALL_CLOSED", 1);
        assert_tone(bruno.heard(), low);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_sends_its_call_to_a_colleague_by_refer() {
    let (_dir, _server, sip) = started().await;
    let udp = sip.udp[0];
    let alice = Baresip::registered(&Account::of("1001", 440), udp);
    let answering = |user, hertz| Account { answers: true, ..Account::of(user, hertz) };
    let bruno = Baresip::registered(&answering("1002", 620), udp);
    let carla = Baresip::registered(&answering("1003", 800), udp);
    alice.command("dial", &format!("sip:1002@{udp}"));
    bruno.tells("CALL_ESTABLISHED", 1);
    listen_for_a_while();
    bruno.command("transfer", &format!("sip:1003@{udp}"));
    carla.tells("CALL_ESTABLISHED", 1);
    listen_for_a_while();
    assert_tone(alice.hang_up(), 800);
    carla.tells("CALL_CLOSED", 1);
    assert_tone(carla.heard(), 440);
}
