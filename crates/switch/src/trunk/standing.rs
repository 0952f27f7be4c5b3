use std::collections::BTreeMap;
use std::net::IpAddr;

use model::UserId;
use sip::{FlowId, Owner, RegistrationId, RequestId};
use timing::Instant;

use super::{Meter, Plan, Source, TrunkId, TrunkStatus};

/// The trunks, how they stand, and what was called.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    pub plan: Plan,
    pub standing: BTreeMap<TrunkId, Standing>,
    /// Flows that we have opened, each to one trunk.
    lines: BTreeMap<FlowId, TrunkId>,
    /// Flows by which a trunk's peer has come by itself.
    pub visitors: BTreeMap<FlowId, TrunkId>,
    pub registrations: BTreeMap<RegistrationId, TrunkId>,
    pub pings: BTreeMap<RequestId, TrunkId>,
    pub users: BTreeMap<UserId, Meter>,
    tickets: u64,
}

/// How one trunk stands.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub line: Option<Line>,
    pub told: Option<TrunkStatus>,
    /// Where its peers are.
    pub addresses: Vec<IpAddr>,
    pub meter: Meter,
    pub registration: Option<RegistrationId>,
    /// Whether a registration is in force.
    pub registered: bool,
    /// Since when, and how often in a row, it has not answered.
    pub silent: u8,
    /// Whether it was ever heard on this flow.
    pub heard: bool,
    pub refused_at: Option<Instant>,
}

/// The flow that we have opened to a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub flow: FlowId,
}

/// Who speaks in the dialogs of a trunk, by whatever flow of its.
pub(crate) fn owner_of(trunk: TrunkId) -> Owner {
    // a blank stands in no SIP account
    Owner::Account(format!("trunk {trunk}"))
}

impl Trunks {
    /// A number that nothing has counted under yet.
    pub fn new_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// The trunk that a flow of somebody who has proved nothing else comes from.
    pub fn of(&self, source: &Source<'_>) -> Option<TrunkId> {
        let known = self.plan.trunks.iter().find(|trunk| {
            let addresses = self.standing.get(&trunk.id).map(|standing| &standing.addresses[..]);
            trunk.is_from(source, addresses.unwrap_or_default())
        });
        known.map(|trunk| trunk.id)
    }

    /// The trunk at the other end of a flow.
    pub fn on(&self, flow: FlowId) -> Option<TrunkId> {
        self.lines.get(&flow).or_else(|| self.visitors.get(&flow)).copied()
    }

    /// Whether we have opened this flow to a trunk.
    pub fn is_line(&self, flow: FlowId) -> bool {
        self.lines.contains_key(&flow)
    }

    pub fn set_line(&mut self, trunk: TrunkId, flow: FlowId) -> Option<FlowId> {
        self.lines.insert(flow, trunk);
        let standing = self.standing.entry(trunk).or_default();
        let old = standing.line.replace(Line { flow });
        (standing.silent, standing.heard, standing.registered) = (0, false, false);
        old.map(|line| line.flow)
    }

    /// Forgets a flow; says whose line it was, unless that has another one already.
    pub fn close(&mut self, flow: FlowId) -> Option<TrunkId> {
        self.visitors.remove(&flow);
        let trunk = self.lines.remove(&flow)?;
        let standing = self.standing.get_mut(&trunk)?;
        let was_it = standing.line == Some(Line { flow });
        if was_it {
            standing.line = None;
            standing.registered = false;
        }
        was_it.then_some(trunk)
    }

    /// Whether calls can be sent there.
    pub fn status(&self, trunk: TrunkId) -> TrunkStatus {
        let (Some(settings), Some(standing)) = (self.plan.trunk(trunk), self.standing.get(&trunk)) else {
            return TrunkStatus::Unconnected;
        };
        if standing.line.is_none() {
            return TrunkStatus::Unconnected;
        }
        let asked = settings.ping_every.is_some();
        let awaits_registration = settings.registers.is_some() && !standing.registered;
        if standing.silent > 0 || awaits_registration && standing.refused_at.is_some() {
            TrunkStatus::Failing
        } else if awaits_registration || asked && !standing.heard {
            TrunkStatus::Connecting
        } else {
            TrunkStatus::Up
        }
    }

    /// The flow to a trunk.
    pub fn flow(&self, trunk: TrunkId) -> Option<FlowId> {
        self.standing.get(&trunk)?.line.map(|line| line.flow)
    }
}
