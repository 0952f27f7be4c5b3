mod support;

use media::{Codec, Direction, Fact, Order};
use str0m::media::Direction as EngineDirection;
use support::{ANY, Heard, World, anna_and_bruno_talk, leg, only};
use timing::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn is_unbroken(heard: &[Heard]) -> bool {
    heard.windows(2).all(|pair| pair[1].ssrc == pair[0].ssrc && pair[1].sequence == pair[0].sequence + 1)
}

#[test]
fn each_hears_the_other_and_not_himself() {
    let mut world = anna_and_bruno_talk();
    let (anna, bruno) = (world.client(1).heard.clone(), world.client(2).heard.clone());
    assert!(anna.len() >= 45 && bruno.len() >= 45, "{} {}", anna.len(), bruno.len());
    assert!(anna.iter().all(|packet| packet.payload == b"bruno" && packet.payload_type == 96));
    assert!(bruno.iter().all(|packet| packet.payload == b"anna" && packet.payload_type == 111));
    assert!(is_unbroken(&anna) && is_unbroken(&bruno));
    assert!(anna[0].sequence < 32_768 && bruno[0].sequence < 32_768);
}

#[test]
fn our_offer_is_complete_and_its_answer_is_told() {
    let mut world = World::new();
    world.add(2, 111);
    let offer = world.ring(2, ANY);
    for line in [
        "a=setup:actpass",
        "a=rtcp-mux",
        "a=ice-lite",
        "a=end-of-candidates",
        "c=IN IP4 127.0.0.1",
        "m=audio 7000 UDP/TLS/RTP/SAVPF 111 9 0 8 110",
        "a=sendrecv",
        "a=rtpmap:110 telephone-event/48000",
    ] {
        assert!(offer.split("\r\n").any(|known| known == line), "{line} missing in\n{offer}");
    }
    assert!(!offer.contains("telephone-event/8000") && !offer.contains("transport-cc"), "{offer}");
    let told = Fact::AnswerAccepted { leg: leg(2), codec: Codec::Opus, direction: Direction::SendRecv };
    assert_eq!(world.facts, [told]);
}

#[test]
fn hold_by_the_client_silences_both_ways_and_resume_restores() {
    let mut world = anna_and_bruno_talk();
    for held in [EngineDirection::SendOnly, EngineDirection::Inactive] {
        let (answer, direction) = world.renegotiate(1, held);
        assert_ne!(direction, Direction::SendRecv);
        assert!(!answer.contains("a=sendrecv"), "{answer}");
        world.forget_heard();
        world.run_for(SECOND);
        assert!(world.client(1).heard.is_empty() && world.client(2).heard.is_empty());

        let (_, direction) = world.renegotiate(1, EngineDirection::SendRecv);
        assert_eq!(direction, Direction::SendRecv);
        world.run_for(SECOND);
        assert!(world.payloads(1).iter().all(|payload| payload == b"bruno"));
        assert!(world.client(1).heard.len() >= 45 && world.client(2).heard.len() >= 45);
        assert!(world.client(2).heard[0].marker);
    }
}

#[test]
fn who_only_listens_hears_and_is_not_heard() {
    let mut world = anna_and_bruno_talk();
    let (answer, direction) = world.renegotiate(1, EngineDirection::RecvOnly);
    assert_eq!(direction, Direction::RecvOnly);
    assert!(answer.contains("a=sendonly"), "{answer}");
    world.forget_heard();
    world.run_for(SECOND);
    assert!(world.client(1).heard.len() >= 45 && world.client(2).heard.is_empty());
    world.order(Order::Gate { leg: leg(2), open: false });
    world.forget_heard();
    world.run_for(SECOND);
    assert!(world.client(1).heard.is_empty(), "held by the server");
}

