//! Orders at random, against a plain model of who hears whom.

mod support;

use std::collections::BTreeSet;

use media::{Codec, Direction, Fact, Order, Sdes, Sound};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::phone::{Packet, Phone, at, packet, plain, sdp};
use support::sound::{Mouth, level_of, listen};
use support::{ANY, World, leg};
use timing::Duration;

const PITCHES: [f64; 6] = [350.0, 600.0, 950.0, 1350.0, 1850.0, 2450.0];
const CODECS: [Codec; 6] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Pcmu, Codec::G722, Codec::Pcma];
const STEP: Duration = Duration::from_millis(20);

fn number(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 111,
        Codec::G722 => 9,
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    }
}

/// What a leg is joined to, by its place.
#[derive(Clone, Debug, PartialEq)]
enum Joined {
    Alone,
    Echo,
    Bridge(usize),
    Played,
    Mixed,
}

struct Room {
    world: World,
    phones: Vec<(Phone, Mouth)>,
    joined: Vec<Joined>,
    gates: Vec<bool>,
    /// One conference at a time.
    mixed: BTreeSet<usize>,
}

impl Room {
    fn new() -> Room {
        let mut world = World::with_ports(20_000..=20_019);
        let phones = (0..6).map(|place: usize| {
            let address = format!("203.0.113.{}:4000", place + 1);
            let offer =
                sdp(at(&address), "").replace("RTP/AVP 0", &format!("RTP/AVP {}", number(CODECS[place])));
            let style = plain(Sdes::Never, &at(&address).ip().to_string());
            let (phone, _) = world.phone_offers(place as u64 + 1, &address, style, &offer);
            (phone, Mouth::new(CODECS[place], PITCHES[place]))
        });
        let phones = phones.collect();
        Room { world, phones, joined: vec![Joined::Alone; 6], gates: vec![true; 6], mixed: BTreeSet::new() }
    }

    fn part(&mut self, place: usize) {
        if let Joined::Bridge(other) = self.joined[place] {
            self.joined[other] = Joined::Alone;
        }
        self.joined[place] = Joined::Alone;
        self.mixed.remove(&place);
    }

    /// Something that the switch may ask, done to the plane and to the model.
    fn order_something(&mut self, random: &mut ChaCha8Rng) -> Order {
        let (a, b) = (random.random_range(0..6), random.random_range(0..6));
        let id = |place: usize| leg(place as u64 + 1);
        let order = match random.random_range(0..12) {
            0 => Order::Echo { leg: id(a) },
            1..=4 => Order::Bridge { a: id(a), b: id(b) },
            5 => Order::Play { leg: id(a), sound: Sound::Music },
            6 | 7 => {
                let mut legs: Vec<usize> = (0..6).filter(|_| random.random_bool(0.6)).collect();
                // the model knows one conference: those who are in it stay in it or leave it
                if !legs.iter().any(|place| self.mixed.contains(place)) {
                    legs.extend(self.mixed.first());
                }
                Order::Mix { legs: legs.into_iter().map(id).collect() }
            }
            8 => Order::Unbridge { leg: id(a) },
            9 => Order::Gate { leg: id(a), open: random.random_bool(0.7) },
            10 => Order::Press { leg: id(a), key: '5', ms: 60 },
            _ => Order::MakeReoffer { leg: id(a), direction: Direction::Inactive, codecs: ANY },
        };
        self.world.order(order.clone());
        match &order {
            Order::Echo { .. } => {
                self.part(a);
                self.joined[a] = Joined::Echo;
            }
            Order::Bridge { .. } => {
                self.part(a);
                self.part(b);
                self.joined[a] = Joined::Bridge(b);
                self.joined[b] = Joined::Bridge(a);
                if a == b {
                    self.joined[a] = Joined::Echo;
                }
            }
            Order::Play { .. } => {
                self.part(a);
                self.joined[a] = Joined::Played;
            }
            Order::Mix { legs } => {
                for place in 0..6 {
                    let is_in = legs.contains(&id(place));
                    if is_in || self.mixed.contains(&place) && !legs.is_empty() {
                        self.part(place);
                    }
                    if is_in {
                        self.joined[place] = Joined::Mixed;
                    }
                }
                self.mixed.extend((0..6).filter(|place| legs.contains(&id(*place))));
            }
            Order::Unbridge { .. } => self.part(a),
            Order::Gate { open, .. } => self.gates[a] = *open,
            // an offer that nobody takes changes nothing
            Order::MakeReoffer { leg, .. } => self.world.order(Order::Retract { leg: *leg }),
            _ => {}
        }
        order
    }

    /// Whom a leg is to hear.
    fn heard_by(&self, place: usize) -> BTreeSet<usize> {
        let speaks = |other: &usize| self.gates[*other];
        let parties: Vec<usize> = match &self.joined[place] {
            _ if !self.gates[place] => vec![],
            Joined::Alone | Joined::Played => vec![],
            Joined::Echo => vec![place],
            Joined::Bridge(other) => vec![*other],
            Joined::Mixed => self.mixed.iter().copied().filter(|other| *other != place).collect(),
        };
        parties.into_iter().filter(speaks).collect()
    }

