use serde::{Deserialize, Serialize};

/// What a user may do. The wire calls it the security profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Calls, no queues.
    User,
    /// Takes calls from queues.
    Agent,
    /// Sees and steers the queues and groups given to him.
    Supervisor,
    /// Sees and steers everything.
    Administrator,
}

impl Role {
    /// The name kept in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Agent => "agent",
            Role::Supervisor => "supervisor",
            Role::Administrator => "administrator",
        }
    }

    /// The role of that stored name.
    pub fn from_name(name: &str) -> Option<Role> {
        [Role::User, Role::Agent, Role::Supervisor, Role::Administrator]
            .into_iter()
            .find(|r| r.as_str() == name)
    }
}
