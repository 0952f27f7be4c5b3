//! How trunks stand: their flows, registrations, and whether they answer.

use std::net::IpAddr;

use sip::{FlowEnds, FlowId, OutboundRegister, Owner, RegistrationId, Transport};
use timing::{Deadline, Duration, Instant};

use crate::fact::Fact;
use crate::flows::Way;
use crate::switch::{Switch, Timer};
use crate::trunk::{Identify, Plan, Source, TrunkId, TrunkStatus, owner_of};

/// How long a refused registration waits before it is tried again.
const REGISTER_AGAIN: Duration = Duration::from_secs(30);
/// Questions in a row without an answer after which another server, or another connection, is tried.
const MOST_SILENT: u8 = 3;
/// How soon a trunk that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

impl Switch {
    /// Says what there is outside, before the first flow is opened.
    pub fn set_plan(&mut self, plan: Plan) {
        for trunk in &plan.trunks {
            self.trunks.standing.entry(trunk.id).or_default();
        }
        self.trunks.plan = plan;
        self.tell_trunks();
    }

    /// A flow to a trunk is there, in place of one that there may have been. Its ends are known, also by WebSocket.
    pub fn open_trunk(
        &mut self,
        trunk: TrunkId,
        flow: FlowId,
        transport: Transport,
        ends: FlowEnds,
        now: Instant,
    ) {
        self.ua.open_flow(flow, transport, owner_of(trunk), now);
        let remote = Some(ends.remote.ip().to_canonical());
        let client = ends.remote.to_string();
        self.ua.set_ends(flow, ends);
        let (source, identity) = (remote, None);
        let way = Way { transport, remote, source, client, identity, proven: true, is_old: false };
        self.ways.insert(flow, way);
        self.trunks.set_line(trunk, flow);
        self.trunk_is_back(trunk, flow, now);
        self.register_at(trunk, now);
        self.ask_trunk(trunk, now);
        self.settle(now);
    }

    /// Where the peers of a trunk are, for one that is known by its address. Who speaks to us from there already is
    /// the trunk's from now on, and who speaks from elsewhere is so no longer.
    pub fn set_trunk_addresses(&mut self, trunk: TrunkId, addresses: Vec<IpAddr>, now: Instant) {
        let addresses: Vec<IpAddr> = addresses.into_iter().map(|address| address.to_canonical()).collect();
        self.trunks.standing.entry(trunk).or_default().addresses = addresses.clone();
        let Some(settings) = self.trunks.plan.trunk(trunk) else { return };
        if !matches!(settings.identify, Identify::Address { .. }) {
            return;
        }
        let mut changed = Vec::new();
        for (flow, way) in &self.ways {
            let is_its = self.trunks.visitors.get(flow) == Some(&trunk);
            let Some(remote) = self.ua.remote(*flow).filter(|_| is_its || !way.is_known()) else { continue };
            let source = Source { transport: way.transport, remote, certificate: None };
            if settings.is_from(&source, &addresses) != is_its {
                changed.push((*flow, !is_its));
            }
        }
        for (flow, is_its) in changed {
            let owner = if is_its { owner_of(trunk) } else { Owner::Unproved };
            self.ua.set_owner(flow, owner);
            if let Some(way) = self.ways.get_mut(&flow) {
                way.proven = is_its;
            }
            if is_its {
                self.trunks.visitors.insert(flow, trunk);
                self.trunk_is_back(trunk, flow, now);
            } else {
                self.trunks.visitors.remove(&flow);
            }
        }
        self.settle(now);
    }

    /// Whether calls can be sent to that trunk.
    pub fn trunk_status(&self, trunk: TrunkId) -> TrunkStatus {
        self.trunks.status(trunk)
    }

    /// How many calls that trunk carries.
    pub fn calls_on_trunk(&self, trunk: TrunkId) -> usize {
        self.trunks.standing.get(&trunk).map_or(0, |standing| standing.meter.running())
    }

    /// The trunk at the other end of a flow.
    pub(crate) fn trunk_on(&self, flow: FlowId) -> Option<TrunkId> {
        self.trunks.on(flow)
    }

    pub(crate) fn trunk_flow_closed(&mut self, flow: FlowId) {
        if let Some(trunk) = self.trunks.close(flow) {
            self.timers.cancel(&Timer::Trunk(trunk));
        }
    }

