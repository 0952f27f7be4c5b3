use std::collections::BTreeMap;

use sip::FlowId;
use timing::{Duration, Instant};

/// One registered contact of a line (RFC 3261 §10.3), bound to the flow it came over (RFC 5626).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub flow: FlowId,
    pub contact: String,
    pub instance: Option<String>,
    /// The Call-ID of the registration, the same for all refreshes of one running phone.
    pub call_id: String,
    pub cseq: u32,
    /// As the phone was told.
    pub expires_at: Instant,
    /// The device that registered, unless it was a page.
    pub device: Option<String>,
}

/// The location service: which phones can be reached on which flow.
#[derive(Debug, Default)]
pub(crate) struct Registrar {
    bindings: BTreeMap<String, Vec<Binding>>,
}

/// The shortest and the longest time a registration is granted.
pub(crate) const SHORTEST: Duration = Duration::from_secs(10);
pub(crate) const LONGEST: Duration = Duration::from_secs(600);
/// Granted where the phone names no time; `xc_webrtc` expects it.
pub(crate) const USUAL: Duration = Duration::from_secs(60);
/// How much longer than told a binding is kept. Browsers run the timers of a hidden page once a minute, so that
/// its renewal comes late; a page that is gone for good takes its binding with its flow, at once.
const GRACE: Duration = Duration::from_secs(75);
/// A line with more phones than this is a fault or an attack.
const MOST_BINDINGS: usize = 10;

/// What a REGISTER did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A phone that was not known.
    New,
    /// A known phone, on another flow.
    Moved,
    /// A known phone, on the flow it was on.
    Refreshed,
}

/// What tells one running phone from another: its `+sip.instance` (RFC 5626 §4.1), or else the Call-ID that all
/// REGISTERs of one run share (RFC 3261 §10.2). A page that is loaded anew is another phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phone {
    pub instance: Option<String>,
    pub call_id: String,
}

impl Phone {
    pub fn is(&self, other: &Phone) -> bool {
        self.call_id == other.call_id || (self.instance.is_some() && self.instance == other.instance)
    }
}

impl Binding {
    pub fn phone(&self) -> Phone {
        Phone { instance: self.instance.clone(), call_id: self.call_id.clone() }
    }

    fn kept_until(&self) -> Instant {
        self.expires_at + GRACE
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindError {
    /// An older REGISTER came after a newer one.
    OutOfOrder,
    /// The line has too many phones.
    TooMany,
}

/// Which REGISTER asks for changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub flow: FlowId,
    pub call_id: String,
    pub cseq: u32,
    /// The device that asks, unless it is a page.
    pub device: Option<String>,
}

/// One change that a REGISTER asks for. It reaches no further than its own flow: each phone speaks for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Binds a contact, in the place of an earlier binding of the same phone, registration or flow.
    Bind { contact: String, instance: Option<String>, expires_at: Instant },
    /// Takes a contact away.
    Unbind(String),
    /// Takes every contact away.
    Clear,
}

impl Registrar {
    /// Makes all these changes, or none (RFC 3261 §10.3, step 7); says what the last binding was, if any.
    pub fn update(
        &mut self,
        account: &str,
        by: &Source,
        changes: Vec<Change>,
    ) -> Result<Option<Bound>, BindError> {
        let mut bindings = self.bindings(account).to_vec();
        if bindings.iter().any(|old| old.call_id == by.call_id && old.cseq > by.cseq) {
            return Err(BindError::OutOfOrder);
        }
        let mut bound = None;
        for change in changes {
            match change {
                Change::Bind { contact, instance, expires_at } => {
                    let Source { flow, call_id, cseq, device } = by.clone();
                    let binding = Binding { flow, contact, instance, call_id, cseq, expires_at, device };
                    bound = Some(bind(&mut bindings, binding)?);
                }
                Change::Unbind(contact) => {
                    bindings.retain(|old| old.flow != by.flow || !sip::same_uri(&old.contact, &contact));
                }
                Change::Clear => bindings.retain(|old| old.flow != by.flow),
            }
        }
        self.bindings.insert(account.to_owned(), bindings);
        Ok(bound)
    }

