use softphone::MediaFailure;

/// Whether somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Nobody is.
    SignedOut {
        /// Why not, if it did not go as wished.
        problem: Option<SignInProblem>,
    },
    /// Login and password, or a kept session, are being checked.
    SigningIn,
    /// This user is.
    SignedIn {
        /// The login.
        login: String,
    },
}

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInProblem {
    /// Login or password is wrong; which of them is not told.
    WrongPassword,
    /// Too many attempts in a short time.
    TooManyAttempts,
    /// The session is no longer valid.
    SessionExpired,
    /// The server cannot be reached.
    Unreachable,
    /// The server answered with something else.
    ServerFailed,
}

impl SignInProblem {
    /// What happened and what to do, as a sentence.
    pub const fn text(&self) -> &'static str {
        match self {
            SignInProblem::WrongPassword => "Login or password is wrong. Check both and try again.",
            SignInProblem::TooManyAttempts => "Too many attempts. Wait a minute, then try again.",
            SignInProblem::SessionExpired => "Your session has ended. Sign in again.",
            SignInProblem::Unreachable => "The server cannot be reached. Check your network and try again.",
            SignInProblem::ServerFailed => "The server could not sign you in. Try again in a moment.",
        }
    }

    /// A name for tests: `wrong-password`, `too-many-attempts`, …
    pub const fn slug(&self) -> &'static str {
        match self {
            SignInProblem::WrongPassword => "wrong-password",
            SignInProblem::TooManyAttempts => "too-many-attempts",
            SignInProblem::SessionExpired => "session-expired",
            SignInProblem::Unreachable => "unreachable",
            SignInProblem::ServerFailed => "server-failed",
        }
    }
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UserCard {
    /// The login.
    pub login: String,
    /// First and last name; the login until the server tells.
    pub full_name: String,
    /// Whether the user is an agent of the contact centre.
    pub is_agent: bool,
}

/// The user's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineCard {
    /// The number others dial; empty if the server does not tell.
    pub number: String,
    /// The SIP account.
    pub account: String,
    /// Whether this page can be its phone.
    pub in_browser: bool,
}

/// What the agent is doing, for the status bar and the page's heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskState {
    /// Nobody is signed in.
    SignedOut,
    /// The page has not reached the server yet.
    Connecting,
    /// No call, and calls can come.
    Ready,
    /// No call; the line has a desk phone.
    DeskPhone,
    /// The user has no line.
    NoLine,
    /// A call rings.
    Ringing,
    /// A call is being made.
    Dialling,
    /// Talking.
    OnCall,
    /// All answered calls are on hold.
    OnHold,
    /// The line is not registered.
    PhoneLost,
    /// The phone is not in this page, and the server that tells of it is gone.
    ServerLost,
}

impl DeskState {
    /// The word on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            DeskState::SignedOut => "Signed out",
            DeskState::Connecting => "Connecting…",
            DeskState::Ready => "Ready",
            DeskState::DeskPhone => "Desk phone",
            DeskState::NoLine => "No phone line",
            DeskState::Ringing => "Incoming call",
            DeskState::Dialling => "Calling…",
            DeskState::OnCall => "On call",
            DeskState::OnHold => "On hold",
            DeskState::PhoneLost => "Phone disconnected",
            DeskState::ServerLost => "Server disconnected",
        }
    }

    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            DeskState::SignedOut => "signed-out",
            DeskState::Connecting => "connecting",
            DeskState::Ready => "ready",
            DeskState::DeskPhone => "desk-phone",
            DeskState::NoLine => "no-line",
            DeskState::Ringing => "ringing",
            DeskState::Dialling => "dialling",
            DeskState::OnCall => "on-call",
            DeskState::OnHold => "on-hold",
            DeskState::PhoneLost => "phone-lost",
            DeskState::ServerLost => "server-lost",
        }
    }

    /// What can be done now, in one sentence; empty where the calls say it.
    pub const fn about(self, tab: Tab) -> &'static str {
        match (self, tab) {
            (DeskState::Ready, Tab::Other) => "Your calls ring in the other tab.",
            (DeskState::Ready, _) => "Calls ring here. Or dial a colleague, a number, or the echo test.",
            (DeskState::Ringing, _) => "Answer or decline it in the card.",
            (DeskState::Connecting, _) => "Calls reach you in a moment.",
            (DeskState::DeskPhone, _) => "Calls ring at your desk phone. This page shows and steers them.",
            (DeskState::NoLine, _) => "Calls cannot reach you. Ask for a line if you need one.",
            (DeskState::PhoneLost, _) => "Calls cannot reach you until the phone is connected again.",
            (DeskState::ServerLost, _) => "What happens is not shown until the server is back.",
            _ => "",
        }
    }
}

/// Which tab of this user has the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// Not known yet.
    Asking,
    /// This one: it rings, and sound is here.
    Owner,
    /// Another tab or window; this one mirrors it.
    Other,
}

impl Tab {
    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            Tab::Asking => "asking",
            Tab::Owner => "owner",
            Tab::Other => "other",
        }
    }
}

/// How the microphone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Microphone {
    /// Nobody has asked for it yet.
    Unknown,
    /// It gave sound when last asked for.
    Ready,
    /// The person or a policy refused it.
    Refused,
    /// There is none.
    Missing,
    /// Another program holds it.
    Busy,
    /// The page is neither HTTPS nor localhost.
    Insecure,
}

impl Microphone {
    /// What a failure tells about it; nothing, if the failure lies elsewhere.
    pub const fn after(failure: MediaFailure) -> Option<Microphone> {
        match failure {
            MediaFailure::MicrophoneRefused => Some(Microphone::Refused),
            MediaFailure::MicrophoneMissing => Some(Microphone::Missing),
            MediaFailure::MicrophoneBusy => Some(Microphone::Busy),
            MediaFailure::InsecurePage => Some(Microphone::Insecure),
            MediaFailure::Negotiation => None,
        }
    }

    /// What is wrong and what to do, if something is wrong.
    pub const fn problem(self) -> Option<&'static str> {
        match self {
            Microphone::Unknown | Microphone::Ready => None,
            Microphone::Refused => {
                Some("The microphone is not allowed. Allow it for this page in the browser's address bar.")
            }
            Microphone::Missing => Some("No microphone was found. Plug one in, then try again."),
            Microphone::Busy => {
                Some("Another program uses the microphone. Close that program, then try again.")
            }
            Microphone::Insecure => {
                Some("Browsers give a microphone to secure pages only. Open this page with https:// instead.")
            }
        }
    }

    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            Microphone::Unknown => "unknown",
            Microphone::Ready => "ready",
            Microphone::Refused => "refused",
            Microphone::Missing => "missing",
            Microphone::Busy => "busy",
            Microphone::Insecure => "insecure",
        }
    }
}
