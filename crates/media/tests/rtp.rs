//! Plain legs: phones and exchanges at addresses of their own.

mod support;

use std::collections::BTreeSet;

use media::sdp::Unsupported;
use media::{Codec, CodecPreference, Direction, Fact, Order, Sdes, SocketOrder};
use support::phone::{Packet, at, packet, place, plain, rtcp_of, sdp};
use support::{World, leg, only};
use timing::Duration;

const SECOND: Duration = Duration::from_secs(1);
const ANNA: &str = "203.0.113.1:4000";
const BRUNO: &str = "203.0.113.2:5000";
const STRANGER: &str = "203.0.113.66:4000";

fn world() -> World {
    World::with_ports(20_000..=20_019)
}

fn is_unbroken(heard: &[Packet]) -> bool {
    heard
        .windows(2)
        .all(|pair| pair[1].ssrc == pair[0].ssrc && pair[1].sequence == pair[0].sequence.wrapping_add(1))
}

#[test]
fn a_phone_hears_its_echo_as_one_unbroken_stream_of_ours() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    assert_eq!(anna.server, at("198.51.100.7:20000"));
    assert!(world.facts.contains(&Fact::Connected { leg: leg(1) }));
    world.order(Order::Echo { leg: leg(1) });
    let words: Vec<Vec<u8>> = (0..100_u8).map(|number| vec![number; 160]).collect();
    for word in &words {
        world.says(&mut anna, word);
    }
    let heard = world.heard_at(anna.address);
    assert_eq!(heard.iter().map(|packet| packet.payload.clone()).collect::<Vec<_>>(), words);
    assert!(is_unbroken(&heard) && heard[0].ssrc != anna.ssrc && heard[0].sequence < 32_768);
    assert!(heard.iter().enumerate().all(|(index, packet)| packet.marker == (index == 0)));
    assert_eq!(heard[99].timestamp.wrapping_sub(heard[0].timestamp), 99 * 160);
}

#[test]
fn a_browser_and_a_phone_hear_each_other_payload_by_payload() {
    let mut world = world();
    world.add(1, 96);
    world.call(1, only(Codec::Pcmu));
    let mut bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.run_until_connected(&[1]);
    world.client(1).voice = Some((0, vec![0x11; 160]));
    for number in 0..50_u8 {
        world.says(&mut bruno, &[number; 160]);
    }
    let heard = world.heard_at(bruno.address);
    assert!(heard.len() >= 45 && is_unbroken(&heard), "{}", heard.len());
    assert!(heard.iter().all(|packet| packet.payload == [0x11; 160] && packet.payload_type == 0));
    let expected: Vec<Vec<u8>> = (0..50_u8).map(|number| vec![number; 160]).collect();
    assert_eq!(world.payloads(1), expected);
}

