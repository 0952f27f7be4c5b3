use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use media::{Fact, Order};
use mio::{Registry, Token, Waker};

use super::refusal;

/// How many orders may wait before those that can be refused are.
const ROOM: usize = 1024;
/// The readiness token of the inbox; sockets are numbered from 0.
pub(super) const TOKEN: Token = Token(usize::MAX);

/// Where orders wait for their worker.
///
/// Offers and answers are bounded by [`ROOM`]: when it is full they are refused. The rest is not, since an order
/// to end or hold a leg must not be lost; a call gives only a handful of these, and has passed the bound itself.
/// Once the worker is gone, offers and answers are refused and the rest is about legs that are gone with it.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct State {
    orders: VecDeque<Order>,
    stopping: bool,
    closed: bool,
}

/// What a worker finds in its inbox.
pub(super) struct Taken {
    pub(super) orders: VecDeque<Order>,
    pub(super) stopping: bool,
}

impl Inbox {
    pub(super) fn new(registry: &Registry) -> io::Result<Inbox> {
        Ok(Inbox { state: Mutex::default(), waker: Waker::new(registry, TOKEN)? })
    }

    pub(super) fn put(&self, order: Order) -> Result<(), Fact> {
        let mut state = self.lock();
        if (state.closed || state.orders.len() >= ROOM)
            && let Some(refusal) = refusal(&order)
        {
            return Err(refusal);
        }
        if !state.closed {
            state.orders.push_back(order);
            drop(state);
            self.wake();
        }
        Ok(())
    }

    /// Takes nothing more; what has not been done until now comes back.
    pub(super) fn close(&self) -> VecDeque<Order> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.orders)
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.wake();
    }

    pub(super) fn take(&self) -> Taken {
        let mut state = self.lock();
        Taken { orders: std::mem::take(&mut state.orders), stopping: state.stopping }
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a media worker cannot be woken");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // no code that can panic runs under the lock
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::sdp::Unsupported;
    use media::{CodecPreference, LegId, Style};

    fn offer(number: u64) -> Order {
        Order::MakeOffer { leg: LegId(number), codecs: CodecPreference::Any, style: Style::WebRtc }
    }

    fn refused(number: u64) -> Result<(), Fact> {
        Err(Fact::Refused { leg: LegId(number), why: Unsupported::Overloaded })
    }

    #[test]
    fn a_full_inbox_refuses_offers_and_takes_the_rest() {
        let poll = mio::Poll::new().expect("a poll");
        let inbox = Inbox::new(poll.registry()).expect("an inbox");
        for number in 0..ROOM as u64 {
            assert_eq!(inbox.put(offer(number)), Ok(()));
        }
        assert_eq!(inbox.put(offer(9999)), refused(9999));
        assert_eq!(inbox.put(Order::Close { leg: LegId(1) }), Ok(()));
        inbox.stop();
        let taken = inbox.take();
        assert_eq!(taken.orders.len(), ROOM + 1);
        assert!(taken.stopping);
        assert!(inbox.take().orders.is_empty());
    }

    #[test]
    fn a_closed_inbox_gives_back_what_was_not_done_and_keeps_nothing() {
        let poll = mio::Poll::new().expect("a poll");
        let inbox = Inbox::new(poll.registry()).expect("an inbox");
        assert_eq!(inbox.put(offer(1)), Ok(()));
        assert_eq!(inbox.close(), [offer(1)]);
        assert_eq!(inbox.put(offer(2)), refused(2));
        assert_eq!(inbox.put(Order::Close { leg: LegId(1) }), Ok(()));
        assert!(inbox.take().orders.is_empty());
    }
}
