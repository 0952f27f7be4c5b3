//! One party leaves and the others go on: blind and attended, by CTI and by REFER.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use model::EndCause;
use sip::DialogId;
use softphone::{CallState, Command as PhoneCommand};
use switch::{Command, PhoneFactKind, Refusal};
use testkit::World;
use timing::Duration;

/// Alice talks to Bruno; they and Carla have pages.
fn talking() -> World {
    let mut world =
        World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003").line("dave", "1004");
    world.opens_page("alice");
    world.opens_page("bruno");
    world.opens_page("carla");
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
    world
}

fn direct(world: &mut World, name: &str, number: &str) -> Result<(), Refusal> {
    let user = world.user(name);
    world.command(Command::DirectTransfer { user, destination: number.parse().unwrap() })
}

fn consult(world: &mut World, name: &str, number: &str) {
    let user = world.user(name);
    world.command(Command::Consult { user, destination: number.parse().unwrap() }).unwrap();
}

/// Alice, who talks to Bruno, asks Carla something.
fn consulting() -> World {
    let mut world = talking();
    consult(&mut world, "alice", "1003");
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    world.acts("carla", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "carla") && world.hears("carla", "alice"));
    world
}

#[test]
fn a_blind_transfer_lets_the_other_party_go_on_with_somebody_else() {
    for who in ["alice", "bruno"] {
        let mut world = talking();
        let stays = if who == "alice" { "bruno" } else { "alice" };
        direct(&mut world, who, "1003").unwrap();
        world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
        world.run_until(|world| world.hears_a_sound(stays));
        assert_eq!(world.state(who), None, "{who} is out of it at once");
        world.acts("carla", |call| PhoneCommand::Answer { call });
        world.run_until(|world| world.hears(stays, "carla") && world.hears("carla", stays));
        world.run_for(Duration::from_millis(300));
        assert!(!world.hears(stays, who));
        let told = world.phone_facts(stays);
        let last = told.last().unwrap();
        assert_eq!((last.kind, last.other_number.as_str()), (PhoneFactKind::Established, "1003"));
        assert_eq!(last.linked_id, told[0].linked_id, "for the one who stays it is the same call");
        assert_eq!(world.records().len(), 1, "that of the first two");
    }
}

#[test]
fn a_transfer_to_nowhere_is_refused_and_the_call_goes_on() {
    let mut world = talking();
    assert_eq!(direct(&mut world, "alice", "4711"), Err(Refusal::UnknownNumber));
    world.run_for(Duration::from_secs(1));
    assert!(world.hears("alice", "bruno") && world.hears("bruno", "alice"));
}

#[test]
fn a_transfer_that_nobody_takes_comes_back() {
    let mut world = talking();
    direct(&mut world, "alice", "1003").unwrap();
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    world.acts("carla", |call| PhoneCommand::HangUp { call });
    world.run_until(|world| world.state("alice") == Some(CallState::Ringing));
    world.acts("alice", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
}

#[test]
fn a_transfer_that_is_declined_by_command_comes_back_too() {
    let mut world = talking();
    direct(&mut world, "alice", "1003").unwrap();
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    let user = world.user("carla");
    world.command(Command::HangUp { user, unique_id: None }).unwrap();
    world.run_until(|world| world.state("alice") == Some(CallState::Ringing));
    assert_eq!(world.state("carla"), None);
    world.acts("alice", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
}

#[test]
fn a_target_whose_phone_fails_gives_the_caller_back_too() {
    for status in [500, 487, 404, 480] {
        let mut world = talking();
        let desk = world.plugs_in_sip_phone("dave", 4);
        world.sip_phone(&desk).refuses = Some((status, Vec::new()));
        direct(&mut world, "alice", "1004").unwrap();
        world.run_until(|world| world.state("alice") == Some(CallState::Ringing));
        world.acts("alice", |call| PhoneCommand::Answer { call });
        world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
    }
}

#[test]
fn the_caller_hangs_up_while_the_target_rings() {
    let mut world = talking();
    direct(&mut world, "alice", "1003").unwrap();
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::HangUp { call });
    world.run_until(|world| world.state("carla").is_none());
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.state("alice"), None, "nobody is called back for a caller who is gone");
    assert_eq!(world.records().len(), 2);
}

