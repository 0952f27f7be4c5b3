use std::cell::Cell;
use std::rc::Rc;

use gloo_net::http::{Request, Response};
use js_sys::Reflect;
use timing::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::RequestInit;

use super::EchoProblem;
use super::figures::Counters;
use crate::browser::clock::sleep;
use crate::browser::page::window;
use crate::browser::question::Question;

/// A question under way is waited for in such steps, and no more than so many.
const STEP: Duration = Duration::from_millis(20);
const PATIENCE: u32 = 50;

/// Whether the server answers at all.
pub(super) async fn reach() -> bool {
    let question = Question::new();
    Request::get("/healthz").abort_signal(question.signal().as_ref()).send().await.is_ok()
}

/// A running test at the server, by the manner of WHIP (RFC 9725). Dropping it ends the test.
pub(super) struct Session {
    location: String,
    /// A question is under way. The end waits for it, or the two might arrive the other way round.
    asking: Rc<Cell<bool>>,
}

impl Session {
    /// Hands over the offer; gives the server's answer.
    pub async fn open(offer: String) -> Result<(Session, String), EchoProblem> {
        let request = Request::post("/echo/session").header("Content-Type", "application/sdp").body(offer);
        let request = request.map_err(|_| EchoProblem::Server)?;
        let response = request.send().await.map_err(|_| EchoProblem::Unreachable)?;
        match response.status() {
            200 | 201 => {
                let location = response.headers().get("Location").ok_or(EchoProblem::Server)?;
                let session = Session { location, asking: Rc::default() };
                let answer = response.text().await.map_err(|_| EchoProblem::Unreachable)?;
                Ok((session, answer))
            }
            429 => Err(EchoProblem::Busy),
            502 | 504 => Err(EchoProblem::Unreachable),
            _ => Err(EchoProblem::Server),
        }
    }

    /// What the server has counted so far.
    pub fn counters(&self) -> impl Future<Output = Option<Counters>> + use<> {
        let request = Request::get(&self.location);
        let asking = self.asking.clone();
        async move {
            asking.set(true);
            let response = request.send().await;
            asking.set(false);
            let text = response.ok().filter(Response::ok)?.text().await.ok()?;
            // The browser's own parser: the sound test carries no second one.
            Some(Counters::read(&js_sys::JSON::parse(&text).ok()?))
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.asking.get() {
            return delete(&self.location);
        }
        let (location, asking) = (std::mem::take(&mut self.location), self.asking.clone());
        spawn_local(async move {
            for _ in 0..PATIENCE {
                if !asking.get() {
                    break;
                }
                sleep(STEP).await;
            }
            delete(&location);
        });
    }
}

fn delete(location: &str) {
    let request = RequestInit::new();
    request.set_method("DELETE");
    // It is sent even if the page goes at the same time.
    let _ = Reflect::set(&request, &JsValue::from_str("keepalive"), &JsValue::TRUE);
    let _ = window().fetch_with_str_and_init(location, &request);
}
