//! CTI and SIP sockets at their limits.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::collections::BTreeMap;

use common::phone::{PATIENCE, Socket, line_config};
use common::{Server, demo, folder};
use futures_util::{SinkExt as _, StreamExt as _};
use model::CallId;
use server::cti::Wish;
use switch::{CallDirection, Fact, PhoneFact, PhoneFactKind};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

const CTI: &str = "/xuc/api/2.0/cti";
const SIP: &str = "/wssip";

async fn open(server: &Server, path: &str) -> Socket {
    let token = server.token("alice").await;
    Socket::open(&server.address().to_string(), path, &token, path == SIP).await
}

/// Whether the other end answers a ping with what it held.
async fn is_answered(socket: &mut Socket) -> bool {
    socket.0.send(Message::Ping("still there?".into())).await.unwrap();
    loop {
        match timeout(PATIENCE, socket.0.next()).await.expect("nothing comes") {
            Some(Ok(Message::Pong(held))) => return held == "still there?",
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn a_message_of_64_kib_is_taken_and_a_longer_one_ends_its_socket() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    for path in [CTI, SIP] {
        let mut socket = open(&server, path).await;
        socket.say(&" ".repeat(65_536)).await;
        assert!(is_answered(&mut socket).await, "{path}");
        let _ = socket.0.send(Message::text(" ".repeat(65_537))).await;
        assert_eq!(socket.close_code().await, Some(1009), "{path}");
    }
}

#[tokio::test]
async fn kinds_of_messages_are_told_apart() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let mut cti = open(&server, CTI).await;
    cti.0.send(Message::binary(b"{}".to_vec())).await.unwrap();
    assert_eq!(cti.close_code().await, Some(1003), "the protocol has text alone");
    let mut sip = open(&server, SIP).await;
    sip.0.send(Message::binary(b"\r\n\r\n".to_vec())).await.unwrap();
    assert!(is_answered(&mut sip).await, "RFC 7118 allows both");
}

#[tokio::test]
async fn one_socket_is_read_at_its_pace_and_nothing_is_lost() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let (mut hasty, mut other) = (open(&server, CTI).await, open(&server, CTI).await);
    const PINGS: usize = 400;
    for _ in 0..PINGS {
        hasty.say(r#"{"claz":"ping"}"#).await;
    }
    line_config(&mut other).await;
    let mut answers = 0;
    while answers < PINGS {
        hasty.hear_until(|text| text == r#"{"claz":"ping"}"#).await;
        answers += 1;
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_closed_and_harms_nobody() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let alice = server.running.app.store.user_by_login("alice").await.unwrap().unwrap().id;
    let (mut slow, mut quick) = (open(&server, CTI).await, open(&server, CTI).await);
    slow.hear_until(|text| text.contains("LoggedOn")).await;
    let fact = |n: u64| {
        Fact::Phone(PhoneFact {
            user: alice,
            kind: PhoneFactKind::Ringing,
            call: CallId(n),
            number: "1001".parse().unwrap(),
            other_number: "1002".into(),
            other_name: String::new(),
            linked_id: format!("1.{n}"),
            unique_id: format!("2.{n}"),
            direction: CallDirection::Incoming,
            sip_call_id: None,
            variables: BTreeMap::from([("USR_TEXT".to_owned(), "x".repeat(8_000))]),
        })
    };
    // more than the system and the outbox hold for one socket
    const FACTS: u64 = 4_000;
    for n in 0..FACTS {
        server.running.app.cti.tell(Wish::Fact(fact(n))).await;
        if n % 100 == 99 {
            let id = format!("\"2.{n}\"");
            quick.hear_until(|text| text.contains(&id)).await;
        }
    }
    line_config(&mut quick).await;
    let mut heard = 0;
    while slow.hear().await.is_ok() {
        heard += 1;
    }
    assert!(heard < FACTS, "the slow one was given all {heard}");
}

#[tokio::test]
async fn a_stop_closes_sockets_with_a_reason() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let (mut cti, mut sip) = (open(&server, CTI).await, open(&server, SIP).await);
    let (stopped, cti, sip) = tokio::join!(server.running.stop(), cti.close_code(), sip.close_code());
    assert!(stopped);
    assert_eq!((cti, sip), (Some(1012), Some(1012)));
}
