//! What phones subscribe to: the lamps of other lines (RFC 4235) and waiting messages (RFC 3842).

use model::PhoneNumber;
use sip::{FlowId, SubscribeRequest, SubscriptionId, SubscriptionReason, SubscriptionState};
use timing::Instant;

use crate::fact::LineStatus;
use crate::proving::Proven;
use crate::switch::Switch;

/// The longest and the usual time of a subscription, in seconds.
const LONGEST: u32 = 3_600;
/// A phone with more lamps than this is a fault or an attack.
const MOST_OF_ONE_LINE: usize = 100;

/// What a phone is told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lamp {
    /// The line whose phone it is.
    owner: String,
    /// The device, unless it is a page.
    device: Option<String>,
    /// Where it asked from.
    flow: FlowId,
    about: About,
    /// Each document is later than the one before it.
    version: u64,
    /// What stands in the document as the watched one's address.
    entity: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    /// How the line of that account is.
    Line(String),
    /// Whether messages wait for the owner.
    Mailbox,
}

impl Switch {
    /// A phone wants to know.
    pub(crate) fn subscribe(&mut self, request: SubscribeRequest, now: Instant) {
        let (uri, proof) = (&request.request_uri, request.authorization.as_ref());
        let who = self.sender(request.flow, ("SUBSCRIBE", &request.sip_call_id), uri, proof, now);
        let Proven { account: owner, device, .. } = match who {
            Ok(proven) => proven,
            Err((status, headers)) => {
                return self.ua.respond(request.request, status, headers, b"", now);
            }
        };
        let Some(about) = self.about(&request, &owner) else {
            return self.ua.respond(request.request, 404, Vec::new(), b"", now);
        };
        self.put_out_forgotten(request.flow, device.as_ref(), &about, now);
        if self.lamps.values().filter(|lamp| lamp.owner == owner).count() >= MOST_OF_ONE_LINE {
            return self.ua.respond(request.request, 403, Vec::new(), b"", now);
        }
        let (flow, entity) = (request.flow, format!("sip:{}@{}", request.to_user, self.config.domain));
        let expires = request.expires.unwrap_or(LONGEST).min(LONGEST);
        let id = self.ua.accept_subscription(request.request, expires, now);
        self.lamps.insert(id, Lamp { owner, device, flow, about, version: 0, entity });
        self.light(id, now);
    }

    /// A phone that asks anew for what it is told already has been started anew, and knows nothing of its old lamp.
    fn put_out_forgotten(&mut self, flow: FlowId, device: Option<&String>, about: &About, now: Instant) {
        let is_old = |lamp: &Lamp| {
            device.is_some() && lamp.device.as_ref() == device && lamp.flow == flow && lamp.about == *about
        };
        let old = self.lamps.iter().filter(|(_, lamp)| is_old(lamp)).map(|(id, _)| *id);
        for id in old.collect::<Vec<_>>() {
            self.ua.end_subscription(id, SubscriptionReason::Rejected, now);
            self.lamps.remove(&id);
        }
    }

    /// Whom or what a subscription is about. A phone may call itself by its own name, and others by number.
    fn about(&self, request: &SubscribeRequest, owner: &str) -> Option<About> {
        if request.event == "message-summary" {
            return Some(About::Mailbox);
        }
        let by_number = |number: PhoneNumber| match self.directory.route(&number)? {
            crate::Destination::Line(account) => Some(account),
            _ => None,
        };
        let account = request.to_user.parse().ok().and_then(by_number);
        let own = request.to_user == owner
            || self.directory.device(&request.to_user).is_some_and(|device| device.account == owner);
        account.or_else(|| own.then(|| owner.to_owned())).map(About::Line)
    }

    /// Tells a phone the whole state of what it has subscribed to.
    pub(crate) fn light(&mut self, id: SubscriptionId, now: Instant) {
        let Some(lamp) = self.lamps.get_mut(&id) else { return };
        lamp.version += 1;
        let lamp = lamp.clone();
        let (content_type, body) = match &lamp.about {
            About::Mailbox => {
                let account = format!("Message-Account: {}\r\n", lamp.entity);
                let body = format!("Messages-Waiting: no\r\n{account}Voice-Message: 0/0 (0/0)\r\n");
                ("application/simple-message-summary", body)
            }
            About::Line(account) => {
                let status = self.status_of(account);
                ("application/dialog-info+xml", dialog_info(&lamp, status))
            }
        };
        self.ua.notify(id, SubscriptionState::Active, content_type, &body, now);
    }

    /// The status of a line has changed: its lamps show it.
    pub(crate) fn light_lamps_of(&mut self, account: &str, now: Instant) {
        let is_about = |lamp: &Lamp| matches!(&lamp.about, About::Line(watched) if watched == account);
        let lamps = self.lamps.iter().filter(|(_, lamp)| is_about(lamp)).map(|(id, _)| *id);
        for id in lamps.collect::<Vec<_>>() {
            self.light(id, now);
        }
    }

    /// The subscriptions of devices of which this is true, given their line and name.
    pub(crate) fn lamps_of_devices(&self, is_meant: impl Fn(&str, &str) -> bool) -> Vec<SubscriptionId> {
        let lamps = self
            .lamps
            .iter()
            .filter(|(_, lamp)| lamp.device.as_ref().is_some_and(|device| is_meant(&lamp.owner, device)));
        lamps.map(|(id, _)| *id).collect()
    }

    /// Ends the subscriptions of devices that may know nothing any more.
    pub(crate) fn put_out_strange_lamps(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.strange_lamps) {
            self.ua.end_subscription(id, SubscriptionReason::Rejected, now);
        }
    }

    pub(crate) fn lamp_is_out(&mut self, id: SubscriptionId) {
        self.lamps.remove(&id);
    }
}

/// A full document with one dialog, or none where the line has none (RFC 4235 §4.1).
fn dialog_info(lamp: &Lamp, status: LineStatus) -> String {
    let state = match status {
        LineStatus::Ringing => Some("early"),
        LineStatus::Calling | LineStatus::CallingAndRinging | LineStatus::OnHold => Some("confirmed"),
        LineStatus::Available | LineStatus::Unavailable => None,
    };
    let (entity, version) = (escaped(&lamp.entity), lamp.version);
    let dialog =
        state.map_or(String::new(), |state| format!("<dialog id=\"line\"><state>{state}</state></dialog>\n"));
    format!(
        "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"full\" entity=\"{entity}\">\n{dialog}</dialog-info>\n"
    )
}

/// Text inside an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
