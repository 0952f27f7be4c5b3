use std::fmt;

use model::{AgentId, LineId, PhoneNumber, Role, UserId};

/// A person with a CTI login.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Chosen by the store, never used again.
    pub id: UserId,
    /// CTI login, unique.
    pub login: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// A PHC string.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
    /// Whether the user may log in.
    pub enabled: bool,
    /// Number of the user's mobile phone.
    pub mobile_number: Option<PhoneNumber>,
    /// The agent that the user is; unique.
    pub agent_id: Option<AgentId>,
}

impl User {
    /// First and last name as shown; the login if both are empty.
    pub fn full_name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => self.login.clone(),
            name => name.to_owned(),
        }
    }
}

/// A user to be added.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// See [`User::login`].
    pub login: String,
    /// See [`User::first_name`].
    pub first_name: String,
    /// See [`User::last_name`].
    pub last_name: String,
    /// See [`User::password_hash`].
    pub password_hash: String,
    /// See [`User::role`].
    pub role: Role,
    /// See [`User::enabled`].
    pub enabled: bool,
    /// See [`User::mobile_number`].
    pub mobile_number: Option<PhoneNumber>,
    /// See [`User::agent_id`].
    pub agent_id: Option<AgentId>,
}

impl NewUser {
    /// An enabled user without names; no password fits until a hash is set.
    pub fn of(login: &str, role: Role) -> Self {
        NewUser {
            login: login.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            password_hash: String::new(),
            role,
            enabled: true,
            mobile_number: None,
            agent_id: None,
        }
    }

    /// The user with the id that a store has chosen.
    pub fn with_id(self, id: UserId) -> User {
        let NewUser { login, first_name, last_name, password_hash, role, enabled, mobile_number, agent_id } =
            self;
        User { id, login, first_name, last_name, password_hash, role, enabled, mobile_number, agent_id }
    }
}

/// The password hash stays out of it.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("User");
        fields.field("id", &self.id).field("login", &self.login).field("role", &self.role);
        fields.field("enabled", &self.enabled).field("agent_id", &self.agent_id).finish_non_exhaustive()
    }
}

/// The password hash stays out of it.
impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("login", &self.login)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A phone line: a SIP account with a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Chosen by the store, never used again.
    pub id: LineId,
    /// Whose line it is.
    pub user_id: UserId,
    /// The number under which it is called, unique.
    pub number: PhoneNumber,
    /// SIP account, unique.
    pub name: String,
    /// Whether it is used from a browser.
    pub webrtc: bool,
}

/// A line to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLine {
    /// See [`Line::user_id`].
    pub user_id: UserId,
    /// See [`Line::number`].
    pub number: PhoneNumber,
    /// See [`Line::name`].
    pub name: String,
    /// See [`Line::webrtc`].
    pub webrtc: bool,
}

impl NewLine {
    /// The line with the id that a store has chosen.
    pub fn with_id(self, id: LineId) -> Line {
        let NewLine { user_id, number, name, webrtc } = self;
        Line { id, user_id, number, name, webrtc }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_names_is_called_by_the_login() {
        let mut user = NewUser::of("anna", Role::User).with_id(UserId(1));
        assert_eq!(user.full_name(), "anna");
        user.last_name = "Roche".into();
        assert_eq!(user.full_name(), "Roche");
        user.first_name = "Anna".into();
        assert_eq!(user.full_name(), "Anna Roche");
    }

    #[test]
    fn password_hashes_are_not_printed() {
        let user = NewUser { password_hash: "hidden".into(), ..NewUser::of("anna", Role::User) };
        assert!(!format!("{user:?} {:?}", user.clone().with_id(UserId(1))).contains("hidden"));
    }
}
