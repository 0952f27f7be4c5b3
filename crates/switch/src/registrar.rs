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
    pub expires_at: Instant,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindError {
    /// An older REGISTER came after a newer one.
    OutOfOrder,
    /// The line has too many phones.
    TooMany,
}

impl Registrar {
    /// Binds a contact, in the place of an earlier binding of the same phone, registration or flow.
    pub fn bind(&mut self, account: &str, binding: Binding) -> Result<Bound, BindError> {
        let bindings = self.bindings.entry(account.to_owned()).or_default();
        if bindings.iter().any(|old| old.call_id == binding.call_id && old.cseq > binding.cseq) {
            return Err(BindError::OutOfOrder);
        }
        let place =
            bindings.iter().position(|old| old.flow == binding.flow || old.phone().is(&binding.phone()));
        match place {
            Some(place) => {
                let phone = binding.phone();
                let flow = binding.flow;
                let bound = if bindings[place].flow == flow { Bound::Refreshed } else { Bound::Moved };
                bindings[place] = binding;
                let mut at = 0;
                bindings.retain(|other| {
                    at += 1;
                    at - 1 == place || !(other.flow == flow || other.phone().is(&phone))
                });
                Ok(bound)
            }
            None if bindings.len() >= MOST_BINDINGS => Err(BindError::TooMany),
            None => {
                bindings.push(binding);
                Ok(Bound::New)
            }
        }
    }

    /// Takes the bindings of `account` that came over `flow` away.
    pub fn unbind(&mut self, account: &str, flow: FlowId) {
        if let Some(bindings) = self.bindings.get_mut(account) {
            bindings.retain(|binding| binding.flow != flow);
        }
    }

    /// Whether a phone can be reached on this flow.
    pub fn is_bound(&self, flow: FlowId) -> bool {
        self.bindings.values().flatten().any(|binding| binding.flow == flow)
    }

    /// Takes away what came over a flow that is gone.
    pub fn close_flow(&mut self, flow: FlowId) {
        for bindings in self.bindings.values_mut() {
            bindings.retain(|binding| binding.flow != flow);
        }
    }

    /// Whether that phone is registered, over whatever flow.
    pub fn has(&self, account: &str, phone: &Phone) -> bool {
        self.bindings(account).iter().any(|binding| binding.phone().is(phone))
    }

    /// Takes away what has expired; gives the accounts that lost a binding.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        let mut changed = Vec::new();
        for (account, bindings) in &mut self.bindings {
            let before = bindings.len();
            bindings.retain(|binding| binding.expires_at > now);
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
        self.bindings.values().flatten().map(|binding| binding.expires_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(flow: u64, call_id: &str, cseq: u32, instance: Option<&str>) -> Binding {
        Binding {
            flow: FlowId(flow),
            contact: format!("sip:x@{flow}.invalid"),
            instance: instance.map(str::to_owned),
            call_id: call_id.into(),
            cseq,
            expires_at: Instant::ORIGIN + Duration::from_secs(60),
        }
    }

    #[test]
    fn a_phone_that_comes_back_replaces_itself_and_another_phone_joins() {
        let mut registrar = Registrar::default();
        assert_eq!(registrar.bind("a", binding(1, "boot-1", 1, Some("urn:1"))), Ok(Bound::New));
        assert_eq!(registrar.bind("a", binding(2, "boot-2", 1, Some("urn:1"))), Ok(Bound::Moved));
        assert_eq!(registrar.bind("a", binding(3, "boot-3", 1, Some("urn:2"))), Ok(Bound::New));
        assert_eq!(registrar.bind("a", binding(2, "boot-2", 2, Some("urn:1"))), Ok(Bound::Refreshed));
        let flows: Vec<_> = registrar.bindings("a").iter().map(|b| b.flow.0).collect();
        assert_eq!(flows, [2, 3]);
    }

    #[test]
    fn an_older_register_does_not_undo_a_newer_one() {
        let mut registrar = Registrar::default();
        registrar.bind("a", binding(1, "boot", 5, None)).unwrap();
        assert_eq!(registrar.bind("a", binding(1, "boot", 4, None)), Err(BindError::OutOfOrder));
    }

    #[test]
    fn bindings_end_with_their_flow_and_with_their_time() {
        let mut registrar = Registrar::default();
        registrar.bind("a", binding(1, "x", 1, None)).unwrap();
        registrar.bind("a", binding(2, "y", 1, None)).unwrap();
        registrar.close_flow(FlowId(1));
        assert_eq!(registrar.bindings("a").len(), 1);
        assert_eq!(registrar.expire(Instant::ORIGIN + Duration::from_secs(60)), ["a"]);
        assert!(registrar.bindings("a").is_empty());
    }

    #[test]
    fn the_eleventh_phone_of_a_line_is_refused() {
        let mut registrar = Registrar::default();
        for n in 0..10 {
            registrar.bind("a", binding(n, &n.to_string(), 1, None)).unwrap();
        }
        assert_eq!(registrar.bind("a", binding(99, "z", 1, None)), Err(BindError::TooMany));
    }
}
