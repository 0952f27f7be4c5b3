//! Desk phones: SIP by UDP with a password of their own, and plain RTP.

use sip::Event;
use softphone::Command as PhoneCommand;
use testkit::World;
use timing::Duration;

fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    world.opens_page("bruno");
    world
}

#[test]
fn a_desk_phone_and_a_page_hear_each_other() {
    let mut world = office();
    let desk = world.plugs_in_sip_phone("alice", 1);
    let dialog = world.sip_phone_dials(&desk, "1002");
    world.run_until(|world| world.state("bruno").is_some());
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("bruno", "desk-alice") && world.hears("desk-alice", "bruno"));
    world.sip_phone_hangs_up(&desk, dialog);
    world.run_until(|world| world.state("bruno").is_none());
    assert_eq!(world.records().len(), 1);

    world.dials("bruno", "1001");
    world.run_until(|world| world.sip_phone_rings("desk-alice"));
    world.sip_phone_answers(&desk);
    world.run_until(|world| world.hears("bruno", "desk-alice") && world.hears("desk-alice", "bruno"));
    world.acts("bruno", |call| PhoneCommand::HangUp { call });
    world.run_for(Duration::from_secs(1));
    assert!(world.sip_phone(&desk).dialogs().is_empty());
}

#[test]
fn two_desk_phones_hear_each_other_and_the_echo() {
    let mut world = office();
    let (alice, carla) = (world.plugs_in_sip_phone("alice", 1), world.plugs_in_sip_phone("carla", 2));
    world.sip_phone(&carla).picks_up = true;
    world.sip_phone_dials(&alice, "1003");
    world.run_until(|world| {
        world.hears("desk-alice", "desk-carla") && world.hears("desk-carla", "desk-alice")
    });
    let dialog = world.sip_phone(&alice).dialogs()[0];
    world.sip_phone_hangs_up(&alice, dialog);
    world.sip_phone_dials(&alice, "*55");
    world.run_until(|world| world.hears("desk-alice", "desk-alice"));
}

#[test]
fn a_page_and_a_desk_phone_of_one_line_ring_both() {
    let mut world = office();
    world.opens_page("alice");
    let desk = world.plugs_in_sip_phone("alice", 1);
    world.dials("bruno", "1001");
    world.run_until(|world| world.sip_phone_rings("desk-alice") && world.state("alice").is_some());
    world.sip_phone_answers(&desk);
    world.run_until(|world| world.hears("bruno", "desk-alice"));
    assert_eq!(world.state("alice"), None, "the page has stopped ringing");
}

#[test]
fn without_the_password_nothing_is_to_be_had() {
    let mut world = office();
    let refused = world.tries_to_register("desk-alice", 1, "guessed");
    assert!(matches!(refused, Event::RegistrationFailed { status: Some(403), .. }), "{refused:?}");
    let unknown = world.tries_to_register("nobody", 2, "guessed");
    assert!(matches!(unknown, Event::RegistrationFailed { status: Some(403), .. }), "{unknown:?}");
    let page = world.tries_to_register("acc-alice", 3, "minted");
    assert!(matches!(page, Event::RegistrationFailed { status: Some(403), .. }), "no page's name: {page:?}");
    world.sip_phone_invites("nobody", "1002", None, Vec::new(), true);
    assert_eq!(world.sip_phone("nobody").refusals(), [Some(401)]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.state("bruno"), None, "nothing rings");
}

#[test]
fn a_guesser_is_stopped_and_the_real_phone_is_not() {
    let mut world = office();
    world.plugs_in_sip_phone("alice", 1);
    let real = world.sip_phone("desk-alice").agent.held();
    for number in 10..30 {
        world.tries_to_register("desk-carla", number, "guessed");
    }
    let right = world.tries_to_register("desk-carla", 40, "minted");
    assert!(matches!(right, Event::RegistrationFailed { status: Some(503), .. }), "{right:?}");
    world.run_for(Duration::from_secs(61));
    let right = world.tries_to_register("desk-carla", 41, "minted");
    assert!(matches!(right, Event::Registered { .. }), "{right:?}");
    assert_eq!(real.0, 0);
    let dialog = world.sip_phone_dials("desk-alice", "1002");
    world.run_until(|world| world.state("bruno").is_some());
    world.sip_phone_hangs_up("desk-alice", dialog);
}

