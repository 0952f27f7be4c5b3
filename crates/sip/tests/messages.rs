//! Text messages (RFC 3428).

mod world;

use sip::{Event, FlowId, OutboundMessage, PendingRequest, Transport};
use timing::Duration;
use world::FLOW;
use world::by_hand::{ByHand, header};

#[test]
fn messages_reach_the_application_inside_of_calls_and_outside() {
    let mut peer = ByHand::new(Transport::Tcp);
    let answer = |peer: &mut ByHand, request: PendingRequest| {
        peer.desk.respond(request, 202, vec![], b"", peer.now);
        peer.next("SIP/2.0 202 Accepted");
    };
    peer.request("MESSAGE", "Content-Type: Text/Plain; charset=utf-8\r\n", "on my way");
    let Some(Event::Message(message)) = peer.events().pop() else { panic!("no message") };
    assert_eq!((message.from_user.as_str(), message.to_user.as_str()), ("anna", "200"));
    assert_eq!(
        (message.content_type.as_str(), &message.body[..]),
        ("Text/Plain; charset=utf-8", &b"on my way"[..])
    );
    assert_eq!((message.request_uri.as_str(), message.authorization), ("sip:200@example.org", None));
    assert_eq!(message.max_forwards, 70);
    answer(&mut peer, message.request);

    let dialog = peer.established("");
    peer.request("MESSAGE", "Content-Type: text/plain\r\n", "still here");
    let Some(Event::Message(message)) = peer.events().pop() else { panic!("no message") };
    answer(&mut peer, message.request);
    peer.request("SUBSCRIBE", "Event: dialog\r\n", "");
    peer.next("SIP/2.0 403 ");
    assert!(peer.desk.dialog(dialog).is_some());
}

#[test]
fn what_nobody_could_read_or_has_come_too_far_is_refused() {
    let mut peer = ByHand::new(Transport::Tcp);
    peer.request("MESSAGE", "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", "x");
    peer.next("SIP/2.0 415 ");
    let text = peer.draft("MESSAGE", "Content-Type: text/plain\r\n", "x");
    peer.send(&text.replace("Max-Forwards: 70", "Max-Forwards: 0"));
    peer.next("SIP/2.0 483 ");
    assert_eq!(peer.events(), []);
}

fn to_anna() -> OutboundMessage {
    OutboundMessage {
        flow: FLOW,
        target: "sip:anna@df7jal23ls0d.invalid;transport=ws".into(),
        from_user: "1002".into(),
        from_name: Some("Bruno \"B\" Keller".into()),
        from_host: "example.org".into(),
        to_user: "anna".into(),
        to_host: "example.org".into(),
        max_forwards: 69,
        content_type: "text/plain;charset=utf-8".into(),
        body: "à demain\r\n".into(),
    }
}

#[test]
fn a_message_is_sent_and_its_answer_told() {
    let mut peer = ByHand::new(Transport::Tcp);
    let id = peer.desk.write(to_anna(), peer.now);
    let sent = peer.next("MESSAGE sip:anna@df7jal23ls0d.invalid;transport=ws SIP/2.0\r\n");
    assert!(
        header(&sent, "From").unwrap().starts_with("\"Bruno \\\"B\\\" Keller\" <sip:1002@example.org>;tag=")
    );
    assert_eq!(header(&sent, "To").as_deref(), Some("<sip:anna@example.org>"));
    assert_eq!(header(&sent, "Max-Forwards").as_deref(), Some("69"));
    assert_eq!(header(&sent, "Content-Type").as_deref(), Some("text/plain;charset=utf-8"));
    assert_eq!(header(&sent, "Contact"), None, "RFC 3428 section 4");
    assert!(sent.ends_with("\r\n\r\nà demain\r\n"), "{sent}");
    peer.reply(&sent, 100, "", "");
    assert_eq!(peer.events(), []);
    peer.reply(&sent, 200, "", "");
    assert_eq!(peer.events(), [Event::Delivered { id, status: Some(200) }]);

    let unheard = peer.desk.write(to_anna(), peer.now);
    peer.run(Duration::from_secs(33));
    assert_eq!(peer.events(), [Event::Delivered { id: unheard, status: None }]);
}

#[test]
fn a_message_that_cannot_be_sent_is_told_at_once() {
    let mut peer = ByHand::new(Transport::Tcp);
    for message in [
        OutboundMessage { flow: FlowId(9), ..to_anna() },
        OutboundMessage { target: "no uri".into(), ..to_anna() },
    ] {
        let id = peer.desk.write(message, peer.now);
        assert_eq!(peer.events(), [Event::Delivered { id, status: None }]);
    }
}
