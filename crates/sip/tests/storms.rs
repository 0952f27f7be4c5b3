//! Two servers with all their extensions, on a flow that loses, doubles and delays.

mod world;

use sip::{Event, OutboundInvite, Transport};
use timing::Duration;
use world::{ANSWER, End, Fate, OFFER, World, ends, invitation};

/// Numbers that a seed gives, always the same.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 + Clone {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    }
}

fn storm(mut dice: impl FnMut(u64) -> u64 + 'static) -> impl FnMut(End, &str) -> Fate + 'static {
    move |_, _| match dice(10) {
        0..=2 => Fate::IsLost,
        3 => Fate::ArrivesTwice,
        4 => Fate::TakesLong(Duration::from_millis(40 * dice(50))),
        _ => Fate::Arrives,
    }
}

#[test]
fn whatever_both_sides_wish_each_call_ends_once_and_leaves_nothing() {
    for seed in 1..=200 {
        let mut world = World::of_servers(Transport::Udp);
        let mut dice = dice(seed);
        world.weather(storm(dice.clone()));
        let sdp = if seed % 5 == 0 { String::new() } else { OFFER.to_owned() };
        let at_phone = world.phone.invite(OutboundInvite { sdp, ..invitation() }, world.now);
        let (mut phone, mut desk, mut at_desk) = (Vec::new(), Vec::new(), None);
        for _ in 0..20 {
            world.run(Duration::from_millis(100 * dice(40)));
            desk.extend(world.events(End::Desk));
            phone.extend(world.events(End::Phone));
            at_desk = at_desk.or_else(|| {
                desk.iter().find_map(|event| match event {
                    Event::Invite(invite) => Some(invite.dialog),
                    _ => None,
                })
            });
            let (now, Some(dialog)) = (world.now, at_desk) else { continue };
            match dice(14) {
                0 => world.desk.progress(dialog, 180, None, now),
                1 => world.desk.progress(dialog, 183, Some(ANSWER.into()), now),
                2 | 3 => drop(world.desk.answer(dialog, ANSWER.into(), now)),
                4 => drop(world.phone.reinvite(at_phone, OFFER.into(), vec![], now)),
                5 => drop(world.desk.reinvite(dialog, String::new(), vec![], now)),
                6 => world.desk.answer_offer(dialog, ANSWER.into(), now),
                7 => world.phone.answer_offer(at_phone, ANSWER.into(), now),
                8 => world.phone.ack(at_phone, ANSWER, now),
                9 => world.desk.ack(dialog, ANSWER, now),
                10 => drop(world.phone.update(at_phone, vec![], now)),
                11 => world.run(Duration::from_secs(400)),
                12 => world.desk.info(dialog, "application/dtmf", "5", now),
                _ if seed % 3 == 0 => world.desk.bye(dialog, None, now),
                _ => {}
            }
        }
        world.phone.bye(at_phone, None, world.now);
        world.run(Duration::from_secs(80));
        desk.extend(world.events(End::Desk));
        phone.extend(world.events(End::Phone));
        // the last BYE may have been lost eleven times; then only the application can know
        if let Some(dialog) = at_desk {
            world.desk.bye(dialog, None, world.now);
        }
        desk.extend(world.events(End::Desk));
        assert_eq!(phone.iter().filter(|e| ends(e)).count(), 1, "seed {seed}: {phone:?}");
        assert!(ends(phone.last().expect("an end")), "seed {seed}: {phone:?}");
        let ended = desk.iter().filter(|e| ends(e)).count();
        assert_eq!(ended, usize::from(at_desk.is_some()), "seed {seed}: {desk:?}");
        assert!(at_desk.is_none() || ends(desk.last().expect("an end")), "seed {seed}: {desk:?}");
        world.nothing_is_left();
    }
}

#[test]
fn early_media_and_its_answer_come_through_in_any_weather() {
    let mut answered = 0;
    for seed in 1..=60 {
        let mut world = World::of_servers(Transport::Udp);
        let at_phone = world.phone.invite(invitation(), world.now);
        world.settle();
        let Some(Event::Invite(invite)) = world.desk.poll_event() else { panic!("no call") };
        world.weather(storm(dice(seed)));
        world.desk.progress(invite.dialog, 183, Some(ANSWER.into()), world.now);
        world.desk.progress(invite.dialog, 180, None, world.now);
        world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
        world.run(Duration::from_secs(31));
        let told = world.events(End::Phone);
        let early = Event::Progress { dialog: at_phone, status: 183, sdp: Some(ANSWER.into()) };
        let answer = Event::Answered { dialog: at_phone, sdp: Some(ANSWER.into()) };
        let media = told.iter().position(|event| *event == early);
        if let Some(place) = told.iter().position(|event| *event == answer) {
            assert!(media.is_some_and(|media| media < place), "seed {seed}: {told:?}");
            answered += 1;
        }
        world.fair_weather();
        world.phone.bye(at_phone, None, world.now);
        world.nothing_is_left();
    }
    assert!(answered >= 55, "{answered}");
}
