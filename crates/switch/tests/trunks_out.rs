//! Calls to the outside: by which trunk, by which next, and for whom.

mod outside;

use model::{CallClass, EndCause};
use outside::{ONE, TWO, asked, causes, not_let_out, plan, site, trunk};
use switch::{CallDirection, Limited, Limits, NotLet, Rights};
use timing::Duration;

#[test]
fn a_phone_and_somebody_outside_hear_each_other() {
    let mut world = site(plan());
    world.sip_phone_dials("desk-alice", "01 44 50 99 99".replace(' ', "").as_str());
    world.run_until(|world| world.sip_phone_rings("one"));
    world.sip_phone_answers("one");
    world.run_until(|world| world.hears("desk-alice", "one") && world.hears("one", "desk-alice"));
    let sip::Event::Invite(invite) = world.sip_phone("one").events[0].clone() else { panic!("an INVITE") };
    assert_eq!(invite.request_uri, "sip:+33144509999@carrier1.example");
    assert_eq!((invite.from_user.as_str(), invite.from_host.as_str()), ("+33144500211", "carrier1.example"));
    assert_eq!(invite.max_forwards, 69, "one hop was taken");
    assert_eq!(world.switch.calls_on_trunk(ONE), 1);

    let dialog = world.sip_phone("one").dialogs()[0];
    world.sip_phone_hangs_up("one", dialog);
    world.run_for(Duration::from_secs(1));
    assert!(world.sip_phone("desk-alice").dialogs().is_empty());
    assert_eq!(world.switch.calls_on_trunk(ONE), 0);
    let records = world.records();
    assert!(records[0].callee.outside && !records[0].caller.outside);
    assert_eq!((records[0].callee.number.as_str(), records[0].cause), ("+33144509999", EndCause::Normal));
    let facts = world.phone_facts("alice");
    assert_eq!(
        (facts[0].other_number.as_str(), facts[0].direction),
        ("+33144509999", CallDirection::Outgoing)
    );
}

#[test]
fn a_click_rings_ones_own_phone_and_then_the_outside() {
    let mut world = site(plan());
    let (user, destination) = (world.user("alice"), "0144509999".parse().unwrap());
    world.command(switch::Command::Dial { user, destination, variables: Default::default() }).unwrap();
    world.run_until(|world| world.sip_phone_rings("one"));
    world.sip_phone_answers("one");
    world.run_until(|world| world.hears("desk-alice", "one") && world.hears("one", "desk-alice"));
}

#[test]
fn a_trunk_that_fails_is_followed_by_the_next_one() {
    for status in [500, 503, 408, 407] {
        let mut world = site(plan());
        world.sip_phone("one").refuses = Some((status, Vec::new()));
        world.sip_phone_dials("desk-alice", "0144509999");
        world.run_until(|world| world.sip_phone_rings("two"));
        world.sip_phone_answers("two");
        world.run_until(|world| world.hears("desk-alice", "two"));
        assert_eq!(asked(&mut world, "one"), ["+33144509999"], "{status}");
        assert_eq!((world.switch.calls_on_trunk(ONE), world.switch.calls_on_trunk(TWO)), (0, 1));
    }
}

#[test]
fn what_is_said_of_the_callee_counts() {
    for (status, cause) in [
        (404, EndCause::UnknownNumber),
        (486, EndCause::Busy),
        (480, EndCause::Unavailable),
        (603, EndCause::Declined),
        (600, EndCause::Busy),
        (403, EndCause::Forbidden),
    ] {
        let mut world = site(plan());
        world.sip_phone("one").refuses = Some((status, Vec::new()));
        world.sip_phone_dials("desk-alice", "0144509999");
        world.run_for(Duration::from_secs(1));
        assert_eq!(causes(&world), [cause], "{status}");
        assert!(asked(&mut world, "two").is_empty(), "{status}");
    }
}

#[test]
fn a_trunk_that_says_nothing_is_given_up_within_seconds() {
    let mut world = site(plan());
    world.sip_phone("one").is_deaf = true;
    world.sip_phone_dials("desk-alice", "0144509999");
    let began = world.now;
    world.run_until(|world| world.sip_phone_rings("two"));
    assert!(world.now.since(began) < Duration::from_secs(6), "{:?}", world.now.since(began));
    world.sip_phone_answers("two");
    world.run_until(|world| world.hears("desk-alice", "two"));
}

