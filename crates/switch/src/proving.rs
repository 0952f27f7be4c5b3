//! Who asks: by the login behind a page's connection, or by digest with every request (RFC 3261 §22, RFC 8760).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

use sip::digest::{Algorithm, Authorization, Challenger, DigestFailure};
use sip::{DialogRequest, FlowId};
use timing::{Duration, Instant};

use crate::directory::Directory;
use crate::guesses::{Guesses, RETRY_AFTER};
use crate::switch::{Config, Switch};

/// A phone that could make nothing of its challenges comes back within this.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(600);
/// Challenges that wait for their answer; with more, phones of old wait for the next time.
const MOST_UNANSWERED: usize = 10_000;

/// Sweeping takes a time that grows with what is kept.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Makes challenges and counts who fails them.
pub(crate) struct Doorman {
    for_browsers: Challenger,
    for_devices: Challenger,
    /// For phones that choke on a digest they do not know, instead of passing over it.
    for_old_devices: Challenger,
    /// Who was challenged, by a hash of source and Call-ID, and has not answered so far.
    unanswered: BTreeMap<u64, Instant>,
    /// When those were last thrown away who do not come back.
    swept: Option<Instant>,
    guesses: Guesses,
}

/// Somebody who has proved who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The line's SIP account.
    pub account: String,
    /// The name by which he speaks of himself: the line's account, or that of one of its devices.
    pub name: String,
    /// The device, unless it is a page.
    pub device: Option<String>,
}

/// The status and the headers of a refusal.
pub(crate) type RefusedWith = (u16, Vec<(String, String)>);

impl Doorman {
    pub fn new(config: &Config) -> Self {
        // SIPml5, which pages made for xuc bring, takes one challenge alone and answers it with MD5, whatever it
        // says, and JsSIP reads the first alone.
        // What one of them has counted as used the others know nothing of, so that each signs in its own way.
        let challenger = |number: u8, algorithms| {
            let mut secret = config.nonce_secret;
            secret[0] ^= number;
            let origin = u64::try_from(config.unix_origin_ms).unwrap_or(0);
            let node = config.seed.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            Challenger::new(secret).offering(algorithms).in_cluster(node, origin)
        };
        Doorman {
            for_browsers: challenger(1, &[Algorithm::Md5]),
            for_devices: challenger(2, config.digests),
            for_old_devices: challenger(3, &[Algorithm::Md5]),
            unanswered: BTreeMap::new(),
            swept: None,
            guesses: Guesses::default(),
        }
    }
}

impl Doorman {
    /// Whether this one was challenged before, and asks again without an answer: he did not understand. From now
    /// on he is one who was challenged.
    fn comes_back_empty_handed(&mut self, source: Option<IpAddr>, call_id: &str, now: Instant) -> bool {
        let is_full = self.unanswered.len() >= MOST_UNANSWERED;
        if is_full && self.swept.is_none_or(|swept| now.since(swept) > SWEEP_EVERY) {
            self.swept = Some(now);
            self.unanswered.retain(|_, asked| now.since(*asked) < COMES_BACK_WITHIN);
        }
        let key = key_of(source, call_id);
        let before = self.unanswered.get(&key).is_some_and(|asked| now.since(*asked) < COMES_BACK_WITHIN);
        if before || self.unanswered.len() < MOST_UNANSWERED {
            self.unanswered.insert(key, now);
        }
        before
    }
}

impl Switch {
    /// Who sends a request other than REGISTER, or how it is refused. A page's login and registration on the flow
    /// speak for it.
    pub(crate) fn sender(
        &mut self,
        flow: FlowId,
        request: (&str, &str),
        request_uri: &str,
        authorization: Option<&Authorization>,
        now: Instant,
    ) -> Result<Proven, RefusedWith> {
        let identity = self.ways.get(&flow).and_then(|way| way.identity.as_ref());
        if let Some(account) = identity.map(|identity| identity.account.clone())
            && self.registrar.bindings(&account).iter().any(|binding| binding.flow == flow)
        {
            return Ok(Proven { name: account.clone(), account, device: None });
        }
        self.prove(flow, request, request_uri, authorization, now)
    }

    /// Somebody speaks in a dialog by another flow than it is on: its phone, whose address has changed, or somebody
    /// who has overheard what names the dialog.
    pub(crate) fn speaks_from_elsewhere(&mut self, asked: DialogRequest, now: Instant) {
        let owner = self.leg_of_dialog(asked.dialog).and_then(|leg| self.account_of(leg)).map(str::to_owned);
        let (method, uri) = ((&*asked.method, &*asked.sip_call_id), &asked.request_uri);
        let proven = self.prove(asked.flow, method, uri, asked.authorization.as_ref(), now);
        let proven = proven.and_then(|proven| {
            if Some(&proven.account) == owner.as_ref() { Ok(()) } else { Err((403, Vec::new())) }
        });
        match proven {
            Ok(()) => self.ua.admit(asked.request, now),
            Err((status, headers)) => self.ua.respond(asked.request, status, headers, b"", now),
        }
    }