    /// Whether a phone can be reached on this flow.
    pub fn is_bound(&self, flow: FlowId) -> bool {
        self.bindings.values().flatten().any(|binding| binding.flow == flow)
    }

    /// Takes away what came over a flow that is gone; gives the accounts that lost a binding.
    pub fn close_flow(&mut self, flow: FlowId) -> Vec<String> {
        self.take_away(|_, binding| binding.flow == flow)
    }

    /// Whether that phone is registered, over whatever flow.
    pub fn has(&self, account: &str, phone: &Phone) -> bool {
        self.bindings(account).iter().any(|binding| binding.phone().is(phone))
    }

    /// Takes away what has expired; gives the accounts that lost a binding.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        self.take_away(|_, binding| binding.kept_until() <= now)
    }

    /// Takes away all bindings of which this is true; gives the accounts that lost one.
    pub fn take_away(&mut self, gone: impl Fn(&str, &Binding) -> bool) -> Vec<String> {
        let mut changed = Vec::new();
        for (account, bindings) in &mut self.bindings {
            let before = bindings.len();
            bindings.retain(|binding| !gone(account, binding));
            if bindings.len() != before {
                changed.push(account.clone());
            }
        }
        changed
    }

    pub fn bindings(&self, account: &str) -> &[Binding] {
        self.bindings.get(account).map_or(&[], Vec::as_slice)
    }

    pub fn next_expiry(&self) -> Option<Instant> {
        self.bindings.values().flatten().map(Binding::kept_until).min()
    }
}

