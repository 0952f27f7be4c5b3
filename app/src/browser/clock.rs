use std::cell::Cell;
use std::rc::Rc;

use timing::{Duration, Instant};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::JsFuture;

use super::page::window;

/// The page's monotonic clock; it goes on while the computer sleeps or not, as the browser likes. It counts from 1970,
/// so that what one page has kept means the same to the next.
pub(crate) fn now() -> Instant {
    let millis =
        window().performance().map_or(0.0, |performance| performance.time_origin() + performance.now());
    Instant::from_micros((millis * 1000.0) as u64)
}

/// Waits. A hidden tab may be woken up to a second late.
pub(crate) async fn sleep(span: Duration) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let millis = i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis);
    });
    let _ = JsFuture::from(promise).await;
}

/// One wake-up that can be moved.
pub(crate) struct Timer {
    wake: Closure<dyn FnMut()>,
    set: Rc<Cell<Option<(i32, Instant)>>>,
}

impl Timer {
    pub fn new(mut wake: impl FnMut() + 'static) -> Self {
        let set: Rc<Cell<Option<(i32, Instant)>>> = Rc::default();
        let used = set.clone();
        let wake = Closure::new(move || {
            used.set(None);
            wake();
        });
        Timer { wake, set }
    }

    /// Wakes at `at` and no longer at what was set before; not at all if there is nothing to wait for.
    pub fn set(&self, at: Option<Instant>, now: Instant) {
        if let Some((handle, old)) = self.set.get() {
            if Some(old) == at {
                return;
            }
            window().clear_timeout_with_handle(handle);
        }
        let handle = at.and_then(|at| {
            // Rounded up, so that the deadline is due when we wake.
            let millis = i32::try_from(at.since(now).as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
            let wake = self.wake.as_ref().unchecked_ref();
            let handle = window().set_timeout_with_callback_and_timeout_and_arguments_0(wake, millis).ok()?;
            Some((handle, at))
        });
        self.set.set(handle);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some((handle, _)) = self.set.take() {
            window().clear_timeout_with_handle(handle);
        }
    }
}

/// Calls again and again until it is dropped.
pub(crate) struct Every {
    handle: i32,
    _call: Rc<Closure<dyn FnMut()>>,
}

/// Calls `call` each `period`.
pub(crate) fn every(period: Duration, call: impl FnMut() + 'static) -> Every {
    let call: Closure<dyn FnMut()> = Closure::new(call);
    let millis = i32::try_from(period.as_millis()).unwrap_or(i32::MAX);
    let handle = window()
        .set_interval_with_callback_and_timeout_and_arguments_0(call.as_ref().unchecked_ref(), millis)
        .unwrap_or_default();
    Every { handle, _call: Rc::new(call) }
}

impl Drop for Every {
    fn drop(&mut self) {
        window().clear_interval_with_handle(self.handle);
    }
}
