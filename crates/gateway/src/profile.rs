use model::{AgentId, LineId, PhoneNumber, Role, UserId};

/// Who a session belongs to, as its token and the store say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The user.
    pub user: UserId,
    /// The CTI login.
    pub login: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// The mobile number, empty if none is known.
    pub mobile_number: String,
    /// What the user may do.
    pub role: Role,
    /// The user's agent, if he is one.
    pub agent: Option<AgentId>,
    /// The user's line, if he has one.
    pub line: Option<LineProfile>,
}

impl Profile {
    /// First and last name, as far as there are any.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }
}

/// A user's line, with the password minted for this login.
#[derive(Clone, PartialEq, Eq)]
pub struct LineProfile {
    /// The line.
    pub id: LineId,
    /// Its number.
    pub number: PhoneNumber,
    /// Its SIP account.
    pub account: String,
    /// The SIP password of this login.
    pub password: String,
    /// Host of the SIP WebSocket, for pages that do not name one themselves.
    pub host: String,
}

impl std::fmt::Debug for LineProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LineProfile {{ id: {}, account: {} }}", self.id, self.account)
    }
}

/// STUN and TURN servers that pages shall use, all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServers {
    /// `stun:` URIs.
    pub stun: Vec<String>,
    /// A TURN server with fixed credentials.
    pub turn: Option<Turn>,
}

/// A TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    /// `turn:` URIs.
    pub urls: Vec<String>,
    /// User name.
    pub username: String,
    /// Password.
    pub credential: String,
    /// Seconds that the credential is good for.
    pub ttl: u32,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Turn {{ urls: {:?} }}", self.urls)
    }
}
