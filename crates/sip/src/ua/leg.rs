//! One dialog from the inside (RFC 3261 §12).

use bytes::Bytes;
use sipx_sip::message::{Headers, Method, Request};
use sipx_sip::{HeaderName, Uri};
use timing::Duration;

use super::Extensions;
use super::exchange::{Exchange, TransactionId};
use super::peer::{Ends, Peer, draft_in_dialog};
use crate::config::{DialogId, FlowId, Owner};
use crate::dialog::{DialogInfo, DialogState, Direction};
use crate::digest::{ChallengeFrom, ClientAuth};
use crate::wire::{self, Draft};

/// A dialog, from its first INVITE until some time after its end, while stragglers may still come.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) info: DialogInfo,
    /// Who owned the flow that it began on.
    pub(super) owner: Owner,
    /// The flow that its end is counted on, until it is forgotten.
    pub(super) lingers_on: Option<FlowId>,
    /// Whether [`Event::Ended`](crate::Event::Ended) was told.
    pub(super) ended: bool,
    /// Our address with our tag, as it stands in `From` or `To`.
    pub(super) local: Bytes,
    pub(super) peer: Peer,
    pub(super) call_id: Bytes,
    /// User part of our `Contact`.
    pub(super) contact_user: String,
    pub(super) local_cseq: u32,
    /// The number of our INVITE that began it.
    pub(super) invite_cseq: u32,
    pub(super) remote_cseq: Option<u32>,
    pub(super) auth: ClientAuth,
    /// The INVITE that began it.
    pub(super) invite: Option<TransactionId>,
    /// The same as it came; inbound, until its final response.
    pub(super) invitation: Option<Box<Request>>,
    /// By what another copy of it is known.
    pub(super) arrival: Option<super::Arrival>,
    /// The early dialogs of our INVITE, one for each branch that has answered provisionally.
    pub(super) forks: Vec<Fork>,
    pub(super) cancel: Cancel,
    /// The ACKs we have sent, in case a 2xx comes again.
    pub(super) acks: Vec<SentAck>,
    pub(super) unacked: Option<UnackedAnswer>,
    pub(super) incoming: Option<IncomingOffer>,
    pub(super) outgoing: Option<OutgoingOffer>,
    /// An offer that waits until another exchange is over.
    pub(super) next_offer: Option<NextOffer>,
    /// Whether the INVITE had no offer, so that its answer brings one.
    pub(super) is_late_offer: bool,
    /// An ACK that waits for our answer to an offer in the 2xx.
    pub(super) unsent_ack: Option<UnsentAck>,
    /// Whether the peer takes UPDATE (RFC 3311 §4).
    pub(super) peer_allows_update: bool,
    pub(super) server: Extensions,
    /// The last re-INVITE of ours.
    pub(super) reinvite: Option<TransactionId>,
    /// A BYE that may only go out once our 2xx is acknowledged (RFC 3261 §15).
    pub(super) bye_after_ack: Option<Vec<(String, String)>>,
}

/// One early dialog of an INVITE that somebody on the way has forked (RFC 3261 §12.1, §16.7).
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) peer: Peer,
    remote_cseq: Option<u32>,
}

/// How far giving up an INVITE of ours has come.
#[derive(Debug)]
pub(super) enum Cancel {
    /// Nobody wants to.
    No,
    /// As soon as a provisional response is in (RFC 3261 §9.1), with these headers.
    Wanted(Vec<(String, String)>),
    Sent,
}

#[derive(Debug)]
pub(super) struct SentAck {
    pub(super) cseq: u32,
    pub(super) tag: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// A 2xx of ours to an INVITE, on its way until the ACK comes.
#[derive(Debug)]
pub(super) struct UnackedAnswer {
    pub(super) cseq: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) interval: Duration,
    /// The INVITE had no offer, so the 2xx has it and the ACK brings the answer.
    pub(super) is_offer: bool,
}

/// A re-INVITE or UPDATE that waits for the application.
#[derive(Debug)]
pub(super) struct IncomingOffer {
    pub(super) transaction: TransactionId,
    pub(super) request: Box<Request>,
}

