use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::udp::UdpPeer;
use crate::socket::{OUTBOX, Outgoing};

/// Frames that may wait for a trunk. All its calls may end at once, with a few words for each, and each word takes its
/// place before the first is written. Who takes nothing is closed by time, long before.
pub(super) const TRUNK_OUTBOX: usize = 16_384;

/// Where the messages of a flow go. Dropping it closes the flow.
#[derive(Debug)]
pub enum Outbox {
    /// To the task that carries a connection.
    Connection(mpsc::Sender<Outgoing>),
    /// To the task that carries a connection of somebody who has come by himself.
    Visitor(Visitor),
    /// To a peer of a UDP socket.
    Peer(UdpPeer),
}

/// The way to who has come by TCP or TLS.
#[derive(Debug)]
pub struct Visitor {
    frames: mpsc::Sender<Outgoing>,
    most: usize,
    known: Known,
}

/// Whether the peer of a connection has proved who it is, for the task that carries it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<AtomicBool>);

/// The peer takes nothing any more, or far too slowly.
#[derive(Debug)]
pub struct Stalled;

impl From<mpsc::Sender<Outgoing>> for Outbox {
    fn from(connection: mpsc::Sender<Outgoing>) -> Self {
        Outbox::Connection(connection)
    }
}

impl Known {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Outbox {
    /// For a stranger's connection: where its frames come out, and whether it is a stranger's still.
    pub(super) fn of_a_visitor() -> (Outbox, mpsc::Receiver<Outgoing>, Known) {
        let (frames, coming) = mpsc::channel(TRUNK_OUTBOX);
        let known = Known::default();
        (Outbox::Visitor(Visitor { frames, most: OUTBOX, known: known.clone() }), coming, known)
    }

    /// Hands a message over; a datagram may be lost, as on the wire.
    ///
    /// # Errors
    /// [`Stalled`] when a connection has too many before this one.
    pub(super) fn try_send(&self, outgoing: Outgoing) -> Result<(), Stalled> {
        match self {
            Outbox::Connection(connection) => connection.try_send(outgoing).map_err(|_| Stalled),
            Outbox::Visitor(Visitor { frames, most, .. }) => {
                let waiting = frames.max_capacity() - frames.capacity();
                if waiting >= *most {
                    return Err(Stalled);
                }
                frames.try_send(outgoing).map_err(|_| Stalled)
            }
            Outbox::Peer(peer) => {
                if let Outgoing::Frame(bytes) = outgoing {
                    peer.send(bytes);
                }
                Ok(())
            }
        }
    }

    /// The peer has proved who it is.
    pub(super) fn prove(&mut self) {
        match self {
            Outbox::Connection(_) => {}
            Outbox::Visitor(visitor) => visitor.known.0.store(true, Ordering::Relaxed),
            Outbox::Peer(peer) => peer.prove(),
        }
    }

    /// The peer is a trunk's.
    pub(super) fn is_of_a_trunk(&mut self) {
        self.prove();
        if let Outbox::Visitor(visitor) = self {
            visitor.most = TRUNK_OUTBOX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many frames wait before it is too slow.
    fn room(outbox: &Outbox) -> usize {
        (0..).take_while(|_| outbox.try_send(Outgoing::Frame(Vec::new())).is_ok()).count()
    }

    #[test]
    fn a_trunk_may_be_told_the_end_of_all_its_calls_at_once_and_a_phone_less() {
        let (outbox, _frames, _) = Outbox::of_a_visitor();
        assert_eq!(room(&outbox), OUTBOX);
        let (mut outbox, _frames, known) = Outbox::of_a_visitor();
        outbox.is_of_a_trunk();
        assert_eq!((room(&outbox), known.is_so()), (TRUNK_OUTBOX, true));
    }

    #[test]
    fn who_has_proved_himself_is_known() {
        let (mut outbox, _frames, known) = Outbox::of_a_visitor();
        assert!(!known.is_so());
        outbox.prove();
        assert!(known.is_so());
        assert_eq!(room(&outbox), OUTBOX);
    }
}
