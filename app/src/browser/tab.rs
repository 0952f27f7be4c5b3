use std::cell::Cell;
use std::rc::Rc;

use desk::Tab;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::page::window;

/// The claim of this tab on the phone of one user: a Web Lock, which dies with its tab, so nobody holds it as a ghost.
///
/// A tab that does not get the phone waits for it, and gets it when the other one goes. Where the browser has no
/// Web Locks, each tab has the phone.
pub(crate) struct Claim {
    /// Ends the waiting, or gives the lock back.
    live: Rc<Cell<bool>>,
    release: Rc<Cell<Option<Function>>>,
}

impl Claim {
    /// Asks for the phone of this user.
    pub fn new(login: &str, steal: bool, say: impl Fn(Tab) + Clone + 'static) -> Claim {
        let claim = Claim { live: Rc::new(Cell::new(true)), release: Rc::default() };
        let name = format!("hotdesk.phone.{login}");
        let locks = property(window().navigator().as_ref(), "locks");
        let Some((locks, request)) = locks.and_then(|locks| {
            let request = property(&locks, "request")?.dyn_into::<Function>().ok()?;
            Some((locks, request))
        }) else {
            say(Tab::Owner);
            return claim;
        };
        let lock = Lock { name, locks, request, live: claim.live.clone(), release: claim.release.clone() };
        if steal {
            lock.ask("steal", say);
        } else {
            lock.ask("ifAvailable", say);
        }
        claim
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.live.set(false);
        if let Some(release) = self.release.take() {
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

#[derive(Clone)]
struct Lock {
    name: String,
    locks: JsValue,
    request: Function,
    live: Rc<Cell<bool>>,
    release: Rc<Cell<Option<Function>>>,
}

impl Lock {
    /// `mode` is `steal`, `ifAvailable` or `wait`.
    fn ask(&self, mode: &'static str, say: impl Fn(Tab) + Clone + 'static) {
        let options = Object::new();
        let _ = Reflect::set(&options, &mode.into(), &JsValue::TRUE);
        let lock = self.clone();
        let granted_say = say.clone();
        let granted = Closure::once_into_js(move |granted: JsValue| -> JsValue {
            if !lock.live.get() {
                return JsValue::UNDEFINED;
            }
            if granted.is_null() {
                granted_say(Tab::Other);
                lock.ask("wait", granted_say.clone());
                return JsValue::UNDEFINED;
            }
            // The lock is ours as long as this promise is open.
            let held = Promise::new(&mut |resolve, _| lock.release.set(Some(resolve)));
            granted_say(Tab::Owner);
            held.into()
        });
        let Ok(result) = self.request.call3(&self.locks, &self.name.as_str().into(), &options, &granted)
        else {
            return say(Tab::Owner);
        };
        // A lock that we held is rejected when another tab steals it; then this tab waits again. What is rejected without
        // ever having been held, the browser does not grant to pages like this one.
        let lock = self.clone();
        let stolen = Closure::once(move |_: JsValue| {
            if !lock.live.get() {
                return;
            }
            if lock.release.take().is_some() {
                say(Tab::Other);
                lock.ask("wait", say.clone());
            } else {
                say(Tab::Owner);
            }
        });
        if let Ok(result) = result.dyn_into::<Promise>() {
            let _ = result.catch(&stolen);
        }
        // Called at most once, by a promise that lives as long as the lock.
        stolen.forget();
    }
}

fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}
