//! REGISTER: who may bind a contact to a line (RFC 3261 §10.3), and for how long.

use sip::RegisterRequest;
use timing::{Duration, Instant};

use crate::proving::{Proven, RefusedWith};
use crate::registrar::{BindError, Binding, Bound, Change, LONGEST, SHORTEST, Source, USUAL};
use crate::switch::Switch;

impl Switch {
    /// Answers a REGISTER (RFC 3261 §10.3): challenge, refuse, bind or take away.
    pub(crate) fn register(&mut self, request: RegisterRequest, now: Instant) {
        let (uri, proof) = (&request.request_uri, request.authorization.as_ref());
        let proven = match self.prove(request.flow, ("REGISTER", &request.sip_call_id), uri, proof, now) {
            Ok(proven) => proven,
            Err((status, headers)) => {
                return self.ua.respond(request.request, status, headers, b"", now);
            }
        };
        if request.aor_user != proven.name || request.from_user != proven.name {
            return self.ua.respond(request.request, 403, Vec::new(), b"", now);
        }
        let outcome = self.update_bindings(&proven, &request, now);
        self.touch(&proven.account);
        let (status, headers) = match &outcome {
            Ok(_) => (200, self.contacts_of(&proven.account, now)),
            Err(refusal) => refusal.clone(),
        };
        self.ua.respond(request.request, status, headers, b"", now);
        match outcome {
            Ok(Some(bound @ (Bound::New | Bound::Moved))) => {
                self.phone_is_there(&proven, request.flow, bound, now);
            }
            Ok(Some(Bound::Refreshed) | None) | Err(_) => {}
        }
    }

    /// What a REGISTER does to the bindings: all that it asks for, or nothing.
    ///
    /// # Errors
    /// The status and the headers of its refusal.
    fn update_bindings(
        &mut self,
        proven: &Proven,
        request: &RegisterRequest,
        now: Instant,
    ) -> Result<Option<Bound>, RefusedWith> {
        if request.wildcard {
            if request.expires != Some(0) || !request.contacts.is_empty() {
                return Err((400, Vec::new()));
            }
            return self.change_bindings(proven, request, vec![Change::Clear]);
        }
        let mut changes = Vec::new();
        for contact in &request.contacts {
            let asked = contact.expires.or(request.expires).map_or(USUAL, |s| Duration::from_secs(s.into()));
            if asked.is_zero() {
                changes.push(Change::Unbind(contact.uri.clone()));
                continue;
            }
            if asked < SHORTEST {
                return Err((423, vec![("Min-Expires".to_owned(), SHORTEST.as_secs().to_string())]));
            }
            changes.push(Change::Bind {
                contact: contact.uri.clone(),
                instance: contact.instance.clone(),
                expires_at: now + asked.min(LONGEST),
            });
        }
        self.change_bindings(proven, request, changes)
    }

    fn change_bindings(
        &mut self,
        proven: &Proven,
        request: &RegisterRequest,
        changes: Vec<Change>,
    ) -> Result<Option<Bound>, RefusedWith> {
        let Proven { account, device, .. } = proven.clone();
        let (flow, call_id, cseq) = (request.flow, request.sip_call_id.clone(), request.cseq);
        self.registrar.update(&account, &Source { flow, call_id, cseq, device }, changes).map_err(|error| {
            match error {
                BindError::OutOfOrder => (500, Vec::new()),
                BindError::TooMany => (403, Vec::new()),
            }
        })
    }

    fn contacts_of(&self, account: &str, now: Instant) -> Vec<(String, String)> {
        let contact = |binding: &Binding| {
            let left = binding.expires_at.since(now).as_secs();
            ("Contact".to_owned(), format!("<{}>;expires={left}", binding.contact))
        };
        let told = self.registrar.bindings(account).iter().filter(|binding| binding.expires_at > now);
        told.map(contact).collect()
    }
}