#[test]
fn a_phone_that_was_taken_away_rings_no_more() {
    let mut world = office();
    world.plugs_in_sip_phone("alice", 1);
    let mut world = world.without_devices();
    world.dials("bruno", "1001");
    world.run_for(Duration::from_secs(1));
    assert!(!world.sip_phone_rings("desk-alice"));
    world.sip_phone_dials("desk-alice", "1002");
    assert_eq!(world.sip_phone("desk-alice").refusals(), [Some(403)]);
}

#[test]
fn a_phone_with_another_password_than_before_is_turned_out() {
    let mut world = office();
    world.plugs_in_sip_phone("alice", 1);
    let mut world = world.with_new_passwords("changed");
    world.dials("bruno", "1001");
    world.run_for(Duration::from_secs(1));
    assert!(!world.sip_phone_rings("desk-alice"), "whoever has it knows the old password alone");
}

#[test]
fn what_was_said_on_one_flow_proves_nothing_on_another() {
    let mut world = office();
    let captured = world.captures_registration("alice", 1);
    // word for word, from elsewhere
    let answer = world.replays(&captured, 2);
    assert!(answer.starts_with("SIP/2.0 401 ") && !answer.contains("stale=true"), "{answer}");
}

#[test]
fn a_phone_behind_nat_that_changes_its_network_is_heard_again() {
    let mut world = office();
    let desk = world.plugs_in_sip_phone("alice", 1);
    world.sip_phone(&desk).is_behind_nat = true;
    let dialog = world.sip_phone_dials(&desk, "*55");
    world.run_until(|world| world.hears("desk-alice", "desk-alice"));
    world.sip_phone_moves(&desk, 9);
    world.sip_phone_reoffers(&desk, dialog, "sendrecv");
    world.run_for(Duration::from_secs(1));
    assert!(world.hears("desk-alice", "desk-alice"));
    world.run_for(Duration::from_secs(200));
    assert!(world.hears("desk-alice", "desk-alice"));
}

#[test]
fn a_phone_whose_address_changed_unnoticed_proves_itself_in_its_call() {
    let mut world = office();
    let desk = world.plugs_in_sip_phone("alice", 1);
    world.sip_phone(&desk).is_behind_nat = true;
    let dialog = world.sip_phone_dials(&desk, "*55");
    world.run_until(|world| world.hears("desk-alice", "desk-alice"));
    world.sip_phone_is_moved(&desk, 9);
    world.sip_phone_reoffers(&desk, dialog, "sendrecv");
    world.run_for(Duration::from_secs(1));
    assert!(world.hears("desk-alice", "desk-alice"));
    world.sip_phone_is_moved(&desk, 10);
    world.sip_phone_hangs_up(&desk, dialog);
    assert_eq!(world.switch.calls(), 0);
}

#[test]
fn who_has_overheard_a_call_has_no_say_in_it() {
    let mut world = office();
    let desk = world.plugs_in_sip_phone("alice", 1);
    let dialog = world.sip_phone_dials(&desk, "*55");
    world.run_until(|world| world.hears("desk-alice", "desk-alice"));
    let info = world.sip_phone(&desk).agent.dialog(dialog).unwrap().clone();
    for (number, method) in ["REFER", "BYE", "INFO", "UPDATE", "INVITE", "OPTIONS"].into_iter().enumerate() {
        let said = format!(
            "{method} sip:hotdesk@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.1.66:5060;branch=z9hG4bKx{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{desk}@default>;tag={}\r\nTo: <sip:*55@default>;tag={}\r\n\
             Call-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:{desk}@127.0.1.66:5060>\r\nRefer-To: <sip:1002@default>\r\n\
             Content-Length: 0\r\n\r\n",
            info.local_tag,
            info.remote_tag.as_ref().unwrap(),
            info.sip_call_id,
            900 + number,
        );
        let answer = world.replays(said.as_bytes(), 66);
        assert!(answer.starts_with("SIP/2.0 401 "), "{method}: {answer}");
        world.run_for(Duration::from_secs(1));
        assert!(world.hears("desk-alice", "desk-alice"), "{method}");
    }
    world.sip_phone_hangs_up(&desk, dialog);
    assert_eq!(world.switch.calls(), 0);
}