#[test]
fn two_protected_legs_understand_each_other_and_nobody_else_does() {
    for suite in ["_80", "_32"] {
        let mut world = world();
        let style = plain(Sdes::Required, "127.0.0.1");
        world.order(Order::MakeOffer { leg: leg(1), codecs: only(Codec::Pcmu), style });
        world.serve_ports(&BTreeSet::new());
        let Some(Fact::OfferMade { sdp: offer, .. }) = world.facts.pop() else { panic!("no offer") };
        assert!(offer.contains("RTP/SAVP 0 101") && offer.matches("a=crypto:").count() == 2, "{offer}");
        let other = if suite == "_80" { "SHA1_32" } else { "SHA1_80" };
        let offer = offer.lines().filter(|line| !line.contains(other)).map(|line| format!("{line}\r\n"));
        let offer: String = offer.collect();
        let (_, answer) = world.phone_offers(2, &place(&offer).to_string(), style, &offer);
        assert!(answer.contains("RTP/SAVP 0 101") && answer.contains(suite), "{answer}");
        assert!(!answer.contains(offer.split("inline:").nth(1).expect("a key").trim_end()));
        world.order(Order::AcceptAnswer { leg: leg(1), answer: answer.clone() });
        let told = Fact::AnswerAccepted { leg: leg(1), codec: Codec::Pcmu, direction: Direction::SendRecv };
        assert!(world.facts.contains(&told), "{:?}", world.facts);

        let mut anna = world.phone_calls(3, ANNA);
        let bruno = world.phone_calls(4, BRUNO);
        world.order(Order::Bridge { a: leg(3), b: leg(1) });
        world.order(Order::Bridge { a: leg(2), b: leg(4) });
        let (here, there) = (place(&offer), place(&answer));
        let mut seen = 0;
        for number in 0..100_u8 {
            world.says(&mut anna, &[number; 160]);
            let on_the_wire = world.sent_to(there);
            for bytes in &on_the_wire[seen..] {
                assert!(!bytes.windows(8).any(|window| window == [number; 8]), "in the clear");
                let mut forged = bytes.clone();
                forged[20] ^= 1;
                world.deliver_to(here, there, &forged);
                world.deliver_to(here, there, bytes);
                world.deliver_to(here, there, bytes);
            }
            seen = on_the_wire.len();
        }
        world.run_for(SECOND);
        let heard = world.heard_at(bruno.address);
        let expected: Vec<Vec<u8>> = (0..100_u8).map(|number| vec![number; 160]).collect();
        assert_eq!(heard.iter().map(|packet| packet.payload.clone()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn protection_is_not_talked_down_and_not_left_out() {
    let mut world = world();
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let keyed = sdp(at(ANNA), key);
    world.phone_offers(1, ANNA, plain(Sdes::Optional, "203.0.113.1"), &keyed);
    world.order(Order::AcceptReoffer { leg: leg(1), offer: sdp(at(ANNA), "") });
    let refused = |fact: Option<Fact>| match fact {
        Some(Fact::Refused { why: Unsupported::Protection { .. }, .. }) => {}
        other => panic!("no refusal but {other:?}"),
    };
    refused(world.facts.pop());
    let (codecs, style) = (CodecPreference::Any, plain(Sdes::Required, "203.0.113.1"));
    world.order(Order::AcceptOffer { leg: leg(2), offer: sdp(at(ANNA), ""), codecs, style });
    assert_eq!(world.serve_ports(&BTreeSet::new()), []);
    refused(world.facts.pop());
}

#[test]
fn a_stranger_neither_gets_nor_brings_anything_before_during_and_after_the_latch() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    let bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    let noise = |number: u16| packet(0, number, 0, 666, &[0x66; 160]);
    let report = [0x81, 203, 0, 1, 0, 0, 0, 1];
    for number in 0..500 {
        for source in [STRANGER, "203.0.113.66:4002"] {
            world.deliver_to(at(source), anna.server, &noise(number));
            world.deliver_to(at(source), rtcp_of(anna.server), &report);
        }
        if number == 20 {
            // the phone sends from another port than it said, once
            anna.address = at("203.0.113.1:4010");
        }
        if number >= 20 {
            world.says(&mut anna, &[number as u8; 160]);
            world.deliver_to(at("203.0.113.1:4012"), anna.server, &noise(number));
            world.deliver_to(at(ANNA), anna.server, &noise(number));
        } else {
            world.run_for(Duration::from_millis(20));
        }
    }
    let heard = world.heard_at(bruno.address);
    assert_eq!(heard.len(), 480);
    assert!(
        is_unbroken(&heard) && heard.iter().zip(20_u16..).all(|(packet, n)| packet.payload[0] == n as u8)
    );
    for source in [STRANGER, "203.0.113.66:4002", "203.0.113.66:4001", "203.0.113.1:4012"] {
        assert_eq!(world.sent_to(at(source)), Vec::<Vec<u8>>::new(), "{source}");
    }
}

#[test]
fn behind_nat_sound_goes_to_where_the_signalling_host_sends_from() {
    let mut world = world();
    let style = plain(Sdes::Never, "203.0.113.1");
    let (mut anna, _) = world.phone_offers(1, "192.168.1.5:4000", style, &sdp(at("192.168.1.5:4000"), ""));
    let mut bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.says(&mut bruno, &[1; 160]);
    assert!(!world.facts.contains(&Fact::Connected { leg: leg(1) }));
    assert!(world.sent_to(at("192.168.1.5:4000")).is_empty());
    world.run_for(5 * SECOND);
    anna.address = at("203.0.113.1:61000");
    world.says(&mut anna, &[2; 160]);
    world.says(&mut bruno, &[3; 160]);
    assert!(world.facts.contains(&Fact::Connected { leg: leg(1) }));
    assert_eq!(world.heard_at(anna.address).last().expect("sound").payload, [3; 160]);
    assert_eq!(world.heard_at(bruno.address).last().expect("sound").payload, [2; 160]);
}

#[test]
fn every_form_of_hold_silences_both_ways_and_resume_restores() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    let mut bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    let zeros = sdp(at(ANNA), "").replace("c=IN IP4 203.0.113.1", "c=IN IP4 0.0.0.0");
    let mut version = 1;
    for (offer, direction, answered) in [
        (sdp(at(ANNA), "a=sendonly\r\n"), Direction::SendOnly, "a=recvonly"),
        (sdp(at(ANNA), "a=inactive\r\n"), Direction::Inactive, "a=inactive"),
        (zeros, Direction::SendOnly, "a=recvonly"),
    ] {
        let (answer, told) = world.phone_reoffers(1, &offer);
        assert_eq!(told, direction);
        version += 1;
        assert!(answer.contains(answered) && answer.contains(&format!(" {version} IN IP4 ")), "{answer}");
        let before = (world.heard_at(anna.address).len(), world.heard_at(bruno.address).len());
        for _ in 0..20 {
            world.says(&mut anna, &[1; 160]);
            world.says(&mut bruno, &[2; 160]);
        }
        assert_eq!((world.heard_at(anna.address).len(), world.heard_at(bruno.address).len()), before);
        let (answer, told) = world.phone_reoffers(1, &sdp(at(ANNA), ""));
        version += 1;
        assert!(told == Direction::SendRecv && answer.contains("a=sendrecv"), "{answer}");
        for _ in 0..20 {
            world.says(&mut anna, &[1; 160]);
            world.says(&mut bruno, &[2; 160]);
        }
        let (to_anna, to_bruno) = (world.heard_at(anna.address), world.heard_at(bruno.address));
        assert_eq!((to_anna.len(), to_bruno.len()), (before.0 + 20, before.1 + 20));
        assert!(is_unbroken(&to_anna) && is_unbroken(&to_bruno) && to_bruno[before.1].marker);
    }
}

#[test]
fn a_phone_that_only_listens_hears_and_is_not_heard() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    let mut bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    let (answer, direction) = world.phone_reoffers(1, &sdp(at(ANNA), "a=recvonly\r\n"));
    assert!(direction == Direction::RecvOnly && answer.contains("a=sendonly"), "{answer}");
    world.says(&mut anna, &[1; 160]);
    world.says(&mut bruno, &[2; 160]);
    assert_eq!((world.heard_at(anna.address).len(), world.heard_at(bruno.address).len()), (1, 0));
}

#[test]
fn taken_ports_are_passed_over_and_without_one_the_leg_is_refused() {
    let mut world = World::with_ports(20_000..=20_005);
    let style = plain(Sdes::Never, "203.0.113.1");
    let offer = |number| Order::AcceptOffer {
        leg: leg(number),
        offer: sdp(at(ANNA), ""),
        codecs: CodecPreference::Any,
        style,
    };
    world.order(offer(1));
    assert_eq!(world.facts, [], "no description before its port is open");
    world.serve_ports(&BTreeSet::from([20_000, 20_002]));
    assert!(matches!(&world.facts[0], Fact::AnswerMade { sdp, .. } if place(sdp).port() == 20_004));
    world.facts.clear();
    world.order(offer(2));
    world.serve_ports(&BTreeSet::from([20_000, 20_002]));
    assert_eq!(world.facts, [Fact::Refused { leg: leg(2), why: Unsupported::Overloaded }]);
    world.facts.clear();
    for number in 3..=5 {
        world.order(offer(number));
        world.serve_ports(&BTreeSet::new());
    }
    assert_eq!(world.facts.last(), Some(&Fact::Refused { leg: leg(5), why: Unsupported::Overloaded }));
    world.order(Order::Close { leg: leg(1) });
    let rtp = at("198.51.100.7:20004");
    assert_eq!(world.serve_ports(&BTreeSet::new()), [SocketOrder::Close { rtp }]);
    world.order(offer(6));
    assert_eq!(world.serve_ports(&BTreeSet::new()), [SocketOrder::Open { rtp }]);
    assert_eq!(world.plane.leg_count(), 3);
    // told to end before its port was open
    world.order(Order::Close { leg: leg(6) });
    world.serve_ports(&BTreeSet::new());
    world.order(offer(7));
    world.order(Order::Close { leg: leg(7) });
    assert_eq!(world.serve_ports(&BTreeSet::new()).len(), 2);
    assert_eq!(world.plane.leg_count(), 2);
}

#[test]
fn reports_go_both_ways_and_tell_loss_and_round_trip() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    world.order(Order::Echo { leg: leg(1) });
    for number in 0..500_u32 {
        if number % 10 == 9 {
            anna.sequence = anna.sequence.wrapping_add(1);
            anna.timestamp += 160;
            world.run_for(Duration::from_millis(20));
        } else {
            world.says(&mut anna, &[1; 160]);
        }
    }
    let reports = world.sent_to(rtcp_of(anna.address));
    assert!((1..=5).contains(&reports.len()), "{}", reports.len());
    let ours = reports.last().expect("a report").clone();
    assert_eq!((ours[0], ours[1]), (0x81, 200), "a sender report with one block");
    assert!((20..=30).contains(&ours[32]), "a tenth is lost: {}", ours[32]);
    // the phone has kept it for half a second, and it was 100 ms on its way
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
    report.extend(&ours[4..8]);
    report.extend([0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0]);
    report.extend(&ours[10..14]);
    let sent_at = u64::from(u32::from_be_bytes([ours[8], ours[9], ours[10], ours[11]])) - 2_208_988_800;
    let fraction = u64::from(u32::from_be_bytes([ours[12], ours[13], ours[14], ours[15]]));
    let sent_us = sent_at * 1_000_000 + fraction * 1_000_000 / (1 << 32);
    let kept_us = world.now.as_micros() - sent_us - 100_000;
    report.extend(((kept_us * 65_536 / 1_000_000) as u32).to_be_bytes());
    world.deliver_to(rtcp_of(anna.address), rtcp_of(anna.server), &report);
    world.order(Order::Close { leg: leg(1) });
    world.run_for(Duration::from_millis(5));
    let Some(Fact::Figures { figures, .. }) = world.facts.last() else { panic!("{:?}", world.facts) };
    assert_eq!((figures.packets_in, figures.packets_out, figures.lost_by_peer), (450, 450, 42));
    assert_eq!((figures.bytes_in, figures.lost), (450 * 160, 49));
    assert!(figures.rtt_us.is_some_and(|rtt| rtt.abs_diff(100_000) < 100), "{figures:?}");
    assert!(figures.jitter_us < 1000, "{figures:?}");
    let goodbye = world.sent_to(rtcp_of(anna.address)).pop().expect("a goodbye");
    assert_eq!(goodbye[goodbye.len() - 8..goodbye.len() - 4], [0x81, 203, 0, 1]);
}