#[test]
fn a_trunk_that_is_lost_while_it_rings_is_followed_by_the_next_one() {
    let mut world = site(plan());
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
    world.disconnects("one");
    world.run_until(|world| world.sip_phone_rings("two"));
    world.disconnects("two");
    world.run_for(Duration::from_secs(1));
    assert_eq!(causes(&world), [EndCause::Unavailable]);
}

#[test]
fn a_call_goes_on_when_its_trunk_is_connected_anew() {
    let mut world = site(plan());
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
    world.sip_phone_answers("one");
    world.run_until(|world| world.hears("desk-alice", "one"));
    world.disconnects("one");
    world.run_for(Duration::from_secs(20));
    assert!(world.hears("desk-alice", "one") && world.hears("one", "desk-alice"), "sound has its own way");
    world.connects(ONE, "one", 11);
    world.run_for(Duration::from_secs(90));
    assert!(world.hears("desk-alice", "one"));
    let dialog = world.sip_phone("one").dialogs()[0];
    world.sip_phone_hangs_up("one", dialog);
    world.run_for(Duration::from_secs(1));
    assert_eq!(causes(&world), [EndCause::Normal]);
}

#[test]
fn a_full_trunk_is_passed_over_and_full_trunks_refuse() {
    let mut plan = plan();
    for trunk in &mut plan.trunks {
        trunk.limits = Limits { at_once: Some(1), ..Limits::default() };
    }
    let mut world = site(plan);
    world.sip_phone_dials("desk-alice", "0144509999");
    world.sip_phone_dials("desk-bruno", "0144508888");
    world.run_until(|world| world.sip_phone_rings("one") && world.sip_phone_rings("two"));
    world.plugs_in_sip_phone("carla", 3);
    world.sip_phone_dials("desk-carla", "0144507777");
    world.run_for(Duration::from_secs(1));
    assert_eq!(causes(&world), [EndCause::Overloaded]);
    assert_eq!(world.sip_phone("desk-carla").refusals(), [Some(503)]);
}

#[test]
fn leave_is_by_class_and_each_user() {
    let mut plan = plan();
    let all = Rights::to(CallClass::ALL);
    plan.rights_of.insert(model::UserId(2), all);
    let mut world = site(plan);
    for number in ["00442071234567", "+442071234567", "+44 (20) 7123.4567"] {
        world.sip_phone_dials("desk-alice", &number.replace([' ', '.', '(', ')'], ""));
        world.run_for(Duration::from_secs(1));
    }
    assert!(asked(&mut world, "two").is_empty());
    assert_eq!(world.sip_phone("desk-alice").refusals(), [Some(403); 3]);
    assert_eq!(not_let_out(&world), [NotLet::NoLeave; 3]);
    world.sip_phone_dials("desk-bruno", "00442071234567");
    world.run_until(|world| world.sip_phone_rings("two"));
    // what no route leads to does not exist
    world.sip_phone_dials("desk-alice", "0049301234567");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.sip_phone("desk-alice").refusals()[3], Some(404));
}

#[test]
fn who_calls_too_much_is_stopped_and_inside_calls_are_not() {
    let mut plan = plan();
    plan.limits = Limits { at_once: Some(1), per_minute: Some(2), per_day: None };
    let mut world = site(plan);
    world.sip_phone("one").refuses = Some((486, Vec::new()));
    for _ in 0..5 {
        world.sip_phone_dials("desk-alice", "0144509999");
        world.run_for(Duration::from_secs(1));
    }
    assert_eq!(asked(&mut world, "one").len(), 2);
    assert_eq!(not_let_out(&world), [NotLet::Limited(Limited::TooFast); 3]);
    world.sip_phone_dials("desk-alice", "1002");
    world.run_until(|world| world.sip_phone_rings("desk-bruno"));
    let dialog = world.sip_phone("desk-alice").dialogs()[0];
    world.sip_phone_hangs_up("desk-alice", dialog);

    world.run_for(Duration::from_secs(60));
    world.sip_phone("one").refuses = None;
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
    world.sip_phone_dials("desk-alice", "0144508888");
    world.run_for(Duration::from_secs(1));
    assert_eq!(not_let_out(&world).last(), Some(&NotLet::Limited(Limited::AtOnce)));
}

