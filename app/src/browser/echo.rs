//! The page's side of the echo test: our voice goes to the server and must come back as our own.
//!
//! The offer goes to `/echo/session` by HTTP, as in WHIP (RFC 9725). No login is needed; desk and SIP are not known here.

mod figures;
mod likeness;
mod run;
mod session;

use leptos::prelude::*;

pub use figures::Figures;
use run::Run;

use crate::signal::{ReadSignal, WriteSignal, signal};

/// The server ends a test after this many seconds.
pub const LIMIT_SECONDS: u32 = 60;

/// Where a test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// None is running.
    Idle,
    /// The microphone and the path are being opened.
    Starting,
    /// Sound goes and comes.
    Running,
    /// It is over.
    Done(Ended),
}

/// Why a test is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person ended it.
    Finished,
    /// The server's limit was reached.
    TimeUp,
    /// It could not go on; see [`EchoTest::problem`].
    Failed,
}

/// What stopped a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoProblem {
    /// The person or a policy refused the microphone.
    MicrophoneRefused,
    /// There is none.
    MicrophoneMissing,
    /// Another program holds it.
    MicrophoneBusy,
    /// The page is neither HTTPS nor localhost.
    Insecure,
    /// A test runs from this address already.
    Busy,
    /// The server cannot be reached.
    Unreachable,
    /// The signalling works, and no sound passes.
    NoSoundPath,
    /// The server could not do it.
    Server,
}

impl EchoProblem {
    /// What happened and what to do, as a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            EchoProblem::MicrophoneRefused => {
                "The microphone is not allowed. Allow it for this page in the browser's address bar, then run the test again."
            }
            EchoProblem::MicrophoneMissing => {
                "No microphone was found. Plug one in, then run the test again."
            }
            EchoProblem::MicrophoneBusy => {
                "Another program uses the microphone. Close that program, then run the test again."
            }
            EchoProblem::Insecure => {
                "Browsers give a microphone to secure pages only. Open this page with https:// instead."
            }
            EchoProblem::Busy => {
                "A test is running from your address already. Wait a minute, then run it again."
            }
            EchoProblem::Unreachable => {
                "The server cannot be reached. Check your network, then run the test again."
            }
            EchoProblem::NoSoundPath => {
                "The server answers, but no sound can pass. A firewall probably blocks UDP; ask who runs your network."
            }
            EchoProblem::Server => "The server could not run the test. Try again in a moment.",
        }
    }

    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            EchoProblem::MicrophoneRefused => "microphone-refused",
            EchoProblem::MicrophoneMissing => "microphone-missing",
            EchoProblem::MicrophoneBusy => "microphone-busy",
            EchoProblem::Insecure => "insecure",
            EchoProblem::Busy => "busy",
            EchoProblem::Unreachable => "unreachable",
            EchoProblem::NoSoundPath => "no-sound-path",
            EchoProblem::Server => "server",
        }
    }
}

/// How long each step took, in milliseconds from the click; `answer` from the offer, `connected` from the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Until the microphone was open; a question to the person is in it.
    pub microphone: Option<u32>,
    /// Until the server had answered a first request.
    pub reached: Option<u32>,
    /// From our offer to the server's answer.
    pub answer: Option<u32>,
    /// From the answer until ICE and DTLS were up.
    pub connected: Option<u32>,
    /// From then until the first sound came back.
    pub first_sound: Option<u32>,
}

/// What the two ears hear.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Meters {
    /// Our voice: 0 at −60 dBFS and below, 1 at 0 dBFS.
    pub sent: f32,
    /// What comes back, on the same scale.
    pub returned: f32,
    /// How alike the two are, −1 to 1; none while too little is heard to tell.
    pub matches: Option<f32>,
    /// Whether what comes back is our own sound.
    pub own_sound: Option<bool>,
}

/// The result in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Our own sound comes back, and the network is good.
    Good,
    /// It comes back, with delay or loss that some will notice.
    Fair,
    /// It comes back badly.
    Poor,
    /// We say nothing that the test could hear.
    Quiet,
    /// We are heard going out, and nothing of it comes back.
    Silent,
    /// The test could not run.
    Failed(EchoProblem),
}