    /// Registers where the trunk wants that, unless a registration is kept up already.
    fn register_at(&mut self, trunk: TrunkId, now: Instant) {
        let Some(settings) = self.trunks.plan.trunk(trunk) else { return };
        let (Some(registers), Some(flow)) = (settings.registers.clone(), self.trunks.flow(trunk)) else {
            return;
        };
        let wish = OutboundRegister {
            flow,
            user: registers.user,
            domain: settings.domain.clone(),
            name: None,
            expires: registers.expires,
            credentials: settings.credentials.clone(),
            instance: None,
        };
        let id = self.ua.register(wish, now);
        self.trunks.registrations.insert(id, trunk);
        if let Some(standing) = self.trunks.standing.get_mut(&trunk) {
            standing.registration = Some(id);
        }
    }

    pub(crate) fn trunk_registered(&mut self, id: RegistrationId) {
        let Some(trunk) = self.trunks.registrations.get(&id) else { return };
        if let Some(standing) = self.trunks.standing.get_mut(trunk).filter(|it| it.registration == Some(id)) {
            (standing.registered, standing.refused_at) = (true, None);
        }
    }

    pub(crate) fn trunk_registration_failed(
        &mut self,
        id: RegistrationId,
        status: Option<u16>,
        now: Instant,
    ) {
        let Some(trunk) = self.trunks.registrations.remove(&id) else { return };
        let Some(standing) = self.trunks.standing.get_mut(&trunk).filter(|it| it.registration == Some(id))
        else {
            return;
        };
        (standing.registration, standing.registered) = (None, false);
        if standing.line.is_none() {
            return;
        }
        standing.refused_at = Some(now);
        self.facts.push_back(Fact::TrunkRefusedUs { trunk, status });
        if status.is_none() {
            // nothing came back: this server, or this connection, is of no use
            return self.give_up_line(trunk);
        }
        self.timers.set(Timer::Trunk(trunk), Deadline::new(now + REGISTER_AGAIN, "registration tried again"));
    }

    /// Asks a trunk whether it is there, and registers where that has failed.
    pub(crate) fn ask_trunk(&mut self, trunk: TrunkId, now: Instant) {
        let Some(settings) = self.trunks.plan.trunk(trunk) else { return };
        let (ping_every, target) = (settings.ping_every, format!("sip:{}", settings.domain));
        let needs_registration = settings.registers.is_some();
        let Some(standing) = self.trunks.standing.get_mut(&trunk) else { return };
        let Some(line) = standing.line else { return };
        if needs_registration && standing.registration.is_none() {
            self.register_at(trunk, now);
        }
        if let Some(every) = ping_every {
            let id = self.ua.ping(line.flow, &target, now);
            self.trunks.pings.insert(id, trunk);
            self.timers.set(Timer::Trunk(trunk), Deadline::new(now + every, "the next question to a trunk"));
        }
    }

    /// What a trunk says to the question whether it is there: whatever it says, it is.
    pub(crate) fn trunk_answers(&mut self, id: sip::RequestId, status: Option<u16>, now: Instant) {
        let Some(trunk) = self.trunks.pings.remove(&id) else { return };
        let Some(standing) = self.trunks.standing.get_mut(&trunk).filter(|it| it.line.is_some()) else {
            return;
        };
        // 408 and 503 are said by whoever stands in front of a server that is not there
        if !matches!(status, None | Some(408 | 503)) {
            (standing.silent, standing.heard) = (0, true);
            return;
        }
        standing.silent = standing.silent.saturating_add(1);
        if standing.silent >= MOST_SILENT && status.is_none() {
            return self.give_up_line(trunk);
        }
        self.timers.set(Timer::Trunk(trunk), Deadline::new(now + ASK_AGAIN, "the question to a trunk again"));
    }

    /// The shell is to try another server or connection.
    fn give_up_line(&mut self, trunk: TrunkId) {
        if let Some(flow) = self.trunks.flow(trunk) {
            self.facts.push_back(Fact::TrunkSilent { trunk, flow });
        }
    }

    /// Tells which trunks stand otherwise than was told.
    pub(crate) fn tell_trunks(&mut self) {
        let ids: Vec<TrunkId> = self.trunks.standing.keys().copied().collect();
        for trunk in ids {
            let status = self.trunks.status(trunk);
            let Some(standing) = self.trunks.standing.get_mut(&trunk) else { continue };
            if standing.told.replace(status) != Some(status) {
                self.facts.push_back(Fact::TrunkChanged { trunk, status });
            }
        }
    }
}