#[test]
fn help_is_called_whatever_stands_in_the_way() {
    let mut plan = plan();
    plan.rights = Rights::to([]);
    plan.limits = Limits { at_once: Some(0), per_minute: Some(0), per_day: Some(0) };
    for trunk in &mut plan.trunks {
        trunk.limits = Limits { at_once: Some(0), ..Limits::default() };
    }
    let mut world = site(plan);
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.sip_phone("desk-alice").refusals(), [Some(403)]);
    world.sip_phone("one").is_deaf = true;
    world.sip_phone_dials("desk-alice", "112");
    world.run_until(|world| world.sip_phone_rings("two"));
    assert_eq!(asked(&mut world, "two"), ["112"]);
    // and a third and fourth call of that line
    world.sip_phone_dials("desk-alice", "112");
    world.sip_phone_dials("desk-alice", "112");
    world.run_until(|world| {
        world.facts.iter().filter(|fact| matches!(fact, switch::Fact::CallBegan(_))).count() == 3
    });
}

#[test]
fn help_is_sought_by_every_trunk() {
    for status in [403, 404, 480, 484, 488, 501, 603] {
        let mut world = site(plan());
        world.sip_phone("one").refuses = Some((status, Vec::new()));
        world.sip_phone_dials("desk-alice", "112");
        world.run_until(|world| world.sip_phone_rings("two"));
        world.sip_phone_answers("two");
        world.run_until(|world| world.hears("desk-alice", "two"));
        assert_eq!(asked(&mut world, "one"), ["112"], "{status}");
    }
}

#[test]
fn a_call_lasts_no_longer_than_its_route_says() {
    let mut plan = plan();
    plan.routes[0].longest = Some(Duration::from_secs(60));
    let mut world = site(plan);
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_for(Duration::from_secs(10));
    world.sip_phone_answers("one");
    world.run_for(Duration::from_secs(59));
    assert!(world.hears("one", "desk-alice"));
    world.run_for(Duration::from_secs(2));
    assert_eq!(causes(&world), [EndCause::TimeLimit]);
    assert!(world.sip_phone("one").dialogs().is_empty());
}

#[test]
fn a_transferred_call_counts_and_ends_as_before() {
    let mut plan = plan();
    plan.routes[0].longest = Some(Duration::from_secs(60));
    plan.limits = Limits { at_once: Some(1), ..Limits::default() };
    let mut world = site(plan);
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
    world.sip_phone_answers("one");
    world.run_for(Duration::from_secs(20));
    let (user, destination) = (world.user("alice"), "1002".parse().unwrap());
    world.command(switch::Command::DirectTransfer { user, destination }).unwrap();
    world.run_until(|world| world.sip_phone_rings("desk-bruno"));
    world.sip_phone_answers("desk-bruno");
    world.run_until(|world| world.hears("desk-bruno", "one") && world.hears("one", "desk-bruno"));
    assert_eq!(world.switch.calls_on_trunk(ONE), 1);
    world.sip_phone_dials("desk-alice", "0144508888");
    world.run_for(Duration::from_secs(1));
    assert_eq!(not_let_out(&world), [NotLet::Limited(Limited::AtOnce)], "alice still pays for the first one");
    world.run_for(Duration::from_secs(36));
    assert!(world.hears("desk-bruno", "one"));
    world.run_for(Duration::from_secs(5));
    assert_eq!(causes(&world).last(), Some(&EndCause::TimeLimit));
    assert!(world.sip_phone("one").dialogs().is_empty());
    assert_eq!(world.switch.calls_on_trunk(ONE), 0);
    world.sip_phone_dials("desk-alice", "0144508888");
    world.run_until(|world| world.sip_phone_rings("one"));
}