impl Verdict {
    /// The sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Verdict::Good => "Your phone works. The sound is good.",
            Verdict::Fair => "Your phone works. The network is a little slow or loses some sound.",
            Verdict::Poor => "Callers will hear gaps or a long delay: your network loses sound or is slow.",
            Verdict::Quiet => {
                "Your microphone is silent. Say something, or choose another one in the browser's address bar."
            }
            Verdict::Silent => "Your voice leaves this computer, but it does not come back.",
            Verdict::Failed(problem) => problem.text(),
        }
    }

    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Fair => "fair",
            Verdict::Poor => "poor",
            Verdict::Quiet => "quiet",
            Verdict::Silent => "silent",
            Verdict::Failed(_) => "failed",
        }
    }

    /// The bounds are those of the desk's quality chip: loss over 3 % or a round trip over 400 ms is heard by all, over
    /// 1 % or 200 ms by some.
    fn of(meters: Meters, figures: &Figures) -> Option<Verdict> {
        let loss = figures.lost_percent.unwrap_or_default();
        let rtt = figures.rtt_ms.unwrap_or_default();
        let jitter = figures.jitter_ms.unwrap_or_default();
        match meters.own_sound? {
            false => Some(Verdict::Silent),
            true if loss > 3.0 || rtt > 400.0 => Some(Verdict::Poor),
            true if loss > 1.0 || rtt > 200.0 || jitter > 30.0 => Some(Verdict::Fair),
            true => Some(Verdict::Good),
        }
    }
}

/// One echo test after another, as signals.
#[derive(Clone, Copy)]
pub struct EchoTest {
    /// Where it stands.
    pub phase: ReadSignal<Phase>,
    /// What stopped it.
    pub problem: ReadSignal<Option<EchoProblem>>,
    /// How long each step took.
    pub timings: ReadSignal<Timings>,
    /// What the two ears hear, ten times a second.
    pub meters: ReadSignal<Meters>,
    /// What the network does, each second.
    pub figures: ReadSignal<Figures>,
    /// Seconds since sound can pass.
    pub elapsed: ReadSignal<u32>,
    /// The result so far.
    pub verdict: ReadSignal<Option<Verdict>>,
    shown: Shown,
    run: StoredValue<Option<Run>, LocalStorage>,
}

#[derive(Clone, Copy)]
struct Shown {
    phase: WriteSignal<Phase>,
    problem: WriteSignal<Option<EchoProblem>>,
    timings: WriteSignal<Timings>,
    meters: WriteSignal<Meters>,
    figures: WriteSignal<Figures>,
    elapsed: WriteSignal<u32>,
    verdict: WriteSignal<Option<Verdict>>,
}

impl EchoTest {
    /// Nothing runs yet.
    pub fn new() -> EchoTest {
        let phase = signal(Phase::Idle);
        let problem = signal(None);
        let timings = signal(Timings::default());
        let meters = signal(Meters::default());
        let figures = signal(Figures::default());
        let elapsed = signal(0);
        let verdict = signal(None);
        EchoTest {
            phase: phase.0,
            problem: problem.0,
            timings: timings.0,
            meters: meters.0,
            figures: figures.0,
            elapsed: elapsed.0,
            verdict: verdict.0,
            shown: Shown {
                phase: phase.1,
                problem: problem.1,
                timings: timings.1,
                meters: meters.1,
                figures: figures.1,
                elapsed: elapsed.1,
                verdict: verdict.1,
            },
            run: StoredValue::new_local(None),
        }
    }

    /// Starts afresh; call it from a click, so that the browser lets sound out.
    pub fn start(&self) {
        self.run.set_value(None);
        self.shown.reset();
        self.run.set_value(Some(Run::start(self.shown)));
    }

    /// Ends the test; its result stays.
    pub fn stop(&self) {
        let was_running = self.run.with_value(Option::is_some);
        self.run.set_value(None);
        let busy = matches!(self.phase.get_untracked(), Phase::Starting | Phase::Running);
        if was_running && busy {
            self.shown.phase.set(Phase::Done(Ended::Finished));
        }
    }
}

impl Default for EchoTest {
    fn default() -> Self {
        EchoTest::new()
    }
}

impl Shown {
    fn reset(&self) {
        self.phase.set(Phase::Starting);
        self.problem.set(None);
        self.timings.set(Timings::default());
        self.meters.set(Meters::default());
        self.figures.set(Figures::default());
        self.elapsed.set(0);
        self.verdict.set(None);
    }

    fn fail(&self, problem: EchoProblem) {
        self.problem.set(Some(problem));
        self.verdict.set(Some(Verdict::Failed(problem)));
        self.phase.set(Phase::Done(Ended::Failed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_follows_the_sound_first_and_the_network_second() {
        let own = Meters { own_sound: Some(true), ..Meters::default() };
        let foreign = Meters { own_sound: Some(false), ..Meters::default() };
        let network =
            |loss, rtt| Figures { lost_percent: Some(loss), rtt_ms: Some(rtt), ..Figures::default() };
        assert_eq!(Verdict::of(Meters::default(), &network(0.0, 20.0)), None);
        assert_eq!(Verdict::of(foreign, &network(0.0, 20.0)), Some(Verdict::Silent));
        assert_eq!(Verdict::of(own, &network(0.0, 20.0)), Some(Verdict::Good));
        assert_eq!(Verdict::of(own, &network(2.0, 20.0)), Some(Verdict::Fair));
        assert_eq!(Verdict::of(own, &network(0.0, 450.0)), Some(Verdict::Poor));
    }
}
