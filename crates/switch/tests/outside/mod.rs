//! A site with two carriers and three desk phones.
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]
#![allow(dead_code, reason = "each story uses its part of this")]

use std::collections::BTreeMap;

use media::{Codec, Sdes};
use model::{CallClass, EndCause};
use sip::Transport;
use switch::{
    CallerIds, Did, DtmfMode, Fact, Identify, Limits, NotLet, NumberFormat, Numbering, Pattern, Plan, Rights,
    Route, Trunk, TrunkId,
};
use testkit::World;

pub const ONE: TrunkId = TrunkId(1);
pub const TWO: TrunkId = TrunkId(2);

pub fn trunk(id: TrunkId) -> Trunk {
    Trunk {
        id,
        name: format!("carrier {id}"),
        domain: format!("carrier{id}.example"),
        registers: None,
        credentials: None,
        identify: Identify::Address { transport: Transport::Udp, port: None },
        trusted: false,
        limits: Limits::default(),
        codecs: vec![Codec::Pcmu],
        secure: Sdes::Never,
        dtmf: DtmfMode::Events,
        format: NumberFormat::E164,
        caller_ids: CallerIds { allowed: vec![Pattern::prefix("+3314450021")], ..CallerIds::default() },
        ping_every: None,
    }
}

/// All of France by both trunks, the first one first; Britain by the second.
pub fn plan() -> Plan {
    let route = |name: &str, prefix: &str, trunks: Vec<TrunkId>| Route {
        name: name.into(),
        patterns: vec![Pattern::prefix(prefix)],
        trunks,
        strip: 0,
        prepend: String::new(),
        longest: None,
        from: Vec::new(),
    };
    let did = |number: &str, rings: &str| (number.parse().unwrap(), Did::Internal(rings.parse().unwrap()));
    Plan {
        numbering: Numbering { mobile: vec![Pattern::prefix("+336")], ..Numbering::default() },
        trunks: vec![trunk(ONE), trunk(TWO)],
        routes: vec![route("France", "+33", vec![ONE, TWO]), route("Britain", "+44", vec![TWO])],
        dids: BTreeMap::from([
            did("+33144500211", "1001"),
            did("+33144500212", "1002"),
            did("+33144500219", "*55"),
        ]),
        rights: Rights::to([CallClass::Internal, CallClass::National, CallClass::Mobile]),
        ..Plan::default()
    }
}

/// With desk phones of alice and bruno, and both carriers connected.
pub fn site(plan: Plan) -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    world.switch.set_plan(plan);
    world.plugs_in_sip_phone("alice", 1);
    world.plugs_in_sip_phone("bruno", 2);
    world.connects(ONE, "one", 11);
    world.connects(TWO, "two", 12);
    world
}

/// The numbers that a carrier was asked to call, oldest first.
pub fn asked(world: &mut World, carrier: &str) -> Vec<String> {
    let events = &world.sip_phone(carrier).events;
    let number = |event: &sip::Event| match event {
        sip::Event::Invite(invite) => Some(invite.request_user.clone()),
        _ => None,
    };
    events.iter().filter_map(number).collect()
}

pub fn causes(world: &World) -> Vec<EndCause> {
    world.records().iter().map(|record| record.cause).collect()
}

pub fn not_let_out(world: &World) -> Vec<NotLet> {
    let why = |fact: &Fact| match fact {
        Fact::NotLetOut { why, .. } => Some(*why),
        _ => None,
    };
    world.facts.iter().filter_map(why).collect()
}