#[test]
fn with_multiplexing_reports_share_the_port() {
    let mut world = world();
    let offer = sdp(at(ANNA), "a=rtcp-mux\r\n");
    let (anna, answer) = world.phone_offers(1, ANNA, plain(Sdes::Never, "203.0.113.1"), &offer);
    assert!(answer.contains("a=rtcp-mux\r\n"), "{answer}");
    world.run_for(10 * SECOND);
    assert!(world.sent_to(rtcp_of(anna.address)).is_empty());
    let reports = world.sent.iter().filter(|sent| sent.destination == anna.address);
    assert!(reports.clone().count() > 0 && reports.clone().all(|report| report.source == anna.server));
    assert!(reports.clone().all(|report| report.bytes[1] == 201));
}

#[test]
fn keys_reach_a_phone_as_a_fresh_train_and_are_told_once() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    let bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.says(&mut anna, &[1; 160]);
    let timestamp = anna.timestamp;
    for _ in 0..3 {
        // ends alone, all at once
        let bytes = packet(101, anna.sequence, timestamp, anna.ssrc, &[7, 0x8a, 3, 0x20]);
        anna.sequence = anna.sequence.wrapping_add(1);
        world.deliver_to(anna.address, anna.server, &bytes);
    }
    for _ in 0..20 {
        world.says(&mut anna, &[2; 160]);
    }
    let keys = world.facts.iter().filter(|fact| matches!(fact, Fact::Dtmf { .. })).count();
    assert_eq!(keys, 1);
    let heard = world.heard_at(bruno.address);
    assert!(is_unbroken(&heard));
    let train: Vec<&Packet> = heard.iter().filter(|packet| packet.payload_type == 101).collect();
    let durations: Vec<u16> =
        train.iter().map(|tone| u16::from_be_bytes([tone.payload[2], tone.payload[3]])).collect();
    assert_eq!(durations, [160, 320, 480, 640, 800, 960, 960, 960]);
    assert!(train.iter().all(|tone| tone.payload[0] == 7 && tone.timestamp == train[0].timestamp));
    assert_eq!(train.iter().filter(|tone| tone.payload[1] & 0x80 != 0).count(), 3);
    let after = heard.last().expect("speech");
    assert!(after.payload == [2; 160] && after.timestamp.wrapping_sub(train[0].timestamp) >= 960);
}

