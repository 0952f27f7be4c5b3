//! Whether a trunk is alive: OPTIONS outside of dialogs.

mod world;

use sip::{Event, FlowId, Transport};
use timing::Duration;
use world::by_hand::{ByHand, header};
use world::{End, FLOW, World};

#[test]
fn a_server_that_is_asked_says_that_it_is_there() {
    let mut world = World::of_servers(Transport::Udp);
    let id = world.desk.ping(FLOW, "sip:trunk.example.org", world.now);
    world.settle();
    assert_eq!(world.events(End::Desk), [Event::Pong { id, status: Some(200) }]);
    assert_eq!(world.events(End::Phone), []);
    world.nothing_is_left();
}

#[test]
fn any_final_answer_is_an_answer_and_none_is_none() {
    let mut peer = ByHand::new(Transport::Tcp);
    let first = peer.desk.ping(FLOW, "sip:trunk.example.org", peer.now);
    let options = peer.next("OPTIONS sip:trunk.example.org SIP/2.0\r\n");
    assert_eq!(header(&options, "To").as_deref(), Some("<sip:trunk.example.org>"));
    peer.reply(&options, 100, "", "");
    assert_eq!(peer.events(), []);
    peer.reply(&options, 403, "", "");
    assert_eq!(peer.events(), [Event::Pong { id: first, status: Some(403) }]);

    let second = peer.desk.ping(FLOW, "sip:trunk.example.org", peer.now);
    assert_ne!(first, second);
    peer.run(Duration::from_secs(33));
    assert_eq!(peer.events(), [Event::Pong { id: second, status: None }]);
}

#[test]
fn what_cannot_be_sent_is_told_at_once_and_a_lost_flow_when_it_goes() {
    let mut peer = ByHand::new(Transport::Tcp);
    for (flow, uri) in [(FlowId(9), "sip:trunk.example.org"), (FLOW, "no uri")] {
        let id = peer.desk.ping(flow, uri, peer.now);
        assert_eq!(peer.events(), [Event::Pong { id, status: None }]);
    }
    let id = peer.desk.ping(FLOW, "sip:trunk.example.org", peer.now);
    peer.desk.close_flow(FLOW, peer.now);
    assert_eq!(peer.events(), [Event::Pong { id, status: None }]);
}
