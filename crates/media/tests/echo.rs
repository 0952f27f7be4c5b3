mod support;

use media::{Codec, Direction, Fact, Order, Style};
use support::{ANY, World, leg, only};
use timing::Duration;

#[test]
fn the_echo_returns_the_same_payload_to_who_said_it() {
    let mut world = World::new();
    world.add(1, 96);
    let offer = world.offer(1);
    world.order(Order::AcceptOffer { leg: leg(1), offer, codecs: ANY, style: Style::WebRtc });
    assert!(matches!(
        world.facts.last(),
        Some(Fact::AnswerMade { codec: Codec::Opus, direction: Direction::SendRecv, .. })
    ));
    let answer = world.answer_made(1);
    assert!(answer.contains("m=audio 7000 UDP/TLS/RTP/SAVPF 96 101\r\n"), "{answer}");
    world.take_answer(1, &answer);
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);

    world.client(1).voice = Some((96, b"one two three".to_vec()));
    world.run_for(Duration::from_secs(1));
    let heard = world.client(1).heard.clone();
    assert!((48..=52).contains(&heard.len()), "{}", heard.len());
    assert!(heard.iter().all(|packet| packet.payload == b"one two three" && packet.payload_type == 96));
    assert!(heard[0].marker && heard[0].sequence < 32_768);
    assert!(heard[1..].iter().all(|packet| !packet.marker));
    assert!(heard.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    assert!(heard.windows(2).all(|pair| pair[1].timestamp == pair[0].timestamp.wrapping_add(960)));
}

#[test]
fn nothing_is_heard_before_the_echo_is_ordered_or_after_it_ends() {
    let mut world = World::new();
    world.add(1, 111);
    world.call(1, ANY);
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((111, b"hello".to_vec()));
    world.run_for(Duration::from_millis(200));
    assert!(world.client(1).heard.is_empty());
    world.order(Order::Echo { leg: leg(1) });
    world.run_for(Duration::from_millis(200));
    assert!(!world.client(1).heard.is_empty());
    world.order(Order::Unbridge { leg: leg(1) });
    world.forget_heard();
    world.run_for(Duration::from_millis(200));
    assert!(world.client(1).heard.is_empty());
}

#[test]
fn one_codec_is_answered_and_it_is_the_one_preferred() {
    let mut world = World::new();
    world.add(1, 111);
    let answer = world.call(1, only(Codec::Pcmu));
    assert!(answer.contains("m=audio 7000 UDP/TLS/RTP/SAVPF 0\r\n"), "{answer}");
    assert!(!answer.contains("opus"), "{answer}");
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((0, vec![0xff; 160]));
    world.run_for(Duration::from_millis(200));
    assert!(world.payloads(1).iter().all(|payload| *payload == [0xff; 160]));
    assert!(!world.client(1).heard.is_empty());
}

#[test]
fn a_leg_without_common_codec_is_refused_and_does_not_exist() {
    let mut world = World::new();
    world.add(1, 111);
    let offer = world.offer(1);
    world.order(Order::AcceptOffer { leg: leg(1), offer, codecs: only(Codec::G722), style: Style::WebRtc });
    assert_eq!(world.facts, [Fact::Refused { leg: leg(1), why: media::sdp::Unsupported::NoCommonCodec }]);
    assert_eq!(world.plane.leg_count(), 0);
}

#[test]
fn keys_are_told_and_not_echoed_and_leave_no_hole() {
    let mut world = World::new();
    world.add(1, 111);
    world.call(1, ANY);
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((111, b"press".to_vec()));
    world.run_for(Duration::from_millis(300));
    for _ in 0..3 {
        world.client(1).say(101, 5_000_000, &[11, 0x8a, 0x12, 0xc0]);
        world.run_for(Duration::from_millis(20));
    }
    world.run_for(Duration::from_millis(300));
    assert!(world.facts.contains(&Fact::Dtmf { leg: leg(1), key: '#' }));
    let heard = world.client(1).heard.clone();
    assert!(heard.len() >= 30 && heard.iter().all(|packet| packet.payload == b"press"));
    assert!(heard.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
}