#[test]
fn comfort_noise_is_kept_to_ourselves_and_leaves_no_gap() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    let bruno = world.phone_calls(2, BRUNO);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    for round in 0..30 {
        if round % 3 == 0 {
            world.says_as(&mut anna, 13, &[0x40]);
        } else {
            world.says(&mut anna, &[1; 160]);
        }
    }
    let heard = world.heard_at(bruno.address);
    assert!(heard.len() == 20 && is_unbroken(&heard));
    world.order(Order::Close { leg: leg(1) });
    let Some(Fact::Figures { figures, .. }) = world.facts.last() else { panic!("{:?}", world.facts) };
    assert_eq!((figures.packets_in, figures.lost), (30, 0));
}

#[test]
fn silence_is_told_after_ten_seconds_and_loss_only_when_reports_stop_as_well() {
    let mut world = world();
    let mut anna = world.phone_calls(1, ANNA);
    world.says(&mut anna, &[1; 160]);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    for _ in 0..30 {
        world.run_for(5 * SECOND);
        world.deliver_to(rtcp_of(anna.address), rtcp_of(anna.server), &report);
    }
    let told = |world: &World, fact: &Fact| world.facts.iter().filter(|known| *known == fact).count();
    let (silent, lost) = (Fact::Silent { leg: leg(1) }, Fact::Lost { leg: leg(1) });
    assert_eq!((told(&world, &silent), told(&world, &lost)), (1, 0));
    world.run_for(59 * SECOND);
    assert_eq!(told(&world, &lost), 0);
    world.run_for(2 * SECOND);
    assert_eq!(told(&world, &lost), 1);
    world.says(&mut anna, &[1; 160]);
    assert_eq!(told(&world, &Fact::Connected { leg: leg(1) }), 2);
    assert_eq!(told(&world, &Fact::Audible { leg: leg(1) }), 1);
}

