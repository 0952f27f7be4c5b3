use std::cell::Cell;
use std::rc::Rc;

use gloo_net::http::{Request, Response};
use js_sys::Reflect;
use timing::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::RequestInit;

use super::EchoProblem;
use super::figures::Counters;
use crate::browser::clock::sleep;
use crate::browser::page::window;
use crate::browser::peer::Peer;
use crate::browser::question::Question;
use crate::browser::spawn_local;

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
    /// The peer connection goes only after the server has ended the test: the server ends a test whose path goes away
    /// by itself, and would then know of none to end.
    peer: Option<Peer>,
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
                let session = Session { location, asking: Rc::default(), peer: None };
                let answer = response.text().await.map_err(|_| EchoProblem::Unreachable)?;
                Ok((session, answer))
            }
            429 => Err(EchoProblem::Busy),
            502 | 504 => Err(EchoProblem::Unreachable),
            _ => Err(EchoProblem::Server),
        }
    }

    /// Ends the test, and then the peer connection.
    pub fn end(mut self, peer: Option<Peer>) {
        self.peer = peer;
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
        let (location, peer) = (std::mem::take(&mut self.location), self.peer.take());
        let asking = self.asking.clone();
        // At once where it can be: the page may be going.
        let at_once = !asking.get();
        if at_once {
            delete(&location, &asking);
        }
        spawn_local(async move {
            answered(&asking).await;
            if !at_once {
                delete(&location, &asking);
                answered(&asking).await;
            }
            drop(peer);
        });
    }
}

async fn answered(asking: &Cell<bool>) {
    for _ in 0..PATIENCE {
        if !asking.get() {
            break;
        }
        sleep(STEP).await;
    }
}

fn delete(location: &str, asking: &Rc<Cell<bool>>) {
    let request = RequestInit::new();
    request.set_method("DELETE");
    // It is sent even if the page goes at the same time.
    let _ = Reflect::set(&request, &JsValue::from_str("keepalive"), &JsValue::TRUE);
    let gone = window().fetch_with_str_and_init(location, &request);
    asking.set(true);
    let asking = asking.clone();
    spawn_local(async move {
        let _ = JsFuture::from(gone).await;
        asking.set(false);
    });
}