#[test]
fn an_attended_transfer_joins_the_other_two() {
    let mut world = talking();
    consult(&mut world, "alice", "1003");
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    world.run_until(|world| world.hears_a_sound("bruno"));
    assert!(world.told("alice").contains(&PhoneFactKind::OnHold));
    world.acts("carla", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "carla") && world.hears("carla", "alice"));
    world.run_for(Duration::from_millis(300));
    assert!(!world.hears("bruno", "alice") && !world.hears("carla", "bruno"));

    let user = world.user("alice");
    world.command(Command::CompleteTransfer { user }).unwrap();
    world.run_until(|world| world.hears("bruno", "carla") && world.hears("carla", "bruno"));
    world.run_until(|world| world.state("alice").is_none());
    let released =
        world.told("alice").into_iter().filter(|kind| *kind == PhoneFactKind::Released(EndCause::Normal));
    assert_eq!(released.count(), 2);
    let told = world.phone_facts("bruno");
    assert_eq!(told.last().unwrap().other_number, "1003");
    assert_eq!(world.phone_facts("carla").last().unwrap().other_number, "1002");
    assert_eq!(world.records().len(), 2);
    world.acts("bruno", |call| PhoneCommand::HangUp { call });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.state("carla"), None);
    assert_eq!(world.records().len(), 3);
}

#[test]
fn one_consults_by_the_phone_that_one_talks_with() {
    let mut world = talking();
    // another phone of hers, which registers last and lies about
    let desk = world.plugs_in_sip_phone("alice", 1);
    consult(&mut world, "alice", "1003");
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    assert!(world.sip_phone_rests(&desk));
    assert_eq!(world.browser("alice").calls().len(), 2);
}

#[test]
fn a_consultation_that_is_cancelled_gives_the_first_party_back() {
    for answered in [false, true] {
        let mut world = talking();
        consult(&mut world, "alice", "1003");
        world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
        if answered {
            world.acts("carla", |call| PhoneCommand::Answer { call });
            world.run_until(|world| world.hears("alice", "carla"));
        }
        let user = world.user("alice");
        world.command(Command::CancelTransfer { user }).unwrap();
        world.run_for(Duration::from_secs(1));
        // the page took its part in the hold, and is asked to end it
        world.heeds_acts("alice");
        world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
        assert_eq!(world.state("carla"), None, "answered: {answered}");
    }
}

#[test]
fn a_transfer_may_be_completed_while_the_target_rings() {
    let mut world = talking();
    consult(&mut world, "alice", "1003");
    world.run_until(|world| world.state("carla") == Some(CallState::Ringing));
    let user = world.user("alice");
    world.command(Command::CompleteTransfer { user }).unwrap();
    world.run_until(|world| world.state("alice").is_none());
    assert_eq!(world.state("carla"), Some(CallState::Ringing));
    world.acts("carla", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("bruno", "carla") && world.hears("carla", "bruno"));
}

#[test]
fn completed_twice_it_is_completed_once() {
    let mut world = consulting();
    let user = world.user("alice");
    world.command(Command::CompleteTransfer { user }).unwrap();
    assert_eq!(world.command(Command::CompleteTransfer { user }), Err(Refusal::NoSuchCall));
    world.run_until(|world| world.hears("bruno", "carla"));
}

#[test]
fn the_target_hangs_up_as_the_transfer_is_completed() {
    let mut world = consulting();
    let call = world.browser("carla").calls()[0].id;
    world.at_once([("carla", PhoneCommand::HangUp { call })]);
    let user = world.user("alice");
    let _ = world.command(Command::CompleteTransfer { user });
    world.run_for(Duration::from_secs(2));
    // either Alice has Bruno back or the transfer ended with Carla; nobody is left alone on hold
    assert!(world.state("bruno").is_none() || world.state("alice").is_some());
}

#[test]
fn two_calls_become_one_conversation_of_three() {
    let mut world = consulting();
    let user = world.user("alice");
    world.command(Command::Merge { user }).unwrap();
    // what is mixed is no longer what was said, packet by packet
    world.run_until(|world| ["alice", "bruno", "carla"].iter().all(|name| world.hears_a_sound(name)));
    world.acts("carla", |call| PhoneCommand::HangUp { call });
    world.run_for(Duration::from_secs(1));
    world.heeds_acts("alice");
    world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
}

/// Carla calls Dave from one desk phone to another.
fn desk_phones_talking() -> (World, DialogId) {
    let mut world = talking();
    world.plugs_in_sip_phone("carla", 3);
    world.plugs_in_sip_phone("dave", 4);
    world.sip_phone("desk-dave").picks_up = true;
    let dialog = world.sip_phone_dials("desk-carla", "1004");
    world.run_until(|world| world.hears("desk-carla", "desk-dave") && world.hears("desk-dave", "desk-carla"));
    world.acts("alice", |call| PhoneCommand::HangUp { call });
    world.run_until(|world| world.state("bruno").is_none());
    (world, dialog)
}

