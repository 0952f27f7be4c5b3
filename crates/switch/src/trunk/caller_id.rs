use model::PhoneNumber;

use super::Trunk;
use crate::numbering::{Numbering, Pattern};

/// Which callers a trunk is shown: the caller's own number where it is allowed, else the usual one, else none.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CallerIds {
    /// The number of who has none of his own that is allowed.
    pub usual: Option<PhoneNumber>,
    /// Numbers that may be shown; a carrier refuses others, or worse, shows them.
    pub allowed: Vec<Pattern>,
    /// Nobody is shown.
    pub anonymous: bool,
}

/// Whom a call is for, as far as the trunk is to see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asking<'a> {
    /// The caller's numbers in canonical form, the most wanted first.
    pub numbers: Vec<&'a PhoneNumber>,
    pub name: &'a str,
    /// The caller does not want to be seen.
    pub anonymous: bool,
}

/// What stands in an INVITE to a trunk about who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub user: String,
    pub name: Option<String>,
    pub host: String,
    pub headers: Vec<(String, String)>,
}

impl CallerIds {
    /// The number to be shown.
    fn choose<'a>(&'a self, numbers: &[&'a PhoneNumber]) -> Option<&'a PhoneNumber> {
        let allowed = |number: &&&PhoneNumber| self.allowed.iter().any(|may| may.matches(number.as_str()));
        numbers.iter().find(allowed).copied().or(self.usual.as_ref())
    }
}

impl Shown {
    /// What the trunk is shown (RFC 3323 §4.1, RFC 3325 §9.1). Only a trusted one is told who hides.
    pub fn to(trunk: &Trunk, asking: &Asking<'_>, numbering: &Numbering) -> Shown {
        let rules = &trunk.caller_ids;
        let number = rules.choose(&asking.numbers).map(|number| trunk.format.write(number, numbering));
        let account = trunk.registers.as_ref().map(|registers| registers.user.clone());
        let identity = number.clone().or_else(|| account.clone());
        let hides = asking.anonymous || rules.anonymous;
        let mut headers = Vec::new();
        if let Some(identity) = identity.as_ref().filter(|_| trunk.trusted) {
            headers.push(("P-Asserted-Identity".to_owned(), format!("<sip:{identity}@{}>", trunk.domain)));
        }
        if hides {
            headers.push(("Privacy".to_owned(), "id".to_owned()));
        }
        match identity.filter(|_| !hides) {
            Some(user) => Shown {
                user,
                name: (number.is_some() && !asking.name.is_empty()).then(|| asking.name.to_owned()),
                host: trunk.domain.clone(),
                headers,
            },
            None => Shown {
                user: "anonymous".into(),
                name: Some("Anonymous".into()),
                host: "anonymous.invalid".into(),
                headers,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Registers;
    use super::*;
    use crate::numbering::NumberFormat;

    fn number(text: &str) -> PhoneNumber {
        text.parse().unwrap()
    }

    fn shown(trunk: &Trunk, numbers: &[&PhoneNumber], anonymous: bool) -> (String, String, Vec<String>) {
        let asking = Asking { numbers: numbers.to_vec(), name: "Anna", anonymous };
        let Shown { user, host, headers, .. } = Shown::to(trunk, &asking, &Numbering::default());
        (user, host, headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect())
    }

    #[test]
    fn only_allowed_numbers_are_shown() {
        let (own, internal) = (number("+33144500211"), number("1001"));
        let mut trunk = Trunk {
            format: NumberFormat::National,
            caller_ids: CallerIds {
                usual: Some(number("+33144500200")),
                allowed: vec![Pattern::prefix("+3314450021")],
                anonymous: false,
            },
            ..Trunk::sample()
        };
        let carrier = trunk.domain.clone();
        assert_eq!(shown(&trunk, &[&own, &internal], false), ("0144500211".into(), carrier.clone(), vec![]));
        let forged = number("+33611111111");
        assert_eq!(shown(&trunk, &[&forged, &internal], false).0, "0144500200", "not his own");
        assert_eq!(shown(&trunk, &[], false).0, "0144500200");
        trunk.caller_ids.usual = None;
        assert_eq!(shown(&trunk, &[&forged], false).0, "anonymous");
        trunk.registers = Some(Registers { user: "acc7".into(), expires: 300 });
        assert_eq!(shown(&trunk, &[&forged], false), ("acc7".into(), carrier, vec![]));
    }

    #[test]
    fn who_hides_is_told_to_a_trusted_trunk_alone() {
        let own = number("+33144500211");
        let mut trunk = Trunk {
            caller_ids: CallerIds { allowed: vec![Pattern::prefix("+33")], ..CallerIds::default() },
            ..Trunk::sample()
        };
        let nobody = ("anonymous".to_owned(), "anonymous.invalid".to_owned());
        let (user, host, headers) = shown(&trunk, &[&own], true);
        assert_eq!((user, host), nobody);
        assert_eq!(headers, ["Privacy: id"]);
        trunk.trusted = true;
        let (user, host, headers) = shown(&trunk, &[&own], true);
        assert_eq!((user, host), nobody);
        assert_eq!(headers, ["P-Asserted-Identity: <sip:+33144500211@sip.carrier.example>", "Privacy: id"]);
        let (user, _, headers) = shown(&trunk, &[&own], false);
        assert_eq!(user, "+33144500211");
        assert_eq!(headers, ["P-Asserted-Identity: <sip:+33144500211@sip.carrier.example>"]);
        trunk.caller_ids.anonymous = true;
        assert_eq!(shown(&trunk, &[&own], false).0, "anonymous");
    }
}
