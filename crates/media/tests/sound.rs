//! Sound that is made or changed on the way, measured at the far end.

mod support;

use media::{Codec, CodecPreference, Fact, Keys, Order, Plain, Sdes, Sound, Style};
use support::phone::{Packet, Phone, at, packet, plain, sdp};
use support::sound::*;
use support::{Heard, World, leg};
use timing::Duration;

const SECOND: Duration = Duration::from_secs(1);
const ANNA: &str = "203.0.113.1:4000";
const BRUNO: &str = "203.0.113.2:5000";

#[test]
fn ringback_is_heard_in_every_codec_from_its_beginning() {
    for codec in Codec::ALL {
        let mut world = world();
        let anna = phone(&mut world, 1, ANNA, codec);
        world.run_for(SECOND / 3);
        world.order(Order::Play { leg: leg(1), sound: Sound::Ringback });
        world.run_for(6 * SECOND);
        let packets = world.heard_at(anna.address);
        assert!((299..=301).contains(&packets.len()) && is_unbroken(&packets), "{}", packets.len());
        let ticks = codec.clock_rate() / 50;
        assert!(packets.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == ticks));
        assert!(packets.iter().enumerate().all(|(index, packet)| packet.marker == (index == 0)));
        let heard = at_phone(codec, &packets);
        let second = support::sound::rate(codec);
        let tone = level_of(&heard[second / 10..second * 9 / 10], 425.0, codec);
        assert!((-21.0..-19.0).contains(&tone), "{codec:?}: {tone}");
        let pause = loudness(&heard[second * 11 / 10..second * 49 / 10]);
        assert!(pause < -60.0, "{codec:?}: {pause}");
        let again = level_of(&heard[second * 51 / 10..second * 59 / 10], 425.0, codec);
        assert!((again - tone).abs() < 1.0, "{codec:?}: {again}");
    }
}

#[test]
fn a_held_browser_hears_music_and_is_not_heard_and_its_stream_has_no_seam() {
    let mut world = world();
    browser(&mut world, 1, Codec::Opus);
    browser(&mut world, 2, Codec::Opus);
    world.client(1).mouth = Some((111, Mouth::new(Codec::Opus, 500.0)));
    world.client(2).mouth = Some((111, Mouth::new(Codec::Opus, 900.0)));
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.run_for(SECOND);
    let talked = world.client(1).heard.len();
    let tone = level_of(&at_browser(Codec::Opus, &world.client(1).heard)[24_000..], 900.0, Codec::Opus);
    assert!((-13.0..-11.0).contains(&tone), "{tone}");
    world.order(Order::Play { leg: leg(1), sound: Sound::Music });
    world.client(2).heard.clear();
    world.run_for(10 * SECOND);
    assert!(world.client(2).heard.is_empty(), "the other is alone");
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.run_for(SECOND);
    let heard = world.client(1).heard.clone();
    assert!(is_whole(&heard) && heard[talked].marker && !heard[talked + 1].marker);
    let music = &heard[talked..talked + 499];
    assert!(music.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 960));
    let music = at_browser(Codec::Opus, music);
    let loud = loudness(&music);
    assert!((-27.0..-21.0).contains(&loud), "{loud}");
    assert!(level_of(&music[48_000..], 900.0, Codec::Opus) < -45.0, "nobody else is heard");
    assert!(!world.client(2).heard.is_empty());
}

#[test]
fn all_who_wait_hear_the_same_bytes_and_each_from_the_beginning() {
    let mut world = world();
    let anna = phone(&mut world, 1, ANNA, Codec::G722);
    let bruno = phone(&mut world, 2, BRUNO, Codec::G722);
    world.order(Order::Play { leg: leg(1), sound: Sound::Music });
    world.run_for(SECOND);
    world.order(Order::Play { leg: leg(2), sound: Sound::Music });
    world.run_for(2 * SECOND);
    let payloads = |world: &World, phone: &Phone| -> Vec<Vec<u8>> {
        world.heard_at(phone.address).into_iter().map(|packet| packet.payload).collect()
    };
    let (first, second) = (payloads(&world, &anna), payloads(&world, &bruno));
    assert!(second.len() >= 99 && first.len() >= 149);
    assert_eq!(first[..second.len()], second);
}

