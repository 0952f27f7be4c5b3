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
use media::sdp::Unsupported;
use media::{CodecPreference, Fact, LegFigures, LegId, Order, Style};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::app::AppState;
use crate::auth::{ApiError, network_of, random_bytes};
use crate::http::{OriginCheck, Peer};
use crate::media::{MediaPool, WorkerId};

/// How long one test may last.
const LONGEST: Duration = Duration::from_secs(60);
/// The media plane answers in milliseconds; this long means that it is overloaded.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Tests at once; beyond that the page is asked to wait.
const MOST_TESTS: usize = 200;
/// So many tests may begin in a row in one network, and then one more each [`REFILL`]: each costs a handshake.
const BURST: u32 = 10;
const REFILL: Duration = Duration::from_secs(6);
/// Networks whose tests are counted; beyond that the count begins anew.
const MOST_NETWORKS: usize = 10_000;
/// The switch numbers its legs from 1 up, the echo page's begin here.
const FIRST_LEG: u64 = 1 << 63;

/// The tests that run now.
#[derive(Clone)]
pub struct EchoTests(Arc<Inner>);

struct Inner {
    pool: Arc<MediaPool>,
    next_leg: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    tests: HashMap<String, Test>,
    /// When each network will have its whole burst again; a test moves it by [`REFILL`] (a leaky bucket).
    empty_at: HashMap<IpAddr, Instant>,
}

struct Test {
    leg: LegId,
    worker: WorkerId,
    network: IpAddr,
    started: Instant,
    ending: AbortHandle,
    figures: Option<LegFigures>,
    answer: Option<oneshot::Sender<Result<String, String>>>,
}

impl EchoTests {
    /// No tests yet; their legs are to live on `pool`.
    pub fn new(pool: Arc<MediaPool>) -> Self {
        EchoTests(Arc::new(Inner { pool, next_leg: AtomicU64::new(FIRST_LEG), books: Mutex::default() }))
    }

    /// Takes a fact about one of our legs; `false` when it is about a leg of the switch.
    pub fn hear(&self, fact: &Fact) -> bool {
        let leg = fact.leg();
        if leg.0 < FIRST_LEG {
            return false;
        }
        let mut books = self.lock();
        let found = books.tests.iter_mut().find(|(_, test)| test.leg == leg);
        let Some((id, test)) = found else { return true };
        match fact {
            Fact::AnswerMade { sdp, .. } => {
                test.answer.take().map(|answer| answer.send(Ok(sdp.clone())));
                let worker = test.worker;
                drop(books);
                self.ask(worker, Order::Echo { leg });
            }
            // whoever waits for the answer finds that there was no room
            Fact::Refused { why: Unsupported::Overloaded, .. } => test.answer = None,
            Fact::Refused { why, .. } => {
                test.answer.take().map(|answer| answer.send(Err(why.to_string())));
            }
            Fact::Figures { figures, .. } => test.figures = Some(*figures),
            Fact::Lost { .. } | Fact::Crashed { .. } => {
                let id = id.clone();
                drop(books);
                self.close(&id);
            }
            _ => {}
        }
        true
    }

    /// Starts a test for `address`: its id and the way its answer comes.
    fn open(&self, address: IpAddr, offer: String, now: Instant) -> Result<(String, AnswerComes), Refused> {
        let network = network_of(address);
        let id: String =
            random_bytes::<16>().map_err(|_| Refused::Full)?.iter().map(|b| format!("{b:02x}")).collect();
        let mut books = self.lock();
        books.admit(network, now)?;
        let worker = self.0.pool.pick().ok_or(Refused::Full)?;
        books.charge(network, now);
        let leg = LegId(self.0.next_leg.fetch_add(1, Ordering::Relaxed));
        let (sender, comes) = oneshot::channel();
        let (ours, ending) = (self.clone(), id.clone());
        let ending = tokio::spawn(async move {
            tokio::time::sleep(LONGEST).await;
            ours.close(&ending);
        });
        let ending = ending.abort_handle();
        let test = Test { leg, worker, network, started: now, ending, figures: None, answer: Some(sender) };
        books.tests.insert(id.clone(), test);
        drop(books);
        self.ask(
            worker,
            Order::AcceptOffer { leg, offer, codecs: CodecPreference::Any, style: Style::WebRtc },
        );
        Ok((id, comes))
    }

    fn close(&self, id: &str) -> bool {
        let Some(test) = self.lock().tests.remove(id) else { return false };
        test.ending.abort();
        self.ask(test.worker, Order::Close { leg: test.leg });
        true
    }

