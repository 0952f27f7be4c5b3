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
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct State {
    orders: VecDeque<Order>,
    /// What was refused here, for the worker to tell.
    refusals: VecDeque<Fact>,
    stopping: bool,
}

/// What a worker finds in its inbox.
pub(super) struct Taken {
    pub(super) orders: VecDeque<Order>,
    pub(super) refusals: VecDeque<Fact>,
    pub(super) stopping: bool,
}

impl Inbox {
    pub(super) fn new(registry: &Registry) -> io::Result<Inbox> {
        Ok(Inbox { state: Mutex::default(), waker: Waker::new(registry, TOKEN)? })
    }

    pub(super) fn put(&self, order: Order) {
        let mut state = self.lock();
        match refusal(&order).filter(|_| state.orders.len() >= ROOM) {
            Some(refusal) => state.refusals.push_back(refusal),
            None => state.orders.push_back(order),
        }
        drop(state);
        self.wake();
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.wake();
    }

    pub(super) fn take(&self) -> Taken {
        let mut state = self.lock();
        Taken {
            orders: std::mem::take(&mut state.orders),
            refusals: std::mem::take(&mut state.refusals),
            stopping: state.stopping,
        }
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
    use media::{CodecPreference, LegId, Style};

    #[test]
    fn a_full_inbox_refuses_offers_and_takes_the_rest() {
        let poll = mio::Poll::new().expect("a poll");
        let inbox = Inbox::new(poll.registry()).expect("an inbox");
        for number in 0..ROOM as u64 + 3 {
            inbox.put(Order::MakeOffer {
                leg: LegId(number),
                codecs: CodecPreference::Any,
                style: Style::WebRtc,
            });
        }
        inbox.put(Order::Close { leg: LegId(1) });
        inbox.stop();
        let taken = inbox.take();
        assert_eq!((taken.orders.len(), taken.refusals.len()), (ROOM + 1, 3));
        assert!(taken.stopping);
        assert!(inbox.take().orders.is_empty());
    }
}
