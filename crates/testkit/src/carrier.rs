//! The other end of a trunk.

use std::net::SocketAddr;

use sip::digest::{Challenger, Ha1};
use sip::{DialogId, FlowEnds, Owner, RegisterRequest, Transport, UserAgent};
use switch::TrunkId;
use timing::Instant;

use crate::sip_phone::SipPhone;
use crate::world::World;

/// What a carrier asks of who registers.
pub(crate) struct Registrar {
    challenger: Challenger,
    realm: String,
    user: String,
    password: String,
    /// How often somebody has registered with the right password.
    pub accepted: usize,
}

impl SipPhone {
    /// Takes the registrations of this user, whose password it asks for in the name of `realm`.
    pub fn takes_registrations(&mut self, user: &str, password: &str, realm: &str) {
        self.registrar = Some(Registrar {
            challenger: Challenger::new([5; 32]),
            realm: realm.into(),
            user: user.into(),
            password: password.into(),
            accepted: 0,
        });
    }

    /// How often somebody has registered.
    pub fn registrations(&self) -> usize {
        self.registrar.as_ref().map_or(0, |registrar| registrar.accepted)
    }

    pub(crate) fn registered(&mut self, request: RegisterRequest, now: Instant) {
        let Some(registrar) = &mut self.registrar else {
            return self.agent.respond(request.request, 403, Vec::new(), b"", now);
        };
        let ha1 = Ha1::new(&registrar.user, &registrar.realm, &registrar.password);
        let proven = request.authorization.as_ref().is_some_and(|proof| {
            let challenger = &mut registrar.challenger;
            challenger.verify(proof, "REGISTER", &request.request_uri, &ha1, now).is_ok()
        });
        if proven {
            registrar.accepted += 1;
            let headers =
                request.contacts.iter().map(|contact| ("Contact".to_owned(), format!("<{}>", contact.uri)));
            let expires = ("Expires".to_owned(), "60".to_owned());
            let headers = headers.chain([expires]).collect();
            return self.agent.respond(request.request, 200, headers, b"", now);
        }
        let challenges = registrar.challenger.challenge(&registrar.realm, false, now);
        let headers = challenges.into_iter().map(|value| ("WWW-Authenticate".to_owned(), value)).collect();
        self.agent.respond(request.request, 401, headers, b"", now);
    }
}

/// What the carriers of a story do. They are phones with many numbers: what a phone does they do too.
impl World {
    /// The shell connects a trunk to a carrier of that name.
    pub fn connects(&mut self, trunk: TrunkId, name: &str, number: u8) {
        let flow = self.next_flow_id();
        let remote = SocketAddr::from(([127, 0, 1, number], 5060));
        let mut carrier = self.sip_phones.remove(name).unwrap_or_else(|| {
            let agent = UserAgent::new(sip::Config {
                user_agent: "carrier".into(),
                contact_host: remote.to_string(),
                transport: Transport::Udp,
                seed: [number; 32],
                server: true,
            });
            SipPhone::with(agent, name, number, flow, self.now)
        });
        carrier.agent.open_flow(flow, Transport::Udp, Owner::Unproved, self.now);
        if carrier.flow != flow {
            for dialog in carrier.dialogs() {
                carrier.agent.rebind(dialog, flow);
            }
        }
        carrier.flow = flow;
        self.sip_phones.insert(name.to_owned(), carrier);
        let ends = FlowEnds { local: "127.0.0.1:5060".into(), remote };
        self.switch.open_trunk(trunk, flow, Transport::Udp, ends, self.now);
        self.exchange();
    }

    /// The flow to a carrier is gone.
    pub fn disconnects(&mut self, name: &str) {
        let (flow, now) = (self.sip_phone(name).flow, self.now);
        self.switch.close_flow(flow, now);
        self.exchange();
    }

    /// A carrier brings a call from a number to a number, with these headers.
    pub fn carrier_brings(&mut self, name: &str, from: &str, to: &str, headers: &[(&str, &str)]) -> DialogId {
        self.sip_phone(name).calls_as = from.to_owned();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.sip_phone_invites(name, to, None, headers, true)
    }
}