#[test]
fn a_worker_that_was_held_up_makes_up_for_a_little_and_leaves_the_rest() {
    let mut world = world();
    let anna = phone(&mut world, 1, ANNA, Codec::Pcmu);
    world.order(Order::Play { leg: leg(1), sound: Sound::Busy });
    world.run_for(SECOND);
    let before = world.heard_at(anna.address).len();
    world.now += Duration::from_millis(100);
    world.run_for(Duration::ZERO);
    assert_eq!(world.heard_at(anna.address).len(), before + 5);
    world.now += 10 * SECOND;
    world.run_for(Duration::ZERO);
    let packets = world.heard_at(anna.address);
    assert_eq!(packets.len(), before + 15);
    assert!(is_unbroken(&packets));
    let gap = packets[before + 5].timestamp.wrapping_sub(packets[before + 4].timestamp);
    assert!((9 * 8000..10 * 8000).contains(&gap), "the time that passed: {gap}");
    world.order(Order::Unbridge { leg: leg(1) });
    world.run_for(SECOND);
    assert_eq!(world.heard_at(anna.address).len(), packets.len());
}

#[test]
fn a_browser_and_a_phone_with_another_codec_hear_each_other() {
    for (browser_codec, phone_codec) in [
        (Codec::Opus, Codec::Pcmu),
        (Codec::Opus, Codec::Pcma),
        (Codec::Opus, Codec::G722),
        (Codec::Pcmu, Codec::G722),
    ] {
        let mut world = world();
        browser(&mut world, 1, browser_codec);
        let mut bruno = phone(&mut world, 2, BRUNO, phone_codec);
        world.client(1).mouth = Some((number(browser_codec), Mouth::new(browser_codec, 1000.0)));
        world.order(Order::Bridge { a: leg(1), b: leg(2) });
        let mut mouth = Mouth::new(phone_codec, 600.0);
        talk(&mut world, 100, &mut [(&mut bruno, phone_codec, &mut mouth)]);
        let what = format!("{browser_codec:?} and {phone_codec:?}");
        let packets = world.heard_at(bruno.address);
        assert!(packets.len() >= 95 && is_unbroken(&packets), "{what}: {}", packets.len());
        let heard = at_phone(phone_codec, &packets);
        let heard = &heard[heard.len() / 2..];
        let (tone, own) = (level_of(heard, 1000.0, phone_codec), level_of(heard, 600.0, phone_codec));
        assert!((-13.0..-11.0).contains(&tone) && own < -50.0, "{what}: {tone} {own}");
        assert!((loudness(heard) + 3.0 - tone).abs() < 0.5, "{what}: and nothing else");
        let packets = world.client(1).heard.clone();
        assert!(packets.len() >= 95 && is_whole(&packets), "{what}: {}", packets.len());
        let heard = at_browser(browser_codec, &packets);
        let heard = &heard[heard.len() / 2..];
        let tone = level_of(heard, 600.0, browser_codec);
        assert!((-13.0..-11.0).contains(&tone), "{what}: {tone}");
        assert!((loudness(heard) + 3.0 - tone).abs() < 0.7, "{what}: and nothing else");
    }
}

