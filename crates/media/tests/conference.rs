//! Three and more who hear each other.

mod support;

use media::{Codec, Order};
use support::phone::{Packet, Phone, at};
use support::sound::*;
use support::{World, leg};

#[test]
fn three_with_three_codecs_hear_the_other_two_and_who_leaves_is_gone() {
    let mut world = world();
    browser(&mut world, 1, Codec::Opus);
    let mut bruno = phone(&mut world, 2, "203.0.113.2:5000", Codec::Pcma);
    let mut carla = phone(&mut world, 3, "203.0.113.3:6000", Codec::G722);
    let pitches = [500.0, 900.0, 1300.0];
    world.client(1).mouth = Some((111, Mouth::new(Codec::Opus, pitches[0])));
    let mut mouths = (Mouth::new(Codec::Pcma, pitches[1]), Mouth::new(Codec::G722, pitches[2]));
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.order(Order::Mix { legs: vec![leg(1), leg(2), leg(3)] });
    let mut hear = |world: &mut World, carla_speaks: bool| -> Vec<Vec<bool>> {
        let before = (world.heard_at(bruno.address).len(), world.heard_at(carla.address).len());
        world.client(1).heard.clear();
        let mut phones = vec![(&mut bruno, Codec::Pcma, &mut mouths.0)];
        if carla_speaks {
            phones.push((&mut carla, Codec::G722, &mut mouths.1));
        }
        talk(world, 100, &mut phones);
        let packets = world.client(1).heard.clone();
        assert!(packets.len() >= 99 && is_whole(&packets), "{}", packets.len());
        let heard = [
            (at_browser(Codec::Opus, &packets), Codec::Opus),
            (at_phone(Codec::Pcma, &world.heard_at(bruno.address)[before.0..]), Codec::Pcma),
            (at_phone(Codec::G722, &world.heard_at(carla.address)[before.1..]), Codec::G722),
        ];
        let who = |(samples, codec): &(Vec<i16>, Codec)| -> Vec<bool> {
            if samples.is_empty() {
                return vec![];
            }
            let settled = &samples[samples.len() / 2..];
            pitches
                .iter()
                .map(|pitch| {
                    let level = level_of(settled, *pitch, *codec);
                    assert!((-13.5..-10.5).contains(&level) || level < -45.0, "{pitch}: {level}");
                    level > -20.0
                })
                .collect()
        };
        heard.iter().map(who).collect()
    };
    let all = [vec![false, true, true], vec![true, false, true], vec![true, true, false]];
    assert_eq!(hear(&mut world, true), all);
    // on hold by the server: neither hears nor is heard
    world.order(Order::Gate { leg: leg(3), open: false });
    let held = [vec![false, true, false], vec![true, false, false], vec![]];
    assert_eq!(hear(&mut world, true), held);
    world.order(Order::Gate { leg: leg(3), open: true });
    assert_eq!(hear(&mut world, true), all);
    world.order(Order::Close { leg: leg(3) });
    assert_eq!(hear(&mut world, false), held);
    world.order(Order::Mix { legs: vec![leg(1)] });
    assert_eq!(hear(&mut world, false), [vec![false; 3], vec![], vec![]], "and Bruno has left");
}

#[test]
fn a_fourth_joins_without_a_seam_for_the_others() {
    let mut world = world();
    let addresses: Vec<String> = (1..=4).map(|host| format!("203.0.113.{host}:4000")).collect();
    let mut phones: Vec<Phone> =
        (1..=4).zip(&addresses).map(|(leg, address)| phone(&mut world, leg, address, Codec::Pcmu)).collect();
    let mut mouths: Vec<Mouth> =
        [400.0, 700.0, 1100.0, 1700.0].map(|pitch| Mouth::new(Codec::Pcmu, pitch)).into_iter().collect();
    world.order(Order::Mix { legs: (1..=3).map(leg).collect() });
    for round in 0..2 {
        let mut speakers: Vec<_> =
            phones.iter_mut().zip(&mut mouths).map(|(phone, mouth)| (phone, Codec::Pcmu, mouth)).collect();
        talk(&mut world, 100, &mut speakers);
        if round == 0 {
            world.order(Order::Mix { legs: (1..=4).map(leg).collect() });
        }
    }
    let packets = world.heard_at(phones[0].address);
    assert!(is_unbroken(&packets) && packets.iter().filter(|packet| packet.marker).count() == 1);
    assert!(packets.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 160));
    let heard = at_phone(Codec::Pcmu, &packets);
    let (before, after) = (&heard[8000..15_000], &heard[24_000..31_000]);
    let levels =
        |samples: &[i16]| [400.0, 700.0, 1700.0].map(|pitch| level_of(samples, pitch, Codec::Pcmu) > -20.0);
    assert_eq!((levels(before), levels(after)), ([false, true, false], [false, true, true]));
    // a call of two of them leaves the other two in their conference
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    let before = world.heard_at(phones[2].address).len();
    let mut speakers: Vec<_> =
        phones.iter_mut().zip(&mut mouths).map(|(phone, mouth)| (phone, Codec::Pcmu, mouth)).collect();
    talk(&mut world, 50, &mut speakers);
    let heard = at_phone(Codec::Pcmu, &world.heard_at(phones[2].address)[before..]);
    assert_eq!(levels(&heard[4000..]), [false, false, true]);
}