#[test]
fn an_answer_that_does_not_fit_is_refused_and_the_right_one_is_taken() {
    let mut world = world();
    let style = plain(Sdes::Never, "203.0.113.1");
    world.order(Order::MakeOffer { leg: leg(1), codecs: CodecPreference::Any, style });
    world.serve_ports(&BTreeSet::new());
    let Some(Fact::OfferMade { sdp: offer, .. }) = world.facts.pop() else { panic!("no offer") };
    assert!(offer.contains("RTP/AVP 111 9 0 8 101 110\r\n") && !offer.contains("crypto"), "{offer}");
    let good = sdp(at(ANNA), "");
    for bad in [
        format!("{good}m=video 0 RTP/AVP 31\r\n"),
        good.replace("RTP/AVP", "RTP/AVPF"),
        good.replace("RTP/AVP", "RTP/SAVP"),
        good.replace("RTP/AVP 0 101", "RTP/AVP 18"),
        good.replace("m=audio 4000", "m=audio 0"),
        "nonsense".into(),
    ] {
        world.order(Order::AcceptAnswer { leg: leg(1), answer: bad.clone() });
        assert!(matches!(world.facts.pop(), Some(Fact::Refused { .. })), "{bad}");
    }
    // the answerer's own number for its events
    let answer = good.replace("101", "96");
    world.order(Order::AcceptAnswer { leg: leg(1), answer });
    let told = Fact::AnswerAccepted { leg: leg(1), codec: Codec::Pcmu, direction: Direction::SendRecv };
    assert_eq!(world.facts, [told, Fact::Connected { leg: leg(1) }]);
}

#[test]
fn a_browser_leg_is_not_talked_down_to_plain_sound() {
    let mut world = world();
    world.add(1, 96);
    world.call(1, only(Codec::Pcmu));
    world.order(Order::AcceptReoffer { leg: leg(1), offer: sdp(at(ANNA), "") });
    assert!(matches!(world.facts.pop(), Some(Fact::Refused { why: Unsupported::NotWebRtc { .. }, .. })));
}