#[test]
fn the_two_laws_of_g711_are_exchanged_packet_by_packet() {
    let mut world = world();
    let mut anna = phone(&mut world, 1, ANNA, Codec::Pcmu);
    let bruno = phone(&mut world, 2, BRUNO, Codec::Pcma);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    let mut mouth = Mouth::new(Codec::Pcmu, 1000.0);
    for said in 1..=50 {
        let payload = mouth.say();
        let bytes = packet(0, anna.sequence, anna.timestamp, anna.ssrc, &payload);
        anna.sequence = anna.sequence.wrapping_add(1);
        anna.timestamp += 160;
        world.deliver_to(anna.address, anna.server, &bytes);
        world.run_for(Duration::ZERO);
        assert_eq!(world.heard_at(bruno.address).len(), said, "without waiting");
        world.run_for(Duration::from_millis(20));
    }
    let heard = at_phone(Codec::Pcma, &world.heard_at(bruno.address));
    let tone = level_of(&heard, 1000.0, Codec::Pcma);
    assert!((-12.5..-11.5).contains(&tone) && (loudness(&heard) + 3.0 - tone).abs() < 0.1, "{tone}");
}

#[test]
fn a_tenth_of_the_packets_lost_on_the_way_to_a_decoder_leaves_an_even_stream() {
    for codec in [Codec::Pcmu, Codec::G722] {
        let mut world = world();
        browser(&mut world, 1, Codec::Opus);
        let mut bruno = phone(&mut world, 2, BRUNO, codec);
        world.order(Order::Bridge { a: leg(1), b: leg(2) });
        let mut mouth = Mouth::new(codec, 600.0);
        for round in 0..200 {
            if round % 10 == 9 {
                mouth.say();
                bruno.sequence = bruno.sequence.wrapping_add(1);
                bruno.timestamp += mouth.ticks();
                world.run_for(Duration::from_millis(20));
            } else {
                talk(&mut world, 1, &mut [(&mut bruno, codec, &mut mouth)]);
            }
        }
        let packets = world.client(1).heard.clone();
        assert!(packets.len() >= 195 && is_whole(&packets), "{}", packets.len());
        let heard = at_browser(Codec::Opus, &packets);
        let tone = level_of(&heard[48_000..], 600.0, Codec::Opus);
        assert!((-14.0..-11.0).contains(&tone), "{codec:?}: {tone}");
    }
}

#[test]
fn keys_cross_a_bridge_between_codecs_both_ways() {
    let mut world = world();
    browser(&mut world, 1, Codec::Opus);
    let mut bruno = phone(&mut world, 2, BRUNO, Codec::Pcmu);
    world.client(1).mouth = Some((111, Mouth::new(Codec::Opus, 1000.0)));
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    let mut mouth = Mouth::new(Codec::Pcmu, 600.0);
    talk(&mut world, 50, &mut [(&mut bruno, Codec::Pcmu, &mut mouth)]);
    world.client(1).say(101, 77, &[7, 0x8a, 0x12, 0xc0]);
    let bytes = packet(101, bruno.sequence, bruno.timestamp, bruno.ssrc, &[11, 0x8a, 3, 0x20]);
    bruno.sequence = bruno.sequence.wrapping_add(1);
    world.deliver_to(bruno.address, bruno.server, &bytes);
    talk(&mut world, 50, &mut [(&mut bruno, Codec::Pcmu, &mut mouth)]);
    let keys = |fact: &Fact| match fact {
        Fact::Dtmf { leg, key } => Some((leg.0, *key)),
        _ => None,
    };
    assert_eq!(world.facts.iter().filter_map(keys).collect::<Vec<_>>(), [(2, '#'), (1, '7')]);
    let packets = world.heard_at(bruno.address);
    assert!(is_unbroken(&packets));
    let train: Vec<&Packet> = packets.iter().filter(|packet| packet.payload_type == 101).collect();
    assert!(train.len() == 8 && train.iter().all(|tone| tone.payload[0] == 7), "{}", train.len());
    let heard = world.client(1).heard.clone();
    assert!(is_whole(&heard));
    let train: Vec<&Heard> = heard.iter().filter(|packet| packet.payload_type == 101).collect();
    assert!(train.len() == 8 && train.iter().all(|tone| tone.payload[0] == 11), "{}", train.len());
    assert_eq!(train[7].payload[2..], 5760_u16.to_be_bytes(), "on the clock of Opus");
}

