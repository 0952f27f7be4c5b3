//! REGISTER: who may bind a contact to a line (RFC 3261 §10.3), and for how long.

use sip::RegisterRequest;
use sip::digest::DigestFailure;
use timing::{Duration, Instant};

use crate::registrar::{BindError, Binding, Bound, Change, LONGEST, SHORTEST, Source, USUAL};
use crate::switch::Switch;

/// The status and the headers of a refusal.
type RefusedWith = (u16, Vec<(String, String)>);

impl Switch {
    /// Answers a REGISTER (RFC 3261 §10.3): challenge, refuse, bind or take away.
    pub(crate) fn register(&mut self, request: RegisterRequest, now: Instant) {
        let Some(identity) = self.identities.get(&request.flow).cloned() else {
            return self.ua.respond(request.request, 403, Vec::new(), b"", now);
        };
        let verdict = match &request.authorization {
            None => Err(None),
            Some(proof) => self
                .challenger
                .verify(proof, "REGISTER", &request.request_uri, &identity.ha1, now)
                .map_err(Some),
        };
        if let Err(failure) = verdict {
            let (status, challenges) = match failure {
                Some(DigestFailure::Wrong) => (403, Vec::new()),
                Some(DigestFailure::UriMismatch) => (400, Vec::new()),
                // a nonce that we did not make may stem from before a restart
                None | Some(DigestFailure::Malformed) => {
                    (401, self.challenger.challenge(&self.config.realm, false, now))
                }
                Some(DigestFailure::Stale | DigestFailure::Replayed) => {
                    (401, self.challenger.challenge(&self.config.realm, true, now))
                }
            };
            let headers =
                challenges.into_iter().map(|value| ("WWW-Authenticate".to_owned(), value)).collect();
            return self.ua.respond(request.request, status, headers, b"", now);
        }
        let strangers_name =
            request.authorization.as_ref().is_some_and(|proof| proof.username != identity.account);
        if strangers_name || request.aor_user != identity.account || request.from_user != identity.account {
            return self.ua.respond(request.request, 403, Vec::new(), b"", now);
        }
        let outcome = self.update_bindings(&identity.account, &request, now);
        self.touch(&identity.account);
        let (status, headers) = match &outcome {
            Ok(_) => (200, self.contacts_of(&identity.account, now)),
            Err(refusal) => refusal.clone(),
        };
        self.ua.respond(request.request, status, headers, b"", now);
        match outcome {
            Ok(Some(bound @ (Bound::New | Bound::Moved))) => {
                self.phone_is_there(&identity.account, request.flow, bound, now);
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
        account: &str,
        request: &RegisterRequest,
        now: Instant,
    ) -> Result<Option<Bound>, RefusedWith> {
        if request.wildcard {
            if request.expires != Some(0) || !request.contacts.is_empty() {
                return Err((400, Vec::new()));
            }
            return self.change_bindings(account, request, vec![Change::Clear]);
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
        self.change_bindings(account, request, changes)
    }

    fn change_bindings(
        &mut self,
        account: &str,
        request: &RegisterRequest,
        changes: Vec<Change>,
    ) -> Result<Option<Bound>, RefusedWith> {
        let by = Source { flow: request.flow, call_id: request.sip_call_id.clone(), cseq: request.cseq };
        self.registrar.update(account, &by, changes).map_err(|error| match error {
            BindError::OutOfOrder => (500, Vec::new()),
            BindError::TooMany => (403, Vec::new()),
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
