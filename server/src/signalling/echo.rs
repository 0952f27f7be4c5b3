//! The echo page's sessions: an offer by HTTP, a leg that hears itself, an end after a minute.
//!
//! The routes follow WHIP (RFC 9725): POST an offer and get the answer and a resource, DELETE the resource to end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use media::{CodecPreference, Fact, LegFigures, LegId, Order, Style};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::app::AppState;
use crate::auth::{ApiError, random_bytes};
use crate::http::{OriginCheck, Peer};
use crate::media::{MediaPool, WorkerId};

/// How long one test may last.
const LONGEST: Duration = Duration::from_secs(60);
/// The media plane answers in milliseconds; this long means that it is overloaded.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Tests at once; beyond that the page is asked to wait.
const MOST_TESTS: usize = 200;
/// The switch numbers its legs from 1 up, the echo page's begin here.
const FIRST_LEG: u64 = 1 << 63;

/// The tests that run now.
#[derive(Clone)]
pub struct EchoTests(Arc<Inner>);

struct Inner {
    pool: Arc<MediaPool>,
    next_leg: AtomicU64,
    tests: Mutex<HashMap<String, Test>>,
}

struct Test {
    leg: LegId,
    worker: WorkerId,
    address: IpAddr,
    started: Instant,
    figures: Option<LegFigures>,
    answer: Option<oneshot::Sender<Result<String, String>>>,
}

impl EchoTests {
    /// No tests yet; their legs are to live on `pool`.
    pub fn new(pool: Arc<MediaPool>) -> Self {
        EchoTests(Arc::new(Inner { pool, next_leg: AtomicU64::new(FIRST_LEG), tests: Mutex::default() }))
    }

    /// Takes a fact about one of our legs; `false` when it is about a leg of the switch.
    pub fn hear(&self, fact: &Fact) -> bool {
        let leg = fact.leg();
        if leg.0 < FIRST_LEG {
            return false;
        }
        let mut tests = self.lock();
        let Some((id, test)) = tests.iter_mut().find(|(_, test)| test.leg == leg) else { return true };
        match fact {
            Fact::AnswerMade { sdp, .. } => {
                test.answer.take().map(|answer| answer.send(Ok(sdp.clone())));
                self.0.pool.order(test.worker, Order::Echo { leg });
            }
            Fact::Refused { why, .. } => {
                test.answer.take().map(|answer| answer.send(Err(why.to_string())));
            }
            Fact::Figures { figures, .. } => test.figures = Some(*figures),
            Fact::Lost { .. } | Fact::Crashed { .. } => {
                let id = id.clone();
                drop(tests);
                self.close(&id);
            }
            _ => {}
        }
        true
    }