#[test]
fn a_pressed_key_reaches_phone_and_browser_as_long_as_it_was_held() {
    let mut world = world();
    browser(&mut world, 1, Codec::Opus);
    let bruno = phone(&mut world, 2, BRUNO, Codec::Pcmu);
    for number in [1, 2] {
        for (key, ms) in [('5', 200), ('*', 100), ('x', 100)] {
            world.order(Order::Press { leg: leg(number), key, ms });
        }
    }
    world.run_for(SECOND);
    let trains = |events: Vec<(u8, u16)>| {
        let mut trains: Vec<(u8, u16, usize)> = Vec::new();
        for (event, duration) in events {
            match trains.last_mut() {
                Some(last) if last.0 == event => *last = (event, last.1.max(duration), last.2 + 1),
                _ => trains.push((event, duration, 1)),
            }
        }
        trains
    };
    let read = |payload: &[u8]| (payload[0], u16::from_be_bytes([payload[2], payload[3]]));
    let at_bruno = world.heard_at(bruno.address).iter().map(|packet| read(&packet.payload)).collect();
    assert_eq!(trains(at_bruno), [(5, 1600, 12), (10, 800, 7)]);
    let at_anna = world.client(1).heard.iter().map(|packet| read(&packet.payload)).collect();
    assert_eq!(trains(at_anna), [(5, 9600, 12), (10, 4800, 7)]);
}

#[test]
fn a_peer_without_telephone_events_hears_the_tones_of_the_key() {
    for other in [Codec::Pcmu, Codec::G722] {
        let mut world = world();
        let style = plain(Sdes::Never, "203.0.113.2");
        let offer = sdp(at(BRUNO), "").replace("RTP/AVP 0 101", "RTP/AVP 0");
        let (bruno, _) = world.phone_offers(2, BRUNO, style, &offer);
        let mut anna = phone(&mut world, 1, ANNA, other);
        world.order(Order::Bridge { a: leg(1), b: leg(2) });
        let mut mouth = Mouth::new(other, 400.0);
        talk(&mut world, 25, &mut [(&mut anna, other, &mut mouth)]);
        world.order(Order::Press { leg: leg(2), key: '5', ms: 200 });
        talk(&mut world, 25, &mut [(&mut anna, other, &mut mouth)]);
        for _ in 0..3 {
            let bytes = packet(101, anna.sequence, anna.timestamp, anna.ssrc, &[9, 0x8a, 3, 0x20]);
            anna.sequence = anna.sequence.wrapping_add(1);
            world.deliver_to(anna.address, anna.server, &bytes);
        }
        talk(&mut world, 25, &mut [(&mut anna, other, &mut mouth)]);
        let packets = world.heard_at(bruno.address);
        assert!(is_unbroken(&packets) && packets.len() >= 70, "{}", packets.len());
        let heard = at_phone(Codec::Pcmu, &packets);
        let with = |low: f64, high: f64| -> Vec<usize> {
            let is_key = |(_, step): &(usize, &[i16])| {
                [low, high].iter().all(|pitch| level_of(step, *pitch, Codec::Pcmu) > -20.0)
            };
            heard.chunks_exact(160).enumerate().filter(is_key).map(|(place, _)| place).collect()
        };
        let (five, nine) = (with(770.0, 1336.0), with(852.0, 1477.0));
        assert!((8..=10).contains(&five.len()), "{other:?} {five:?}");
        assert!((4..=6).contains(&nine.len()), "{other:?} {nine:?}");
        assert!(five.windows(2).chain(nine.windows(2)).all(|pair| pair[1] == pair[0] + 1));
        let speech = heard.chunks_exact(160).filter(|step| level_of(step, 400.0, Codec::Pcmu) > -15.0);
        assert!(speech.count() > 45, "and speech goes on after it");
    }
}