#[test]
fn who_hides_is_hidden() {
    let mut plan = plan();
    plan.trunks[0].trusted = true;
    let mut world = site(plan);
    world.sip_phone_dials("desk-alice", "*31%230144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
    let sip::Event::Invite(invite) = world.sip_phone("one").events[0].clone() else { panic!("an INVITE") };
    assert_eq!((invite.from_user.as_str(), invite.from_host.as_str()), ("anonymous", "anonymous.invalid"));
    assert_eq!(invite.header("Privacy"), Some("id"));
    let asserted = "<sip:+33144500211@carrier1.example>";
    assert_eq!(invite.header("P-Asserted-Identity"), Some(asserted), "the trusted carrier knows");
    assert_eq!(invite.request_user, "+33144509999");
}

#[test]
fn a_redirection_passes_the_checks_of_a_dialled_number() {
    let moved =
        |number: &str| Some((302, vec![("Contact".to_owned(), format!("<sip:{number}@evil.example>"))]));
    let mut world = site(plan());
    world.sip_phone("one").refuses = moved("+442071234567");
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_for(Duration::from_secs(1));
    assert!(asked(&mut world, "two").is_empty());
    assert_eq!(not_let_out(&world), [NotLet::NoLeave]);
    assert_eq!(world.sip_phone("desk-alice").refusals().len(), 1);

    world.sip_phone("one").refuses = moved("1002");
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_until(|world| world.sip_phone_rings("desk-bruno"));
    let dialog = world.sip_phone("desk-alice").dialogs()[0];
    world.sip_phone_hangs_up("desk-alice", dialog);

    // in a circle, three times
    world.sip_phone("one").refuses = moved("+33144509999");
    let before = asked(&mut world, "one").len();
    world.sip_phone_dials("desk-alice", "0144509999");
    world.run_for(Duration::from_secs(1));
    assert_eq!(asked(&mut world, "one").len() - before, 4);
    assert!(world.sip_phone("desk-alice").dialogs().is_empty());
}

#[test]
fn a_phone_that_redirects_pays_for_it_itself() {
    let mut plan = plan();
    plan.rights_of.insert(model::UserId(1), Rights::to(CallClass::ALL));
    let mut world = site(plan);
    let contact = "<sip:00442071234567@default>".to_owned();
    world.sip_phone("desk-bruno").refuses = Some((302, vec![("Contact".to_owned(), contact)]));
    world.sip_phone_dials("desk-alice", "1002");
    world.run_for(Duration::from_secs(1));
    assert!(asked(&mut world, "two").is_empty(), "alice may, but it is bruno who sends her there");
    assert_eq!(not_let_out(&world), [NotLet::NoLeave]);
}

#[test]
fn a_number_is_written_as_the_trunk_wants_it() {
    let mut plan = plan();
    plan.trunks[0].format = switch::NumberFormat::National;
    (plan.routes[0].strip, plan.routes[0].prepend) = (1, "9".into());
    let mut world = site(plan);
    world.sip_phone_dials("desk-alice", "+33144509999");
    world.run_until(|world| world.sip_phone_rings("one"));
    assert_eq!(asked(&mut world, "one"), ["9144509999"]);
    assert_eq!(trunk(ONE).name, "carrier 1");
}

#[test]
fn a_phone_that_hides_itself_is_let_in_by_its_password_and_hidden_outside() {
    let mut world = site(plan());
    world.sip_phone("desk-alice").calls_as = "anonymous@anonymous.invalid".into();
    let privacy = vec![("Privacy".to_owned(), "id".to_owned())];
    let credentials = Some(testkit::credentials("desk-alice"));
    world.sip_phone_invites("desk-alice", "0144509999", credentials.clone(), privacy, true);
    world.run_until(|world| world.sip_phone_rings("one"));
    let invite =
        world.sip_phone("one").mail.iter().rfind(|text| text.starts_with("INVITE ")).cloned().unwrap();
    assert!(invite.contains("anonymous@anonymous.invalid") && invite.contains("Privacy: id"), "{invite}");
    assert!(!invite.contains("+33144500211"), "{invite}");
    world.sip_phone_invites("desk-alice", "0144509999", credentials, Vec::new(), true);
    world.run_for(Duration::from_secs(1));
    assert_eq!(
        world.sip_phone("desk-alice").refusals(),
        [Some(403)],
        "an empty name alone is no wish to hide"
    );
}