    /// Starts a test for `address`: its id and the way its answer comes.
    fn open(&self, address: IpAddr, offer: String) -> Result<(String, AnswerComes), Refused> {
        let mut tests = self.lock();
        let mine = tests.values().find(|test| test.address == address);
        if let Some(left) = mine.map(|test| LONGEST.saturating_sub(test.started.elapsed())) {
            return Err(Refused::Running(left));
        }
        if tests.len() >= MOST_TESTS {
            return Err(Refused::Full);
        }
        let id: String =
            random_bytes::<16>().map_err(|_| Refused::Full)?.iter().map(|b| format!("{b:02x}")).collect();
        let leg = LegId(self.0.next_leg.fetch_add(1, Ordering::Relaxed));
        let worker = self.0.pool.pick();
        let (sender, comes) = oneshot::channel();
        let test =
            Test { leg, worker, address, started: Instant::now(), figures: None, answer: Some(sender) };
        tests.insert(id.clone(), test);
        drop(tests);
        self.0.pool.order(
            worker,
            Order::AcceptOffer { leg, offer, codecs: CodecPreference::Any, style: Style::WebRtc },
        );
        let (ours, ending) = (self.clone(), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LONGEST).await;
            ours.close(&ending);
        });
        Ok((id, comes))
    }

    fn close(&self, id: &str) -> bool {
        let Some(test) = self.lock().remove(id) else { return false };
        self.0.pool.order(test.worker, Order::Close { leg: test.leg });
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Test>> {
        // a panic while it was held cannot have left it half changed: each change is one insert or remove
        self.0.tests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type AnswerComes = oneshot::Receiver<Result<String, String>>;

enum Refused {
    Running(Duration),
    Full,
}

/// `POST /echo/session`: an SDP offer, answered by 201 with the answer and the `Location` of the test.
///
/// # Errors
/// 415 unless the body is `application/sdp`, 429 with `Retry-After` while this address has a test running, 488 for
/// an offer that cannot be answered, 503 when there is no room.
pub async fn open_echo(
    State(app): State<AppState>,
    _origin: OriginCheck,
    peer: Peer,
    headers: HeaderMap,
    offer: String,
) -> Response {
    let is_sdp =
        headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/sdp"));
    if !is_sdp {
        return ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "NotAnOffer",
            "Send an SDP offer as application/sdp",
        )
        .into_response();
    }
    let (id, comes) = match app.echo_tests.open(peer.address, offer) {
        Ok(opened) => opened,
        Err(Refused::Running(left)) => {
            let busy = ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TestRunning",
                "A sound test is already running from this address; it ends within a minute",
            );
            let mut response = busy.into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(left.as_secs() + 1));
            return response;
        }
        Err(Refused::Full) => return NO_ROOM.into_response(),
    };
    // a client that goes while we wait takes this future with it, and its test
    let mut ending = EndUnlessAnswered { tests: &app.echo_tests, id: &id, answered: false };
    match tokio::time::timeout(ANSWER_TIME, comes).await {
        Ok(Ok(Ok(answer))) => {
            ending.answered = true;
            let location = format!("/echo/session/{id}");
            (
                StatusCode::CREATED,
                [(header::CONTENT_TYPE, "application/sdp"), (header::LOCATION, &location)],
                answer,
            )
                .into_response()
        }
        Ok(Ok(Err(why))) => {
            (NOT_ACCEPTABLE_HERE, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], why).into_response()
        }
        Ok(Err(_)) | Err(_) => NO_ROOM.into_response(),
    }
}

struct EndUnlessAnswered<'a> {
    tests: &'a EchoTests,
    id: &'a str,
    answered: bool,
}

impl Drop for EndUnlessAnswered<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.tests.close(self.id);
        }
    }
}

/// `DELETE /echo/session/{id}`: ends a test.
///
/// # Errors
/// 404 when there is no such test (any more).
pub async fn close_echo(
    State(app): State<AppState>,
    _origin: OriginCheck,
    Path(id): Path<String>,
) -> Response {
    if app.echo_tests.close(&id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        ApiError::NOT_FOUND.into_response()
    }
}

/// `GET /echo/session/{id}`: what the server has counted of a test so far.
///
/// # Errors
/// 404 when there is no such test (any more).
pub async fn echo_figures(
    State(app): State<AppState>,
    _origin: OriginCheck,
    Path(id): Path<String>,
) -> Response {
    let tests = app.echo_tests.lock();
    let Some(test) = tests.get(&id) else { return ApiError::NOT_FOUND.into_response() };
    Json(Figures::of(test)).into_response()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    packets_in: u64,
    packets_out: u64,
    lost: u64,
    jitter_ms: f64,
    elapsed_ms: u64,
}

impl Figures {
    fn of(test: &Test) -> Self {
        let figures = test.figures.unwrap_or_default();
        Figures {
            packets_in: figures.packets_in,
            packets_out: figures.packets_out,
            lost: figures.lost,
            jitter_ms: figures.jitter_us as f64 / 1_000.0,
            elapsed_ms: u64::try_from(test.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

const NO_ROOM: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NoRoom", "Too many sound tests are running");
/// HTTP has no word for it; SIP's 488 says it exactly (RFC 3261 §21.4.26).
const NOT_ACCEPTABLE_HERE: StatusCode = match StatusCode::from_u16(488) {
    Ok(status) => status,
    Err(_) => StatusCode::UNPROCESSABLE_ENTITY,
};