/// A re-INVITE of ours.
#[derive(Debug)]
pub(super) enum OutgoingOffer {
    /// On its way; `cancelled` once the peer has let us wait too long.
    Sent { retries: u8, is_refresh: bool, cancelled: bool },
    /// Refused with 491; to go out again.
    Glare { request: Box<Request>, retries: u8, is_refresh: bool },
}

impl OutgoingOffer {
    /// Whether it says nothing new, and the application knows nothing of it.
    pub(super) fn is_refresh(&self) -> bool {
        match self {
            OutgoingOffer::Sent { is_refresh, .. } | OutgoingOffer::Glare { is_refresh, .. } => *is_refresh,
        }
    }
}

/// An offer that is still to be sent; without a description it asks the peer for one.
#[derive(Debug)]
pub(super) struct NextOffer {
    pub(super) sdp: String,
    pub(super) headers: Vec<(String, String)>,
}

/// An ACK that is still to be sent, with our answer.
#[derive(Debug)]
pub(super) struct UnsentAck {
    pub(super) peer: Peer,
    pub(super) cseq: u32,
    pub(super) tag: Vec<u8>,
    /// The headers of the INVITE that it acknowledges.
    pub(super) invite: Headers,
}

impl Leg {
    /// A dialog that begins now.
    pub(super) fn new(
        info: DialogInfo,
        owner: Owner,
        local: Bytes,
        peer: Peer,
        call_id: Bytes,
        contact_user: String,
    ) -> Self {
        Leg {
            info,
            owner,
            lingers_on: None,
            ended: false,
            local,
            peer,
            call_id,
            contact_user,
            local_cseq: 0,
            invite_cseq: 0,
            remote_cseq: None,
            auth: ClientAuth::default(),
            invite: None,
            invitation: None,
            arrival: None,
            forks: Vec::new(),
            cancel: Cancel::No,
            acks: Vec::new(),
            unacked: None,
            incoming: None,
            outgoing: None,
            next_offer: None,
            is_late_offer: false,
            unsent_ack: None,
            peer_allows_update: false,
            server: Extensions::default(),
            reinvite: None,
            bye_after_ack: None,
        }
    }

    pub(super) fn id(&self) -> DialogId {
        self.info.id
    }

    pub(super) fn flow(&self) -> FlowId {
        self.info.flow
    }

    /// A branch of our INVITE has answered provisionally: it is the peer until another one speaks.
    ///
    /// Says whether there is room for it.
    pub(super) fn enter_fork(&mut self, peer: Peer) -> bool {
        /// More phones than any user has.
        const MAX_FORKS: usize = 32;
        let is_full = self.forks.len() >= MAX_FORKS;
        match self.forks.iter_mut().find(|fork| fork.peer.tag == peer.tag) {
            Some(fork) => fork.peer = peer.clone(),
            None if is_full => return false,
            None => self.forks.push(Fork { peer: peer.clone(), remote_cseq: None }),
        }
        self.set_peer(peer);
        true
    }

    /// A branch has answered for good, and the others are forgotten.
    pub(super) fn choose_fork(&mut self, peer: Peer) {
        let chosen = self.forks.iter().find(|fork| fork.peer.tag == peer.tag);
        self.remote_cseq = chosen.and_then(|fork| fork.remote_cseq);
        self.forks.clear();
        self.set_peer(peer);
    }

    /// A branch has given up, be it by 199 (RFC 6228) or by a BYE; says whether others are left.
    pub(super) fn leave_fork(&mut self, tag: &[u8]) -> bool {
        self.forks.retain(|fork| fork.peer.tag.as_deref() != Some(tag));
        if let Some(last) = self.forks.last().map(|fork| fork.peer.clone()) {
            self.set_peer(last);
        }
        !self.forks.is_empty()
    }

    /// The side of this dialog, or of one of its early ones, that has this tag.
    pub(super) fn branch(&self, tag: &[u8]) -> Option<&Peer> {
        let forks = self.forks.iter().map(|fork| &fork.peer);
        forks.chain([&self.peer]).find(|peer| peer.tag.as_deref() == Some(tag))
    }