    /// All speak for so many steps; what each hears.
    fn talk(&mut self, steps: usize) -> Vec<Vec<Packet>> {
        let before: Vec<usize> =
            self.phones.iter().map(|(phone, _)| self.world.heard_at(phone.address).len()).collect();
        for _ in 0..steps {
            for (place, (phone, mouth)) in self.phones.iter_mut().enumerate() {
                let payload = mouth.say();
                let payload_type = number(CODECS[place]);
                let bytes = packet(payload_type, phone.sequence, phone.timestamp, phone.ssrc, &payload);
                phone.sequence = phone.sequence.wrapping_add(1);
                phone.timestamp = phone.timestamp.wrapping_add(160);
                self.world.deliver_to(phone.address, phone.server, &bytes);
            }
            self.world.run_for(STEP);
        }
        let heard = self.phones.iter().zip(before);
        heard.map(|((phone, _), before)| self.world.heard_at(phone.address).split_off(before)).collect()
    }
}

fn pitches_in(place: usize, packets: &[Packet]) -> BTreeSet<usize> {
    let codec = CODECS[place];
    let sound = packets.iter().filter(|packet| packet.payload_type == number(codec));
    let samples = listen(codec, sound.map(|packet| packet.payload.as_slice()));
    let settled = &samples[samples.len() / 2..];
    (0..6).filter(|other| level_of(settled, PITCHES[*other], codec) > -20.0).collect()
}

#[test]
fn whatever_is_ordered_each_hears_just_whom_the_model_says_in_one_stream() {
    for seed in [1, 2, 3] {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut room = Room::new();
        let mut orders = Vec::new();
        for _ in 0..60 {
            orders.push(room.order_something(&mut random));
            let heard = room.talk(22);
            for (place, packets) in heard.iter().enumerate() {
                let what = || format!("seed {seed}, leg {}, after {:?}", place + 1, orders.last());
                let told = |room: &Room| room.heard_by(place);
                let quiet = matches!(room.joined[place], Joined::Alone) || !room.gates[place];
                let keys = |packet: &&Packet| packet.payload_type == 101;
                if quiet {
                    assert_eq!(packets.len(), packets.iter().filter(keys).count(), "{}", what());
                } else if room.joined[place] != Joined::Played {
                    assert_eq!(pitches_in(place, packets), told(&room), "{}", what());
                }
                assert!(packets.len() <= 26, "{} packets: {}", packets.len(), what());
            }
        }
        for (place, (phone, _)) in room.phones.iter().enumerate() {
            let packets: Vec<Packet> = room
                .world
                .heard_at(phone.address)
                .into_iter()
                .filter(|packet| !(72..=76).contains(&packet.payload_type))
                .collect();
            for pair in packets.windows(2) {
                let forward = pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 1 << 31;
                let follows = pair[1].sequence == pair[0].sequence.wrapping_add(1);
                assert!(follows && forward && pair[1].ssrc == pair[0].ssrc, "seed {seed}, leg {}", place + 1);
            }
            assert!(!packets.is_empty());
        }
        assert!(!room.world.facts.iter().any(|fact| matches!(fact, Fact::Crashed { .. })));
        for number in 1..=6 {
            room.world.order(Order::Unbridge { leg: leg(number) });
        }
        room.world.run_for(Duration::from_millis(40));
        let next = room.world.plane.poll_timeout().expect("reports and watches");
        assert_eq!(next.why, "leg", "nothing is made for nobody");
    }
}

#[test]
fn whatever_one_party_sends_the_others_hear_each_other() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut room = Room::new();
    room.world.order(Order::Mix { legs: (1..=6).map(leg).collect() });
    (room.joined, room.mixed) = (vec![Joined::Mixed; 6], (0..6).collect());
    room.talk(20);
    for _ in 0..200 {
        let (phone, _) = &room.phones[2];
        let (address, server) = (phone.address, phone.server);
        for _ in 0..random.random_range(0..20) {
            let mut payload = vec![0; random.random_range(0..1400)];
            random.fill_bytes(&mut payload);
            let payload_type = if random.random_bool(0.8) { 9 } else { 101 };
            let ssrc = if random.random_bool(0.9) { 3 } else { random.random() };
            let bytes = packet(payload_type, random.random(), random.random(), ssrc, &payload);
            room.world.deliver_to(address, server, &bytes);
        }
        room.talk(1);
    }
    // what it said may be heard, and nothing of it after it has left
    room.world.order(Order::Close { leg: leg(3) });
    room.mixed.remove(&2);
    room.joined[2] = Joined::Alone;
    let heard = room.talk(30);
    for place in [0, 1, 3, 4, 5] {
        assert_eq!(pitches_in(place, &heard[place]), room.heard_by(place), "{place}");
    }
    assert!(!room.world.facts.iter().any(|fact| matches!(fact, Fact::Crashed { .. })));
}