#[test]
fn fifty_in_one_conference_hear_who_speaks() {
    let mut world = world();
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722];
    let mut phones: Vec<(Phone, Codec)> = (1..=50)
        .map(|number| {
            let codec = codecs[number as usize % 3];
            (phone(&mut world, number, &format!("203.0.113.{number}:4000"), codec), codec)
        })
        .collect();
    world.order(Order::Mix { legs: (1..=50).map(leg).collect() });
    let (mut one, mut two) = (Mouth::new(phones[0].1, 500.0), Mouth::new(phones[1].1, 1200.0));
    let [first, second, ..] = phones.as_mut_slice() else { panic!("fifty") };
    talk(&mut world, 50, &mut [(&mut first.0, first.1, &mut one), (&mut second.0, second.1, &mut two)]);
    for (index, (phone, codec)) in phones.iter().enumerate() {
        let heard = at_phone(*codec, &world.heard_at(phone.address));
        let settled = &heard[heard.len() / 2..];
        let levels = [500.0, 1200.0].map(|pitch| level_of(settled, pitch, *codec));
        assert_eq!(levels.map(|level| level > -14.0), [index != 0, index != 1], "{index}: {levels:?}");
    }
}

#[test]
fn in_a_large_conference_those_who_listen_share_an_encoding_and_are_heard_once_they_speak() {
    let mut world = world();
    let mut phones: Vec<Phone> = (1..=12)
        .map(|number| phone(&mut world, number, &format!("203.0.113.{number}:4000"), Codec::Opus))
        .collect();
    world.order(Order::Mix { legs: (1..=12).map(leg).collect() });
    let (mut one, mut two) = (Mouth::new(Codec::Opus, 500.0), Mouth::new(Codec::Opus, 1200.0));
    let mut speak = |world: &mut World, second: bool| -> Vec<Vec<Packet>> {
        let before: Vec<usize> = phones.iter().map(|phone| world.heard_at(phone.address).len()).collect();
        let [first, other, ..] = phones.as_mut_slice() else { panic!("twelve") };
        let mut speakers = vec![(first, Codec::Opus, &mut one)];
        if second {
            speakers.push((other, Codec::Opus, &mut two));
        }
        talk(world, 100, &mut speakers);
        let heard = phones.iter().zip(before);
        heard.map(|(phone, before)| world.heard_at(phone.address).split_off(before)).collect()
    };
    let payloads = |packets: &[Packet]| -> Vec<Vec<u8>> {
        packets[60..].iter().map(|packet| packet.payload.clone()).collect()
    };
    let levels = |packets: &[Packet]| {
        let heard = at_phone(Codec::Opus, packets);
        [500.0, 1200.0].map(|pitch| level_of(&heard[heard.len() / 2..], pitch, Codec::Opus))
    };
    let heard = speak(&mut world, false);
    assert!(heard[2..].iter().all(|packets| payloads(packets) == payloads(&heard[1])));
    assert_ne!(payloads(&heard[0]), payloads(&heard[1]));
    assert!(levels(&heard[0])[0] < -50.0 && levels(&heard[1])[0] > -13.0);
    // the second speaks, and is heard at once and not by himself
    let heard = speak(&mut world, true);
    let beginning = at_phone(Codec::Opus, &heard[5][..20]);
    assert!(level_of(&beginning[9600..], 1200.0, Codec::Opus) > -14.0);
    assert!(levels(&heard[0])[1] > -13.0 && levels(&heard[1])[1] < -50.0 && levels(&heard[1])[0] > -13.0);
    assert!(levels(&heard[5]).iter().all(|level| *level > -13.0));
    assert!(heard[3..].iter().all(|packets| payloads(packets) == payloads(&heard[2])));
    // and listens again
    let heard = speak(&mut world, false);
    assert!(payloads(&heard[1]) == payloads(&heard[2]) && levels(&heard[1])[0] > -13.0);
    for number in 1..=12 {
        let packets = world.heard_at(at(&format!("203.0.113.{number}:4000")));
        assert!(is_unbroken(&packets), "{number}");
    }
}