    /// The number of the last request from the side with this tag.
    pub(super) fn remote_cseq_of(&mut self, tag: &[u8]) -> &mut Option<u32> {
        match self.forks.iter_mut().find(|fork| fork.peer.tag.as_deref() == Some(tag)) {
            Some(fork) => &mut fork.remote_cseq,
            None => &mut self.remote_cseq,
        }
    }

    /// The side with this tag is to be reached elsewhere from now on.
    pub(super) fn retarget(&mut self, tag: &[u8], target: Uri) {
        let forks = self.forks.iter_mut().map(|fork| &mut fork.peer);
        for peer in forks.chain([&mut self.peer]).filter(|peer| peer.tag.as_deref() == Some(tag)) {
            peer.target = target.clone();
        }
    }

    /// Takes over what a response or request tells about the peer.
    pub(super) fn set_peer(&mut self, peer: Peer) {
        self.info.remote_tag = peer.tag.as_deref().map(wire::display);
        self.peer = peer;
    }

    /// Whether our INVITE has no final response yet.
    pub(super) fn is_calling(&self) -> bool {
        matches!(self.info.state, DialogState::Calling | DialogState::Early)
    }

    /// Begins a request of the next sequence number.
    pub(super) fn draft(&mut self, exchange: &mut Exchange, method: Method) -> Draft {
        self.local_cseq += 1;
        let peer = self.peer.clone();
        let (sequence, cnonce) = (self.local_cseq, exchange.token());
        let (uri, _) = peer.route();
        let (method_name, uri) = (String::from_utf8_lossy(method.as_bytes()).into_owned(), uri.to_bytes());
        let answers = self.auth.headers(&method_name, &String::from_utf8_lossy(&uri), &cnonce);
        let draft = self.draft_to(exchange, &peer, method, sequence);
        answers
            .into_iter()
            .fold(draft, |draft, (from, value)| draft.header(authorization_header(from), value))
    }

    /// Begins a request to this peer, which need not be the dialog's: a fork may have answered too.
    pub(super) fn draft_to(
        &self,
        exchange: &mut Exchange,
        peer: &Peer,
        method: Method,
        sequence: u32,
    ) -> Draft {
        let ends = Ends {
            flow: self.flow(),
            local: &self.local,
            call_id: &self.call_id,
            contact_user: &self.contact_user,
        };
        draft_in_dialog(exchange, &ends, peer, method, sequence)
    }

    /// Whether a 2xx with this number and tag has been acknowledged, and with what.
    pub(super) fn sent_ack(&self, cseq: u32, tag: &[u8]) -> Option<&SentAck> {
        self.acks.iter().find(|ack| ack.cseq == cseq && ack.tag == tag)
    }

    /// Whether a 2xx with this number and tag waits for the application's answer to its offer.
    pub(super) fn waits_for_ack(&self, cseq: u32, tag: &[u8]) -> bool {
        self.unsent_ack.as_ref().is_some_and(|ack| ack.cseq == cseq && ack.tag == tag)
    }

    /// Remembers an ACK; only the last few 2xx can come again.
    pub(super) fn remember_ack(&mut self, ack: SentAck) {
        const REMEMBERED: usize = 4;
        if self.acks.len() == REMEMBERED {
            self.acks.remove(0);
        }
        self.acks.push(ack);
    }

    /// Whether this is the tag of the other side.
    pub(super) fn knows_tag(&self, tag: &[u8]) -> bool {
        self.branch(tag).is_some()
    }

    /// Whether the application began it.
    pub(super) fn is_outbound(&self) -> bool {
        self.info.direction == Direction::Outbound
    }
}

/// The header that answers a challenge.
pub(super) fn authorization_header(from: ChallengeFrom) -> HeaderName {
    match from {
        ChallengeFrom::Peer => HeaderName::Authorization,
        ChallengeFrom::Proxy => HeaderName::ProxyAuthorization,
    }
}
