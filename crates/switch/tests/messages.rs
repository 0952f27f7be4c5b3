//! Text messages between phones.

use testkit::World;
use timing::Duration;

/// Carla has two phones, alice one; what they write and get is in a story's hands.
fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    world.plugs_in("alice's", 9, "alice");
    world.plugs_in("carla's", 10, "carla");
    world.plugs_in("carla's other", 11, "carla");
    world
}

fn got(world: &mut World, phone: &str) -> Vec<(String, String)> {
    world.desk_phone(phone).messages.clone()
}

fn writes(world: &mut World, phone: &str, from: &str, to: &str) -> Option<u16> {
    world.desk_phone_writes(phone, from, to, "back at two");
    world.desk_phone_was_told(phone)
}

#[test]
fn a_message_reaches_all_phones_of_a_line_in_its_senders_name() {
    let mut world = office();
    assert_eq!(writes(&mut world, "alice's", "acc-alice", "1003"), Some(200));
    let expected = [("\"alice\" <sip:1001@default>".to_owned(), "back at two".to_owned())];
    assert_eq!(got(&mut world, "carla's"), expected);
    assert_eq!(got(&mut world, "carla's other"), expected);
    assert!(got(&mut world, "alice's").is_empty());
    assert_eq!(writes(&mut world, "carla's", "1003", "1003"), Some(200), "to the other phone of one's own");
    assert_eq!((got(&mut world, "carla's").len(), got(&mut world, "carla's other").len()), (1, 2));
}

#[test]
fn one_phone_that_takes_it_is_enough() {
    let mut world = office();
    world.desk_phone("carla's").answers_messages_with = Some(405);
    assert_eq!(writes(&mut world, "alice's", "acc-alice", "1003"), Some(200));
    world.desk_phone("carla's").answers_messages_with = None;
    assert_eq!(writes(&mut world, "alice's", "acc-alice", "1003"), Some(200), "at once");
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.desk_phone_was_told("alice's"), Some(200), "and once");
}

#[test]
fn when_no_phone_takes_it_the_sender_is_told_why() {
    for (one, other, told) in [
        (Some(415), Some(415), 415),
        (Some(415), Some(500), 415),
        (Some(401), Some(503), 480),
        (Some(405), None, 405),
        (None, Some(603), 603),
        (None, None, 480),
    ] {
        let mut world = office();
        world.desk_phone("carla's").answers_messages_with = one;
        world.desk_phone("carla's other").answers_messages_with = other;
        let at_once = writes(&mut world, "alice's", "acc-alice", "1003");
        assert_eq!(at_once.is_some(), one.is_some() && other.is_some(), "{one:?} {other:?}");
        world.run_for(Duration::from_secs(33));
        assert_eq!(world.desk_phone_was_told("alice's"), Some(told), "{one:?} {other:?}");
    }
}

#[test]
fn nobody_writes_in_anothers_name_or_to_what_is_no_phone() {
    let mut world = office();
    assert_eq!(writes(&mut world, "alice's", "acc-carla", "1003"), Some(403));
    assert_eq!(writes(&mut world, "alice's", "1003", "1003"), Some(403));
    for to in ["4711", "*55", "acc-carla", "0033144500210", "not%20a%20number"] {
        assert_eq!(writes(&mut world, "alice's", "acc-alice", to), Some(404), "{to}");
    }
    assert_eq!(writes(&mut world, "alice's", "acc-alice", "1002"), Some(480), "bruno has no phone");
    assert!(got(&mut world, "carla's").is_empty());
}

#[test]
fn a_long_message_goes_where_it_arrives_whole() {
    let mut world = office();
    world.plugs_in_sip_phone("bruno", 12);
    let long = "x".repeat(901);
    world.desk_phone_writes("alice's", "acc-alice", "1003", &long);
    assert_eq!(world.desk_phone_was_told("alice's"), Some(200));
    assert_eq!(got(&mut world, "carla's")[0].1, long);
    world.desk_phone_writes("alice's", "acc-alice", "1002", &long);
    assert_eq!(world.desk_phone_was_told("alice's"), Some(513), "by UDP alone");
    assert_eq!(writes(&mut world, "alice's", "acc-alice", "1002"), Some(405), "what that phone itself says");
}

#[test]
fn who_writes_faster_than_phones_answer_is_slowed_down() {
    let mut world = office();
    world.desk_phone("carla's").answers_messages_with = None;
    world.desk_phone("carla's other").answers_messages_with = None;
    for _ in 0..20 {
        assert_eq!(writes(&mut world, "alice's", "acc-alice", "1003"), None);
    }
    assert_eq!(writes(&mut world, "alice's", "acc-alice", "1003"), Some(503));
    world.run_for(Duration::from_secs(33));
    assert_eq!(writes(&mut world, "alice's", "acc-alice", "1003"), None, "there is room again");
}