fn bind(bindings: &mut Vec<Binding>, binding: Binding) -> Result<Bound, BindError> {
    let (flow, phone) = (binding.flow, binding.phone());
    let device = binding.device.clone();
    // a page has its connection to itself; behind an address there may be several devices
    let is_same = |old: &Binding| (old.flow == flow && old.device == device) || old.phone().is(&phone);
    let Some(place) = bindings.iter().position(is_same) else {
        if bindings.len() >= MOST_BINDINGS {
            return Err(BindError::TooMany);
        }
        bindings.push(binding);
        return Ok(Bound::New);
    };
    let bound = if bindings[place].flow == flow { Bound::Refreshed } else { Bound::Moved };
    bindings[place] = binding;
    let mut at = 0;
    bindings.retain(|other| {
        at += 1;
        at - 1 == place || !is_same(other)
    });
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(flow: u64, call_id: &str, cseq: u32) -> Source {
        Source { flow: FlowId(flow), call_id: call_id.into(), cseq, device: None }
    }

    fn bind(contact: &str, instance: Option<&str>) -> Change {
        let expires_at = Instant::ORIGIN + Duration::from_secs(60);
        Change::Bind { contact: contact.into(), instance: instance.map(str::to_owned), expires_at }
    }

    fn unbind(contact: &str) -> Change {
        Change::Unbind(contact.into())
    }

    fn contacts(registrar: &Registrar) -> Vec<&str> {
        registrar.bindings("a").iter().map(|binding| binding.contact.as_str()).collect()
    }

    #[test]
    fn a_phone_that_comes_back_replaces_itself_and_another_phone_joins() {
        let mut registrar = Registrar::default();
        for (flow, call_id, cseq, instance, bound) in [
            (1, "boot-1", 1, "urn:1", Bound::New),
            (2, "boot-2", 1, "urn:1", Bound::Moved),
            (3, "boot-3", 1, "urn:2", Bound::New),
            (2, "boot-2", 2, "urn:1", Bound::Refreshed),
        ] {
            let changes = vec![bind("sip:x@a.invalid", Some(instance))];
            assert_eq!(registrar.update("a", &source(flow, call_id, cseq), changes), Ok(Some(bound)));
        }
        let flows: Vec<_> = registrar.bindings("a").iter().map(|b| b.flow.0).collect();
        assert_eq!(flows, [2, 3]);
    }

    #[test]
    fn an_older_register_undoes_nothing_of_a_newer_one() {
        let mut registrar = Registrar::default();
        registrar.update("a", &source(1, "boot", 5), vec![bind("sip:x@a.invalid", None)]).unwrap();
        for change in [bind("sip:y@a.invalid", None), unbind("sip:x@a.invalid"), Change::Clear] {
            let outcome = registrar.update("a", &source(1, "boot", 4), vec![change]);
            assert_eq!(outcome, Err(BindError::OutOfOrder));
        }
        assert_eq!(contacts(&registrar), ["sip:x@a.invalid"]);
    }

    #[test]
    fn a_contact_is_exchanged_for_another_in_either_order() {
        let (old, new) = ("sip:old@a.invalid", "sip:new@a.invalid");
        for changes in [vec![bind(new, None), unbind(old)], vec![unbind(old), bind(new, None)]] {
            let mut registrar = Registrar::default();
            registrar.update("a", &source(1, "boot", 1), vec![bind(old, None)]).unwrap();
            registrar.update("a", &source(1, "boot", 2), changes).unwrap();
            assert_eq!(contacts(&registrar), [new]);
        }
    }

    #[test]
    fn a_contact_is_taken_away_by_its_own_phone_only_and_however_it_is_written() {
        let mut registrar = Registrar::default();
        registrar.update("a", &source(1, "x", 1), vec![bind("sip:x@a.invalid;transport=ws", None)]).unwrap();
        registrar.update("a", &source(2, "y", 1), vec![unbind("sip:x@a.invalid;transport=ws")]).unwrap();
        registrar.update("a", &source(2, "y", 1), vec![Change::Clear]).unwrap();
        registrar.update("a", &source(1, "x", 2), vec![unbind("sip:y@a.invalid;transport=ws")]).unwrap();
        assert_eq!(contacts(&registrar).len(), 1);
        registrar.update("a", &source(1, "x", 3), vec![unbind("sip:x@A.invalid;transport=ws")]).unwrap();
        assert_eq!(contacts(&registrar).len(), 0);
    }

    #[test]
    fn bindings_end_with_their_flow_and_some_time_after_their_own() {
        let mut registrar = Registrar::default();
        registrar.update("a", &source(1, "x", 1), vec![bind("sip:x@a.invalid", None)]).unwrap();
        registrar.update("a", &source(2, "y", 1), vec![bind("sip:y@a.invalid", None)]).unwrap();
        registrar.close_flow(FlowId(1));
        assert_eq!(contacts(&registrar), ["sip:y@a.invalid"]);
        let told = Instant::ORIGIN + Duration::from_secs(60);
        assert!(registrar.expire(told + Duration::from_secs(74)).is_empty(), "a hidden page renews late");
        assert_eq!(registrar.next_expiry(), Some(told + Duration::from_secs(75)));
        assert_eq!(registrar.expire(told + Duration::from_secs(75)), ["a"]);
        assert!(contacts(&registrar).is_empty());
    }

    #[test]
    fn the_eleventh_phone_of_a_line_is_refused_and_changes_nothing() {
        let mut registrar = Registrar::default();
        for n in 0..10 {
            let changes = vec![bind(&format!("sip:{n}@a.invalid"), None)];
            registrar.update("a", &source(n, &n.to_string(), 1), changes).unwrap();
        }
        let changes = vec![unbind("sip:z@a.invalid"), bind("sip:z@a.invalid", None)];
        assert_eq!(registrar.update("a", &source(99, "z", 1), changes), Err(BindError::TooMany));
        assert_eq!(contacts(&registrar).len(), 10);
    }
}
