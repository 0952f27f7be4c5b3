use tokio::sync::mpsc;

use super::udp::UdpPeer;
use crate::socket::Outgoing;

/// Where the messages of a flow go. Dropping it closes the flow.
#[derive(Debug)]
pub enum Outbox {
    /// To the task that carries a connection.
    Connection(mpsc::Sender<Outgoing>),
    /// To a peer of a UDP socket.
    Peer(UdpPeer),
}

/// The peer takes nothing any more, or far too slowly.
#[derive(Debug)]
pub struct Stalled;

impl From<mpsc::Sender<Outgoing>> for Outbox {
    fn from(connection: mpsc::Sender<Outgoing>) -> Self {
        Outbox::Connection(connection)
    }
}

impl Outbox {
    /// Hands a message over; a datagram may be lost, as on the wire.
    ///
    /// # Errors
    /// [`Stalled`] when a connection has too many before this one.
    pub(super) fn try_send(&self, outgoing: Outgoing) -> Result<(), Stalled> {
        match self {
            Outbox::Connection(connection) => connection.try_send(outgoing).map_err(|_| Stalled),
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
        if let Outbox::Peer(peer) = self {
            peer.prove();
        }
    }
}
