mod support;

use media::sdp::Unsupported;
use media::{Codec, Direction, Fact, Order, Style};
use str0m::media::Direction as EngineDirection;
use support::{ANY, World, leg, only};
use timing::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn echo() -> World {
    let mut world = World::new();
    world.add(1, 111);
    world.call(1, ANY);
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((111, b"anna".to_vec()));
    world.run_for(SECOND);
    world.facts.clear();
    world
}

fn version(sdp: &str) -> (u64, u64) {
    let origin = sdp.lines().find_map(|line| line.strip_prefix("o=- ")).expect("an origin");
    let mut words = origin.split(' ').map(|word| word.parse().unwrap_or(0));
    (words.next().expect("an id"), words.next().expect("a version"))
}

#[test]
fn a_reloaded_page_with_a_new_certificate_goes_on_under_the_same_leg() {
    let mut world = echo();
    world.add(1, 96);
    let offer = world.offer(1);
    world.order(Order::AcceptReoffer { leg: leg(1), offer });
    let answer = world.answer_made(1);
    world.take_answer(1, &answer);
    assert_eq!(world.facts, [Fact::Lost { leg: leg(1) }], "it is not connected until the new page is");
    world.facts.clear();
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((96, b"anna again".to_vec()));
    world.run_for(SECOND);
    let heard = world.client(1).heard.clone();
    assert!(heard.len() >= 45 && heard.iter().all(|packet| packet.payload == b"anna again"));
    assert!(heard[0].sequence < 32_768);
    assert!(!world.facts.contains(&Fact::Lost { leg: leg(1) }), "{:?}", world.facts);
    assert_eq!(world.plane.leg_count(), 1);
}

#[test]
fn a_page_that_never_connects_after_a_reload_leaves_the_leg_lost() {
    let mut world = echo();
    for _ in 0..2 {
        world.add(1, 96);
        world.client(1).online = false;
        let offer = world.offer(1);
        world.order(Order::AcceptReoffer { leg: leg(1), offer });
        world.answer_made(1);
    }
    world.run_for(60 * SECOND);
    assert_eq!(world.facts, [Fact::Lost { leg: leg(1) }], "and is told once");
}

#[test]
fn a_peer_that_said_goodbye_may_come_back_with_the_same_certificate() {
    let mut world = World::new();
    let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate();
    world.certificate = Some(certificate.expect("a certificate"));
    world.add(1, 111);
    world.call(1, ANY);
    world.order(Order::Echo { leg: leg(1) });
    world.run_until_connected(&[1]);
    world.client(1).close();
    world.run_for(SECOND);
    assert!(world.facts.contains(&Fact::Lost { leg: leg(1) }), "{:?}", world.facts);
    world.facts.clear();
    world.add(1, 111);
    let offer = world.offer(1);
    world.order(Order::AcceptReoffer { leg: leg(1), offer });
    let answer = world.answer_made(1);
    world.take_answer(1, &answer);
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((111, b"back".to_vec()));
    world.run_for(SECOND);
    assert!(world.client(1).heard.len() >= 45);
}

#[test]
fn the_origin_stays_and_its_version_grows() {
    let mut world = World::new();
    world.add(1, 111);
    let first = world.call(1, ANY);
    let (second, _) = world.renegotiate(1, EngineDirection::Inactive);
    world.add(1, 111);
    let offer = world.offer(1);
    world.order(Order::AcceptReoffer { leg: leg(1), offer });
    let third = world.answer_made(1);
    let (id, number) = version(&first);
    assert_eq!(version(&second), (id, number + 1));
    assert_eq!(version(&third), (id, number + 2));
}

#[test]
fn an_ice_restart_keeps_the_media() {
    let mut world = echo();
    let offer = world.restart_ice(1);
    world.order(Order::AcceptReoffer { leg: leg(1), offer });
    let answer = world.answer_made(1);
    world.take_answer(1, &answer);
    world.forget_heard();
    world.run_for(30 * SECOND);
    assert!(world.client(1).heard.len() >= 1400, "{}", world.client(1).heard.len());
    assert!(!world.facts.contains(&Fact::Lost { leg: leg(1) }), "{:?}", world.facts);
}

#[test]
fn a_refused_reoffer_leaves_the_old_media() {
    let mut world = echo();
    let good = world.reoffer(1, EngineDirection::Inactive);
    let bad = [
        good.replace("a=ice-pwd", "a=x-pwd"),
        good.replace("a=fingerprint:sha-256", "a=fingerprint:md5"),
        good.replace("a=rtpmap:111 opus/48000/2", "a=rtpmap:111 pcmu/8000"),
        good.replace("a=mid:", "a=mid:other"),
        "v=0\r\n".into(),
        String::new(),
    ];
    for offer in bad {
        world.facts.clear();
        world.order(Order::AcceptReoffer { leg: leg(1), offer });
        assert!(matches!(world.facts[..], [Fact::Refused { .. }]), "{:?}", world.facts);
        world.forget_heard();
        world.run_for(SECOND);
        assert!(world.client(1).heard.len() >= 45);
    }
}

