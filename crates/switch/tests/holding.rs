//! Hold and resume, offers that come late, and keys.

use softphone::{CallState, Command as PhoneCommand};
use switch::{Command, Fact, PhoneAct, PhoneFactKind, Refusal};
use testkit::World;
use timing::Duration;

fn talking() -> (World, sip::DialogId) {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002");
    world.opens_page("bruno");
    world.plugs_in_sip_phone("alice", 1);
    let dialog = world.sip_phone_dials("desk-alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
    (world, dialog)
}

#[test]
fn a_desk_phone_holds_by_reinvite_and_the_other_party_hears_music() {
    for direction in ["sendonly", "inactive"] {
        let (mut world, dialog) = talking();
        world.sip_phone_reoffers("desk-alice", dialog, direction);
        world.run_until(|world| world.hears_a_sound("bruno"));
        world.run_for(Duration::from_secs(1));
        assert!(!world.hears("bruno", "desk-alice") && world.hears_nobody("desk-alice"), "{direction}");
        assert_eq!(world.told("alice").last(), Some(&PhoneFactKind::OnHold));
        world.sip_phone_reoffers("desk-alice", dialog, "sendrecv");
        world.run_until(|world| world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
        assert_eq!(world.told("alice").last(), Some(&PhoneFactKind::Established));
    }
}

#[test]
fn a_desk_phone_is_held_by_command_for_it_takes_none_itself() {
    let (mut world, _) = talking();
    let user = world.user("alice");
    let act = |act| Command::Phone { user, unique_id: None, act };
    world.command(act(PhoneAct::ToggleHold)).unwrap();
    world.run_until(|world| world.hears_a_sound("bruno"));
    world.run_for(Duration::from_secs(1));
    assert!(world.hears_nobody("desk-alice"));
    assert_eq!(world.told("alice").last(), Some(&PhoneFactKind::OnHold));
    world.command(act(PhoneAct::ToggleHold)).unwrap();
    world.run_until(|world| world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
    assert_eq!(world.command(act(PhoneAct::ToggleMicrophone)), Err(Refusal::PhoneCannot));
}

#[test]
fn a_page_is_asked_to_hold_also_while_its_connection_is_lost() {
    let (mut world, _) = talking();
    world.loses_socket("bruno");
    world.server_notices();
    let user = world.user("bruno");
    let act = PhoneAct::ToggleHold;
    world.command(Command::Phone { user, unique_id: None, act }).unwrap();
    let asked = |fact: &Fact| matches!(fact, Fact::PhoneAct { user: whose, act: PhoneAct::ToggleHold, .. } if *whose == user);
    assert!(world.facts.iter().any(asked), "the page does it itself, and shows it");
    assert_eq!(world.told("bruno").last(), Some(&PhoneFactKind::Established), "nothing is held yet");
}

#[test]
fn both_hold_and_one_resumes() {
    let (mut world, dialog) = talking();
    world.sip_phone_reoffers("desk-alice", dialog, "sendonly");
    world.acts("bruno", |call| PhoneCommand::Hold { call });
    world.run_for(Duration::from_secs(1));
    assert!(world.hears_nobody("bruno") && world.hears_nobody("desk-alice"));
    world.sip_phone_reoffers("desk-alice", dialog, "sendrecv");
    world.run_until(|world| world.hears_a_sound("desk-alice"));
    world.acts("bruno", |call| PhoneCommand::Resume { call });
    world.run_until(|world| world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
}

#[test]
fn a_caller_without_an_offer_gets_ours() {
    let (mut world, dialog) = talking();
    world.sip_phone_hangs_up("desk-alice", dialog);
    world.run_until(|world| world.state("bruno").is_none());
    let credentials = testkit::credentials("desk-alice");
    world.sip_phone_invites("desk-alice", "1002", Some(credentials), Vec::new(), false);
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    // Bruno's browser may have chosen another codec than the phone has
    world.run_until(|world| world.hears_a_sound("desk-alice") || world.hears("desk-alice", "bruno"));
    world.run_until(|world| world.hears_a_sound("bruno") || world.hears("bruno", "desk-alice"));
}

#[test]
fn a_reinvite_without_an_offer_gets_ours() {
    let (mut world, dialog) = talking();
    let now = world.now;
    let phone = world.sip_phone("desk-alice");
    phone.agent.reinvite(dialog, String::new(), Vec::new(), now).unwrap();
    world.run_for(Duration::from_secs(1));
    assert!(world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
    let phone = world.sip_phone("desk-alice");
    assert!(
        phone.events.iter().any(|event| matches!(event, sip::Event::OfferAnswered { .. })),
        "{:?}",
        phone.events
    );
}

#[test]
fn a_phone_that_holds_may_be_silent_for_as_long_as_it_answers() {
    for is_still_there in [true, false] {
        let (mut world, dialog) = talking();
        world.sip_phone_reoffers("desk-alice", dialog, "sendonly");
        world.run_until(|world| world.hears_a_sound("bruno"));
        world.sip_phone("desk-alice").is_mute = true;
        world.sip_phone("desk-alice").is_deaf = !is_still_there;
        world.run_for(Duration::from_secs(400));
        assert_eq!(world.state("bruno").is_some(), is_still_there, "it was asked {is_still_there}");
        if is_still_there {
            world.sip_phone("desk-alice").is_mute = false;
            world.sip_phone_reoffers("desk-alice", dialog, "sendrecv");
            world.run_until(|world| world.hears("desk-alice", "bruno") && world.hears("bruno", "desk-alice"));
        }
    }
}