    /// Who sends a request of this method, or how it is refused.
    pub(crate) fn prove(
        &mut self,
        flow: FlowId,
        (method, call_id): (&str, &str),
        request_uri: &str,
        authorization: Option<&Authorization>,
        now: Instant,
    ) -> Result<Proven, RefusedWith> {
        let Some(way) = self.ways.get(&flow) else { return Err((403, Vec::new())) };
        if let Some(identity) = way.identity.clone() {
            let verdict = match authorization {
                None => Err(None),
                Some(proof) => {
                    let challenger = &mut self.doorman.for_browsers;
                    challenger
                        .verify_from(&way.client, proof, method, request_uri, &identity.ha1, now)
                        .map_err(Some)
                }
            };
            verdict.map_err(|failure| self.challenge(flow, call_id, failure, now))?;
            let own_name = authorization.is_some_and(|proof| proof.username == identity.account);
            let account = identity.account;
            let proven = Proven { name: account.clone(), account, device: None };
            return own_name.then_some(proven).ok_or((403, Vec::new()));
        }
        let Some(proof) = authorization else { return Err(self.challenge(flow, call_id, None, now)) };
        let (source, is_websocket, was_old) = (way.source, way.transport.is_websocket(), way.is_old);
        let client = way.client.clone();
        let device = self.directory.device(&proof.username).cloned();
        // the real phone is not shut out by those who guess its password
        let is_there = device.as_ref().is_some_and(|device| {
            let bindings = self.registrar.bindings(&device.account);
            bindings
                .iter()
                .any(|binding| binding.flow == flow && binding.device.as_ref() == Some(&device.name))
        });
        if !self.doorman.guesses.may_try(&proof.username, source, is_there, now) {
            // a phone that is told 503 comes back; one that is told 403 may not
            return Err((503, vec![("Retry-After".to_owned(), RETRY_AFTER.as_secs().to_string())]));
        }
        let doorman = &mut self.doorman;
        let old = proof.algorithm == Some(Algorithm::Md5);
        let challenger = if is_websocket {
            &mut doorman.for_browsers
        } else if (was_old || old) && doorman.for_old_devices.has_made(&proof.nonce, now) {
            &mut doorman.for_old_devices
        } else {
            &mut doorman.for_devices
        };
        let decoy = || challenger.decoy(&proof.username, &self.config.realm);
        let ha1 = device.as_ref().map_or_else(decoy, |device| device.ha1.clone());
        if let Err(failure) = challenger.verify_from(&client, proof, method, request_uri, &ha1, now) {
            if failure == DigestFailure::Wrong {
                doorman.guesses.was_wrong(&proof.username, source, now);
            }
            return Err(self.challenge(flow, call_id, Some(failure), now));
        }
        let device = device.ok_or((403, Vec::new()))?;
        self.doorman.unanswered.remove(&key_of(source, call_id));
        if let Some(way) = self.ways.get_mut(&flow) {
            (way.proven, way.is_old) = (true, old);
        }
        Ok(Proven { account: device.account, name: device.name.clone(), device: Some(device.name) })
    }

    /// The refusal of a request whose credentials are missing or fail.
    fn challenge(
        &mut self,
        flow: FlowId,
        call_id: &str,
        failure: Option<DigestFailure>,
        now: Instant,
    ) -> RefusedWith {
        let stale = match failure {
            Some(DigestFailure::Wrong) => return (403, Vec::new()),
            Some(DigestFailure::UriMismatch) => return (400, Vec::new()),
            // a nonce that we did not make may stem from before a restart
            None | Some(DigestFailure::Malformed) => false,
            Some(DigestFailure::Stale | DigestFailure::Replayed) => true,
        };
        let way = self.ways.get(&flow);
        let is_browser = way.is_some_and(|way| way.transport.is_websocket());
        let (source, was_old) = way.map_or((None, false), |way| (way.source, way.is_old));
        let client = way.map(|way| way.client.clone()).unwrap_or_default();
        let doorman = &mut self.doorman;
        let lost = failure.is_none() && !is_browser && doorman.comes_back_empty_handed(source, call_id, now);
        let challenger = if is_browser {
            &mut doorman.for_browsers
        } else if (lost || was_old) && self.config.digests.contains(&Algorithm::Md5) {
            &mut doorman.for_old_devices
        } else {
            &mut doorman.for_devices
        };
        let challenges = challenger.challenge_for(&client, &self.config.realm, stale, now);
        (401, challenges.into_iter().map(|value| ("WWW-Authenticate".to_owned(), value)).collect())
    }

    /// Takes away the registrations and lamps of devices that are no longer there, no longer belong to that line,
    /// or have another password than before.
    pub(crate) fn turn_out_strange_devices(&mut self, before: &Directory) {
        let directory = &self.directory;
        let is_strange = |account: &str, name: &str| {
            let now = directory.device(name).filter(|device| device.account == account);
            now.is_none() || now != before.device(name)
        };
        self.registrar.take_away(|account, binding| {
            binding.device.as_ref().is_some_and(|name| is_strange(account, name))
        });
        self.strange_lamps = self.lamps_of_devices(is_strange);
    }
}

/// What one phone's requests have in common.
fn key_of(source: Option<IpAddr>, call_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (source, call_id).hash(&mut hasher);
    hasher.finish()
}
