//! What can be asked for by `getConfig` and `getList`.

/// The `objectType` of `getConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigObject {
    /// The user's own line; answered by `LineConfig`.
    Line,
    /// Any other text; no such configuration is known.
    Other(String),
}

impl ConfigObject {
    pub(crate) fn from_name(name: String) -> Self {
        if name == "line" { ConfigObject::Line } else { ConfigObject::Other(name) }
    }

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            ConfigObject::Line => "line",
            ConfigObject::Other(name) => name,
        }
    }
}

/// The `objectType` of `getList`. Asking for a list also subscribes the session to its later changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// Queue definitions.
    Queue,
    /// Agent definitions.
    Agent,
    /// Which agent is in which queue.
    QueueMember,
    /// The default memberships of all users.
    BaseQueueMember,
    /// Agent groups.
    AgentGroup,
    /// Audio conference rooms.
    Meetme,
    /// Any other text; no such list is known.
    Other(String),
}

impl List {
    const KNOWN: [(List, &'static str, &'static str); 6] = [
        (List::Queue, "queue", "QueueList"),
        (List::Agent, "agent", "AgentList"),
        (List::QueueMember, "queuemember", "QueueMemberList"),
        (List::BaseQueueMember, "basequeuemember", "UsersQueueDefaultMembership"),
        (List::AgentGroup, "agentgroup", "AgentGroupList"),
        (List::Meetme, "meetme", "ConferenceList"),
    ];

    pub(crate) fn from_name(name: String) -> Self {
        List::KNOWN
            .into_iter()
            .find(|(_, known, _)| *known == name)
            .map_or(List::Other(name), |(list, ..)| list)
    }

    pub(crate) fn from_answer(msg_type: &str) -> Option<Self> {
        List::KNOWN.into_iter().find(|(.., answer)| *answer == msg_type).map(|(list, ..)| list)
    }

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            List::Other(name) => name,
            list => List::KNOWN.iter().find(|(known, ..)| known == list).map_or("", |(_, name, _)| name),
        }
    }

    /// The `msgType` that answers, if the list is a known one.
    pub fn answer(&self) -> Option<&'static str> {
        List::KNOWN.iter().find(|(known, ..)| known == self).map(|(.., answer)| *answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_answers_are_read_back() {
        for (list, name, answer) in List::KNOWN {
            assert_eq!(List::from_name(name.to_owned()), list);
            assert_eq!(list.as_str(), name);
            assert_eq!(List::from_answer(answer), Some(list.clone()));
            assert_eq!(list.answer(), Some(answer));
        }
        assert_eq!(List::from_name("toaster".into()).as_str(), "toaster");
        assert_eq!(List::from_name("toaster".into()).answer(), None);
    }
}