    fn ask(&self, worker: WorkerId, order: Order) {
        if let Err(refused) = self.0.pool.order(worker, order) {
            self.hear(&refused);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // a panic while it was held cannot have left it half changed: each change is one insert or remove
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn admit(&self, network: IpAddr, now: Instant) -> Result<(), Refused> {
        if let Some(running) = self.tests.values().find(|test| test.network == network) {
            let over = running.started + LONGEST;
            return Err(Refused::Running(over.saturating_duration_since(now)));
        }
        let used = self.empty_at.get(&network).map(|empty_at| empty_at.saturating_duration_since(now));
        let wait = used.unwrap_or_default().saturating_sub(REFILL * (BURST - 1));
        if !wait.is_zero() {
            return Err(Refused::TooMany(wait));
        }
        if self.tests.len() >= MOST_TESTS { Err(Refused::Full) } else { Ok(()) }
    }

    fn charge(&mut self, network: IpAddr, now: Instant) {
        if self.empty_at.len() >= MOST_NETWORKS {
            self.empty_at.retain(|_, empty_at| *empty_at > now);
        }
        if self.empty_at.len() >= MOST_NETWORKS {
            self.empty_at.clear();
        }
        let empty_at = self.empty_at.entry(network).or_insert(now);
        *empty_at = (*empty_at).max(now) + REFILL;
    }
}

type AnswerComes = oneshot::Receiver<Result<String, String>>;

#[derive(Debug)]
enum Refused {
    Running(Duration),
    TooMany(Duration),
    Full,
}

/// `POST /echo/session`: an SDP offer, answered by 201 with the answer and the `Location` of the test.
///
/// # Errors
/// 415 unless the body is `application/sdp`, 429 with `Retry-After` while this network has a test running or has had
/// too many, 488 for an offer that cannot be answered, 503 when there is no room.
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
    let (id, comes) = match app.echo_tests.open(peer.address, offer, Instant::now()) {
        Ok(opened) => opened,
        Err(Refused::Running(left)) => return too_many(TEST_RUNNING, left),
        Err(Refused::TooMany(wait)) => return too_many(TOO_MANY_TESTS, wait),
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

fn too_many(error: ApiError, wait: Duration) -> Response {
    let mut response = error.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    response
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

/// `DELETE /echo/session/{id}`: ends a test. One that is over, because its time was up or its path is gone, is as its
/// page wants it, so the answer is the same (RFC 9110 §9.2.2).
pub async fn close_echo(
    State(app): State<AppState>,
    _origin: OriginCheck,
    Path(id): Path<String>,
) -> Response {
    app.echo_tests.close(&id);
    StatusCode::NO_CONTENT.into_response()
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
    let books = app.echo_tests.lock();
    let Some(test) = books.tests.get(&id) else { return ApiError::NOT_FOUND.into_response() };
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

const TEST_RUNNING: ApiError = ApiError::new(
    StatusCode::TOO_MANY_REQUESTS,
    "TestRunning",
    "A sound test is already running from this address; it ends within a minute",
);
const TOO_MANY_TESTS: ApiError = ApiError::new(
    StatusCode::TOO_MANY_REQUESTS,
    "TooManyTests",
    "There were many sound tests from this address; please wait a little",
);
const NO_ROOM: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NoRoom", "Too many sound tests are running");
/// HTTP has no word for it; SIP's 488 says it exactly (RFC 3261 §21.4.26).
const NOT_ACCEPTABLE_HERE: StatusCode = match StatusCode::from_u16(488) {
    Ok(status) => status,
    Err(_) => StatusCode::UNPROCESSABLE_ENTITY,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Config;

    const HOME: &str = "2001:db8:1:2::3";

    fn echo_tests() -> EchoTests {
        let addresses = vec![IpAddr::from([127, 0, 0, 1])];
        let rtp_ports = "20000-29999".parse().expect("a range");
        let (epoch, seed) = (Instant::now(), [3; 32]);
        let config = Config { addresses, port: 0, rtp_ports, workers: 1, epoch, seed };
        let (pool, _facts) = MediaPool::start(config).expect("loopback is free");
        EchoTests::new(Arc::new(pool))
    }

    fn open(tests: &EchoTests, address: &str, now: Instant) -> Result<String, Refused> {
        tests.open(address.parse().expect("an address"), "v=0\r\n".into(), now).map(|(id, _)| id)
    }

    #[tokio::test]
    async fn one_test_runs_in_a_network_and_others_beside_it() {
        let (tests, now) = (echo_tests(), Instant::now());
        let first = open(&tests, HOME, now).unwrap();
        let later = now + Duration::from_secs(20);
        let neighbour = open(&tests, "2001:db8:1:2:ffff::4", later);
        assert!(matches!(neighbour, Err(Refused::Running(left)) if left == Duration::from_secs(40)));
        for elsewhere in ["2001:db8:1:3::3", "192.0.2.1", "192.0.2.2"] {
            open(&tests, elsewhere, later).unwrap();
        }
        assert!(tests.close(&first) && !tests.close(&first));
        open(&tests, "2001:db8:1:2:ffff::4", later).unwrap();
    }

    #[tokio::test]
    async fn tests_in_a_row_come_to_ten_and_then_ten_a_minute() {
        let (tests, now) = (echo_tests(), Instant::now());
        let run = |from: u64, to: u64| {
            let seconds = (from..to).map(|second| now + Duration::from_secs(second));
            seconds.filter(|at| open(&tests, HOME, *at).is_ok_and(|id| tests.close(&id))).count()
        };
        assert_eq!(run(0, 60), 10 + 9);
        assert_eq!(run(60, 660), 100);
        assert!(matches!(open(&tests, HOME, now + Duration::from_secs(659)), Err(Refused::TooMany(_))));
    }

    #[test]
    fn the_count_of_networks_is_bounded() {
        let mut books = Books::default();
        let now = Instant::now();
        for number in 0..3 * MOST_NETWORKS as u32 {
            books.charge(IpAddr::from((0x0a00_0000 | number).to_be_bytes()), now);
        }
        assert!(books.empty_at.len() <= MOST_NETWORKS);
    }

    #[tokio::test]
    async fn a_test_that_is_over_leaves_no_task_behind() {
        let (tests, now) = (echo_tests(), Instant::now());
        let id = open(&tests, HOME, now).unwrap();
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert_eq!(tasks(), 1);
        assert!(tests.close(&id));
        tokio::task::yield_now().await;
        assert_eq!(tasks(), 0);
    }
}
