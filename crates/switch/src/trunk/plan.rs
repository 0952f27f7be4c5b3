use std::collections::BTreeMap;

use model::{PhoneNumber, UserId};
use timing::Duration;

use super::{Limits, Rights, Trunk, TrunkId};
use crate::numbering::{Fare, Numbering, Outside, Pattern};

/// All that is known of the outside: trunks, routes, numbers and rights.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// How numbers are dialled here.
    pub numbering: Numbering,
    /// The ways to the outside.
    pub trunks: Vec<Trunk>,
    /// Which numbers go which way; the first that fits decides.
    pub routes: Vec<Route>,
    /// Our numbers in canonical form, and whom they ring.
    pub dids: BTreeMap<PhoneNumber, Did>,
    /// What a user may call of whom nothing else is said.
    pub rights: Rights,
    /// What these users may call.
    pub rights_of: BTreeMap<UserId, Rights>,
    /// How much a user may call outside.
    pub limits: Limits,
}

/// Which numbers go which way.
#[derive(Clone, Debug)]
pub struct Route {
    /// What people call it.
    pub name: String,
    /// The numbers, in canonical form.
    pub patterns: Vec<Pattern>,
    /// The trunks to try, in this order.
    pub trunks: Vec<TrunkId>,
    /// How many characters to take off the front of the number as the trunk writes it.
    pub strip: usize,
    /// What to put in front then.
    pub prepend: String,
    /// How long a call may last.
    pub longest: Option<Duration>,
    /// Trunks whose callers may go this way too; our users always may.
    pub from: Vec<TrunkId>,
}

/// Whom one of our numbers rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// A line or service, by its internal number.
    Internal(PhoneNumber),
}

/// Who wants to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One of our users.
    User(UserId),
    /// A caller that a trunk has brought.
    Trunk(TrunkId),
}

/// One way to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// By which trunk.
    pub trunk: TrunkId,
    /// The number as the trunk is to hear it.
    pub number: String,
    /// How long the call may last.
    pub longest: Option<Duration>,
}

impl Plan {
    /// The trunk of that handle.
    pub fn trunk(&self, id: TrunkId) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.id == id)
    }

    /// What somebody may call.
    pub fn rights_of(&self, user: UserId) -> &Rights {
        self.rights_of.get(&user).unwrap_or(&self.rights)
    }

    /// The ways to a number, in the order in which they are to be tried.
    ///
    /// An emergency number goes every way there is, after those of a route that names it.
    pub fn attempts(&self, outside: &Outside, from: Origin) -> Vec<Attempt> {
        let number = outside.number.as_str();
        let open = |route: &&Route| match from {
            Origin::User(_) => true,
            Origin::Trunk(trunk) => route.from.contains(&trunk),
        };
        let fits = |route: &&Route| route.patterns.iter().any(|pattern| pattern.matches(number));
        let route = self.routes.iter().filter(open).find(fits);
        let mut attempts: Vec<Attempt> = Vec::new();
        if let Some(route) = route {
            let trunks = route.trunks.iter().filter_map(|id| self.trunk(*id));
            attempts.extend(trunks.map(|trunk| self.attempt(route, trunk, outside)));
        }
        if outside.fare == Fare::Emergency && matches!(from, Origin::User(_)) {
            let known: Vec<TrunkId> = attempts.iter().map(|attempt| attempt.trunk).collect();
            let others = self.trunks.iter().filter(|trunk| !known.contains(&trunk.id));
            attempts.extend(others.map(|trunk| Attempt {
                trunk: trunk.id,
                number: number.to_owned(),
                longest: None,
            }));
        }
        attempts
    }

    /// Numbers change only here: in the form of the trunk first, then as the route says.
    fn attempt(&self, route: &Route, trunk: &Trunk, outside: &Outside) -> Attempt {
        let written = trunk.format.write(&outside.number, &self.numbering);
        let left: String = written.chars().skip(route.strip).collect();
        let longest = match outside.fare {
            Fare::Emergency => None,
            Fare::Class(_) => route.longest,
        };
        Attempt { trunk: trunk.id, number: format!("{}{left}", route.prepend), longest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbering::NumberFormat;

    fn plan() -> Plan {
        let trunk = |id, format| Trunk { id: TrunkId(id), format, ..Trunk::sample() };
        let route = |name: &str, pattern: &str, trunks: &[u32]| Route {
            name: name.into(),
            patterns: vec![pattern.parse().unwrap()],
            trunks: trunks.iter().map(|id| TrunkId(*id)).collect(),
            strip: 0,
            prepend: String::new(),
            longest: Some(Duration::from_secs(3600)),
            from: Vec::new(),
        };
        Plan {
            trunks: vec![trunk(1, NumberFormat::E164), trunk(2, NumberFormat::National)],
            routes: vec![
                Route { strip: 1, prepend: "9".into(), ..route("mobile", "_+33[67]XXXXXXXX", &[2]) },
                Route { from: vec![TrunkId(1)], ..route("home", "+33", &[1, 2]) },
            ],
            ..Plan::default()
        }
    }

    fn ways(plan: &Plan, dialled: &str, from: Origin) -> Vec<(u32, String)> {
        let outside = plan.numbering.outside(&dialled.parse().unwrap()).unwrap();
        plan.attempts(&outside, from).into_iter().map(|way| (way.trunk.0, way.number)).collect()
    }

    #[test]
    fn the_first_route_that_fits_says_the_trunks_and_the_number() {
        let (plan, user) = (plan(), Origin::User(UserId(1)));
        assert_eq!(ways(&plan, "0612345678", user), [(2, "9612345678".into())]);
        assert_eq!(ways(&plan, "0144500210", user), [(1, "+33144500210".into()), (2, "0144500210".into())]);
        assert_eq!(ways(&plan, "0044207123456", user), []);
    }

    #[test]
    fn a_trunks_callers_go_only_where_a_route_lets_them() {
        let plan = plan();
        assert_eq!(ways(&plan, "0144500210", Origin::Trunk(TrunkId(1))).len(), 2);
        assert_eq!(ways(&plan, "0144500210", Origin::Trunk(TrunkId(2))), []);
        // the mobile route is not theirs, the wider one is
        assert_eq!(ways(&plan, "0612345678", Origin::Trunk(TrunkId(1)))[0], (1, "+33612345678".into()));
        assert_eq!(ways(&plan, "112", Origin::Trunk(TrunkId(1))), []);
    }

    #[test]
    fn an_emergency_finds_a_way_as_it_was_dialled() {
        let plan = plan();
        assert_eq!(ways(&plan, "112", Origin::User(UserId(9))), [(1, "112".into()), (2, "112".into())]);
        let outside = plan.numbering.outside(&"112".parse().unwrap()).unwrap();
        assert!(plan.attempts(&outside, Origin::User(UserId(9))).iter().all(|way| way.longest.is_none()));
    }
}