#[test]
fn the_outgoing_stream_is_unbroken_across_a_hold() {
    let mut world = anna_and_bruno_talk();
    world.order(Order::Gate { leg: leg(1), open: false });
    let before = world.client(2).heard.len();
    world.run_for(5 * SECOND);
    assert_eq!(world.client(2).heard.len(), before, "server-side hold");
    world.order(Order::Gate { leg: leg(1), open: true });
    world.run_for(SECOND);
    let heard = world.client(2).heard.clone();
    assert!(is_unbroken(&heard));
    let gap = heard[before].timestamp.wrapping_sub(heard[before - 1].timestamp);
    assert!((5 * 48_000..6 * 48_000).contains(&gap), "{gap}");
    assert!(heard[before].marker);
}

#[test]
fn the_outgoing_stream_is_unbroken_when_another_party_takes_over() {
    let mut world = anna_and_bruno_talk();
    world.add(3, 105);
    world.call(3, only(Codec::Opus));
    world.client(3).voice = Some((105, b"carla".to_vec()));
    world.run_until_connected(&[3]);
    world.order(Order::Bridge { a: leg(2), b: leg(3) });
    world.client(1).heard.clear();
    world.run_for(SECOND);
    assert!(world.client(1).heard.is_empty(), "Anna is alone now");
    let heard = world.client(2).heard.clone();
    assert!(is_unbroken(&heard));
    let seam = heard.iter().position(|packet| packet.payload == b"carla").expect("Carla is heard");
    assert!(heard[seam].marker && heard[seam..].iter().all(|packet| packet.payload == b"carla"));
    assert!(world.payloads(3).iter().all(|payload| payload == b"bruno"));
}

#[test]
fn a_thousand_holds_and_bridges_leave_nothing_behind() {
    let mut world = anna_and_bruno_talk();
    for _ in 0..1000 {
        world.order(Order::Gate { leg: leg(1), open: false });
        world.order(Order::Unbridge { leg: leg(2) });
        world.order(Order::Bridge { a: leg(2), b: leg(1) });
        world.order(Order::Gate { leg: leg(1), open: true });
    }
    world.forget_heard();
    world.run_for(SECOND);
    assert!(world.client(1).heard.len() >= 45 && world.client(2).heard.len() >= 45);
    assert!(is_unbroken(&world.client(1).heard));
}

#[test]
fn keys_are_told_once_and_reach_the_other_party() {
    let mut world = anna_and_bruno_talk();
    world.forget_heard();
    let start = 9_000_000;
    for step in 1..=5_u16 {
        let [high, low] = (step * 960).to_be_bytes();
        world.client(1).say(101, start, &[7, 0x0a, high, low]);
        world.run_for(Duration::from_millis(20));
    }
    for _ in 0..3 {
        world.client(1).say(101, start, &[7, 0x8a, 0x12, 0xc0]);
        world.run_for(Duration::from_millis(20));
    }
    let keys: Vec<_> = world.facts.iter().filter(|fact| matches!(fact, Fact::Dtmf { .. })).collect();
    assert_eq!(keys, [&Fact::Dtmf { leg: leg(1), key: '7' }]);
    let events = world.client(2).heard.iter().filter(|packet| packet.payload_type == 110).count();
    assert_eq!(events, 8);
}

#[test]
fn closing_one_leg_leaves_the_other_alone_and_tells_its_figures() {
    let mut world = anna_and_bruno_talk();
    world.facts.clear();
    world.order(Order::Close { leg: leg(1) });
    let Some(Fact::Figures { figures, .. }) = world.facts.last().cloned() else {
        panic!("{:?}", world.facts)
    };
    assert_eq!(world.facts.len(), 1);
    assert!(figures.packets_in >= 45 && figures.packets_out >= 45 && figures.lost == 0, "{figures:?}");
    assert_eq!(figures.bytes_in, figures.packets_in * 4);
    world.forget_heard();
    world.run_for(SECOND);
    assert!(world.client(2).heard.is_empty());
    world.order(Order::Echo { leg: leg(2) });
    world.run_for(SECOND);
    assert!(world.payloads(2).iter().all(|payload| payload == b"bruno"));
    assert!(!world.client(2).heard.is_empty());
}