#[test]
fn a_peer_that_is_told_of_keys_by_signalling_hears_none() {
    for takes_events in [false, true] {
        let mut world = world();
        let mut anna = phone(&mut world, 1, ANNA, Codec::Pcmu);
        let events = if takes_events { "RTP/AVP 0 101" } else { "RTP/AVP 0" };
        let Style::Rtp(style) = plain(Sdes::Never, "203.0.113.2") else { unreachable!() };
        let style = Style::Rtp(Plain { keys: Keys::Signalling, ..style });
        let offer = sdp(at(BRUNO), "").replace("RTP/AVP 0 101", events);
        let (bruno, _) = world.phone_offers(2, BRUNO, style, &offer);
        world.facts.clear();
        world.order(Order::Bridge { a: leg(1), b: leg(2) });
        let mut mouth = Mouth::new(Codec::Pcmu, 400.0);
        talk(&mut world, 10, &mut [(&mut anna, Codec::Pcmu, &mut mouth)]);
        let bytes = packet(101, anna.sequence, anna.timestamp, anna.ssrc, &[5, 0x8a, 3, 0x20]);
        anna.sequence = anna.sequence.wrapping_add(1);
        world.deliver_to(anna.address, anna.server, &bytes);
        talk(&mut world, 20, &mut [(&mut anna, Codec::Pcmu, &mut mouth)]);
        assert!(world.facts.iter().any(|fact| matches!(fact, Fact::Dtmf { key: '5', .. })), "it is told");
        let packets = world.heard_at(bruno.address);
        assert!(packets.iter().all(|packet| packet.payload_type == 0) && packets.len() >= 28);
        let heard = at_phone(Codec::Pcmu, &packets);
        let five =
            |step: &[i16]| [770.0, 1336.0].iter().all(|pitch| level_of(step, *pitch, Codec::Pcmu) > -20.0);
        assert!(!heard.chunks_exact(160).any(five));
    }
}

#[test]
fn a_leg_that_changes_its_codec_is_heard_on() {
    let mut world = world();
    let mut anna = phone(&mut world, 1, ANNA, Codec::Pcmu);
    let bruno = phone(&mut world, 2, BRUNO, Codec::Pcmu);
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    let mut mouth = Mouth::new(Codec::Pcmu, 600.0);
    talk(&mut world, 50, &mut [(&mut anna, Codec::Pcmu, &mut mouth)]);
    let before = world.heard_at(bruno.address).len();
    assert_eq!(before, 50, "passed on as it is");
    // by an offer of the peer, from another device of it
    let (answer, _) = world.phone_reoffers(1, &sdp(at(ANNA), "").replace("RTP/AVP 0", "RTP/AVP 8"));
    assert!(answer.contains("RTP/AVP 8 101\r\n"), "{answer}");
    let mut mouth = Mouth::new(Codec::Pcma, 600.0);
    talk(&mut world, 50, &mut [(&mut anna, Codec::Pcma, &mut mouth)]);
    assert_eq!(world.heard_at(bruno.address).len(), 100);
    // and by one of ours
    let codecs = CodecPreference::Only(vec![Codec::G722]);
    world.order(Order::MakeReoffer { leg: leg(1), direction: media::Direction::SendRecv, codecs });
    let answer = sdp(at(ANNA), "").replace("RTP/AVP 0", "RTP/AVP 9");
    world.order(Order::AcceptAnswer { leg: leg(1), answer });
    let mut mouth = Mouth::new(Codec::G722, 600.0);
    talk(&mut world, 50, &mut [(&mut anna, Codec::G722, &mut mouth)]);
    let packets = world.heard_at(bruno.address);
    assert!(is_unbroken(&packets) && packets.len() >= 145, "{}", packets.len());
    let heard = at_phone(Codec::Pcmu, &packets[before..]);
    let tone = level_of(&heard[heard.len() / 2..], 600.0, Codec::Pcmu);
    assert!((-13.0..-11.0).contains(&tone), "{tone}");
}