/// How another phone would name a dialog of that one: its `Call-ID`, the other side's tag and its own.
fn names(world: &mut World, phone: &str, dialog: DialogId) -> [String; 3] {
    let info = world.sip_phone(phone).agent.dialog(dialog).unwrap().clone();
    [info.sip_call_id, info.remote_tag.unwrap(), info.local_tag]
}

#[test]
fn a_desk_phone_transfers_by_refer() {
    let (mut world, dialog) = desk_phones_talking();
    world.sip_phone_refers("desk-carla", dialog, "<sip:1002@default>");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("bruno", "desk-dave") && world.hears("desk-dave", "bruno"));
    assert!(world.sip_phone("desk-carla").dialogs().is_empty(), "it is out of the call");
}

/// Carla holds Dave and asks Bruno; her first dialog, and what refers to her second.
fn desk_phone_consulting() -> (World, DialogId, String) {
    let (mut world, first) = desk_phones_talking();
    world.sip_phone_reoffers("desk-carla", first, "sendonly");
    world.run_until(|world| world.hears_a_sound("desk-dave"));
    let second = world.sip_phone_dials("desk-carla", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("desk-carla", "bruno"));
    let [call_id, to_tag, from_tag] = names(&mut world, "desk-carla", second);
    let replaces = format!("{call_id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}");
    (world, first, format!("<sip:1002@default?Replaces={replaces}>"))
}

#[test]
fn who_is_held_does_not_join_the_calls_of_who_holds_him() {
    let (mut world, _, refer_to) = desk_phone_consulting();
    let held = world.sip_phone("desk-dave").dialogs()[0];
    world.sip_phone_refers("desk-dave", held, &refer_to);
    world.run_for(Duration::from_secs(1));
    assert!(world.hears("desk-carla", "bruno") && world.hears("bruno", "desk-carla"));
    assert!(!world.hears("bruno", "desk-dave") && world.hears_a_sound("desk-dave"));
}

#[test]
fn a_desk_phone_transfers_by_refer_with_replaces() {
    let (mut world, first, refer_to) = desk_phone_consulting();
    world.sip_phone_refers("desk-carla", first, &refer_to);
    world.run_until(|world| world.hears("bruno", "desk-dave") && world.hears("desk-dave", "bruno"));
    assert!(world.sip_phone("desk-carla").dialogs().is_empty());
}

#[test]
fn nobody_refers_with_the_calls_of_others_or_to_nowhere() {
    let (mut world, dialog) = desk_phones_talking();
    let desk = world.plugs_in_sip_phone("alice", 1);
    let others = world.sip_phone_dials(&desk, "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears(&desk, "bruno") && world.hears("bruno", &desk));
    // somebody has overheard what names the call of the other two
    let [call_id, to_tag, from_tag] = names(&mut world, &desk, others);
    let undisturbed = |world: &World, why: &str| {
        assert!(world.hears("desk-carla", "desk-dave") && world.hears("desk-dave", "desk-carla"), "{why}");
        assert!(world.hears(&desk, "bruno") && world.hears("bruno", &desk), "{why}");
    };
    for target in [
        "<sip:4711@default>".to_owned(),
        "<sip:x@evil.example>".to_owned(),
        format!("<sip:1002@default?Replaces={call_id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}>"),
        format!("<sip:1002@default?Replaces={call_id}%3Bto-tag%3D{from_tag}%3Bfrom-tag%3D{to_tag}>"),
    ] {
        world.sip_phone_refers("desk-carla", dialog, &target);
        world.run_for(Duration::from_secs(1));
        undisturbed(&world, &target);
    }
    for tags in
        [format!("to-tag={to_tag};from-tag={from_tag}"), format!("to-tag={from_tag};from-tag={to_tag}")]
    {
        let replaces = vec![("Replaces".to_owned(), format!("{call_id};{tags}"))];
        let credentials = Some(testkit::credentials("desk-carla"));
        world.sip_phone_invites("desk-carla", "1002", credentials, replaces, true);
        world.run_for(Duration::from_secs(1));
        let refused = world.sip_phone("desk-carla").refusals().last().copied().flatten();
        assert!(matches!(refused, Some(403 | 481)), "{tags}: {refused:?}");
        undisturbed(&world, &tags);
    }
}