#[test]
fn orders_out_of_order_are_refused_and_change_nothing() {
    let mut world = echo();
    let out_of_order = |world: &mut World, order: Order| {
        world.facts.clear();
        world.order(order);
        assert!(
            matches!(world.facts[..], [Fact::Refused { why: Unsupported::OutOfOrder { .. }, .. }]),
            "{:?}",
            world.facts
        );
    };
    out_of_order(&mut world, Order::MakeOffer { leg: leg(1), codecs: ANY, style: Style::WebRtc });
    out_of_order(&mut world, Order::AcceptAnswer { leg: leg(1), answer: "v=0\r\n".into() });
    out_of_order(&mut world, Order::AcceptAnswer { leg: leg(7), answer: "v=0\r\n".into() });
    out_of_order(&mut world, Order::AcceptReoffer { leg: leg(7), offer: "v=0\r\n".into() });
    world.facts.clear();
    for order in [
        Order::Echo { leg: leg(7) },
        Order::Bridge { a: leg(1), b: leg(7) },
        Order::Gate { leg: leg(7), open: false },
        Order::Unbridge { leg: leg(7) },
        Order::Close { leg: leg(7) },
    ] {
        world.order(order);
    }
    assert_eq!(world.facts, []);
    world.forget_heard();
    world.run_for(SECOND);
    assert!(world.client(1).heard.len() >= 45);
}

#[test]
fn an_answer_that_does_not_fit_is_refused() {
    type Spoil = fn(&str) -> String;
    let cases: [(&str, Spoil); 4] = [
        ("two streams", |answer| format!("{answer}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:x\r\n")),
        ("other mid", |answer| {
            let mid = answer.lines().find(|line| line.starts_with("a=mid:")).expect("a mid").to_owned();
            answer.replace(&mid, "a=mid:zz")
        }),
        ("other codec", |answer| answer.replace("opus/48000/2", "speex/8000")),
        ("no fingerprint", |answer| answer.replace("a=fingerprint", "a=x")),
    ];
    for (what, spoil) in cases {
        let mut world = World::new();
        world.add(2, 111);
        world.order(Order::MakeOffer { leg: leg(2), codecs: only(Codec::Opus), style: Style::WebRtc });
        let Some(Fact::OfferMade { sdp, .. }) = world.facts.pop() else { panic!("no offer") };
        let answer = world.answer(2, &sdp);
        world.order(Order::AcceptAnswer { leg: leg(2), answer: spoil(&answer) });
        assert!(matches!(world.facts[..], [Fact::Refused { .. }]), "{what}: {:?}", world.facts);
    }
}

#[test]
fn an_answer_that_listens_only_is_a_hold_from_the_start() {
    let mut world = World::new();
    world.add(2, 111);
    world.order(Order::MakeOffer { leg: leg(2), codecs: ANY, style: Style::WebRtc });
    let Some(Fact::OfferMade { sdp, .. }) = world.facts.pop() else { panic!("no offer") };
    let answer = world.answer(2, &sdp).replace("a=sendrecv", "a=recvonly");
    world.order(Order::AcceptAnswer { leg: leg(2), answer });
    let told = Fact::AnswerAccepted { leg: leg(2), codec: Codec::Opus, direction: Direction::RecvOnly };
    assert_eq!(world.facts, [told]);
}

#[test]
fn a_peer_that_vanishes_is_lost_and_connected_when_it_is_back() {
    let mut world = echo();
    world.client(1).online = false;
    world.run_for(25 * SECOND);
    assert_eq!(
        world.facts.iter().filter(|fact| matches!(fact, Fact::Lost { .. })).count(),
        1,
        "{:?}",
        world.facts
    );
    world.sent.clear();
    world.run_for(10 * SECOND);
    assert_eq!(world.sent, [], "neither sound nor reports (RFC 7675 §5.1)");
    world.client(1).online = true;
    world.facts.clear();
    world.forget_heard();
    world.run_for(10 * SECOND);
    assert!(world.facts.contains(&Fact::Connected { leg: leg(1) }), "{:?}", world.facts);
    assert!(!world.client(1).heard.is_empty());
}

#[test]
fn a_party_that_sends_nothing_is_told_of_and_so_is_its_return() {
    let mut world = echo();
    world.client(1).voice = None;
    world.run_for(15 * SECOND);
    assert_eq!(world.facts.iter().filter(|fact| matches!(fact, Fact::Silent { .. })).count(), 1);
    world.client(1).voice = Some((111, b"anna".to_vec()));
    world.run_for(SECOND);
    assert_eq!(world.facts.iter().filter(|fact| matches!(fact, Fact::Audible { .. })).count(), 1);
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::Figures { .. })));
}

#[test]
fn a_hold_is_answered_with_inactive_and_a_resume_with_sendrecv() {
    let mut world = echo();
    let (answer, direction) = world.renegotiate(1, EngineDirection::SendOnly);
    assert!(answer.contains("a=inactive\r\n"), "{answer}");
    assert_eq!(direction, Direction::SendOnly);
    let (answer, direction) = world.renegotiate(1, EngineDirection::SendRecv);
    assert!(answer.contains("a=sendrecv\r\n"), "{answer}");
    assert_eq!(direction, Direction::SendRecv);
    world.forget_heard();
    world.run_for(SECOND);
    assert!(world.client(1).heard.len() >= 45, "{}", world.client(1).heard.len());
}
