//! From what people dial to one canonical number, on which permissions and routes decide.

mod costs;
mod format;
mod pattern;

use std::collections::BTreeSet;

use model::{CallClass, PhoneNumber};

pub use format::NumberFormat;
pub use pattern::{NotAPattern, Pattern};

/// How numbers of the outside are dialled at this site.
///
/// However a number was written, it has one canonical form: `+` and up to 15 digits (E.164), or the bare digits of
/// a short number that only exists within the country. What has neither form is no number of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The own country's code, digits alone.
    pub country_code: String,
    /// What is dialled before a country code.
    pub international_prefix: String,
    /// What is dialled before a number of the own country; empty where nothing is.
    pub national_prefix: String,
    /// What must be dialled for an outside line; empty where nothing must.
    pub outside_prefix: String,
    /// What is dialled first by who does not want to be seen; empty where nobody can.
    pub anonymous_prefix: String,
    /// Numbers that everybody may call at any time, as they are dialled.
    pub emergency: BTreeSet<String>,
    /// Mobile phones of the own country, in canonical form.
    pub mobile: Vec<Pattern>,
    /// Numbers that cost more, in canonical form.
    pub premium: Vec<Pattern>,
    /// Numbers behind the own country's code that belong to other countries, in canonical form.
    pub abroad: Vec<Pattern>,
}

/// A number of the outside, as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Its canonical form.
    pub number: PhoneNumber,
    /// What leave it takes.
    pub fare: Fare,
    /// Whether the caller does not want to be seen.
    pub anonymous: bool,
}

/// What leave a number takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fare {
    /// None at all.
    Emergency,
    /// That of a class.
    Class(CallClass),
}

/// Fewer digits than this without any prefix are a short number.
const SHORTEST_SUBSCRIBER: usize = 7;
/// The shortest number with a country code that we believe in.
const SHORTEST_E164: usize = 7;
/// E.164 §6.1.
const LONGEST_E164: usize = 15;

impl Default for Numbering {
    /// As in much of Europe; the country is France.
    fn default() -> Self {
        Numbering {
            country_code: "33".into(),
            international_prefix: "00".into(),
            national_prefix: "0".into(),
            outside_prefix: String::new(),
            anonymous_prefix: "*31#".into(),
            emergency: BTreeSet::from(["112".to_owned()]),
            mobile: Vec::new(),
            premium: Numbering::usual_premium("33"),
            abroad: Numbering::usual_abroad("33"),
        }
    }
}

impl Numbering {
    /// Whether this is an emergency number, with the outside prefix or without.
    pub fn is_emergency(&self, dialled: &PhoneNumber) -> bool {
        self.emergency_in(dialled.as_str()).is_some()
    }

    /// The number of the outside that was dialled, if it is one.
    pub fn outside(&self, dialled: &PhoneNumber) -> Option<Outside> {
        let text = dialled.as_str();
        let hidden = without(text, &self.anonymous_prefix);
        let (text, anonymous) = (hidden.unwrap_or(text), hidden.is_some());
        if let Some(number) = self.emergency_in(text) {
            // who calls for help is to be found
            return Some(Outside { number, fare: Fare::Emergency, anonymous: false });
        }
        let text = match text.strip_prefix('+') {
            None if !self.outside_prefix.is_empty() => without(text, &self.outside_prefix)?,
            _ => text,
        };
        let number = self.canonical(text)?;
        Some(Outside { fare: Fare::Class(self.class_of(&number)), number, anonymous })
    }

    /// The canonical form of a number without an outside prefix; nothing if it has none.
    pub fn canonical(&self, text: &str) -> Option<PhoneNumber> {
        if let Some(digits) = text.strip_prefix('+') {
            return self.e164(digits);
        }
        if !is_digits(text) {
            return None;
        }
        if let Some(digits) = without(text, &self.international_prefix) {
            return self.e164(digits);
        }
        if let Some(digits) = without(text, &self.national_prefix) {
            return self.national(digits);
        }
        match text.len() {
            0 | 1 => None,
            length if length < SHORTEST_SUBSCRIBER => text.parse().ok(),
            _ => self.national(text),
        }
    }

    /// The class of a canonical number.
    pub fn class_of(&self, number: &PhoneNumber) -> CallClass {
        let among = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(number.as_str()));
        let has_another_code = || {
            number.as_str().strip_prefix('+').is_some_and(|digits| !digits.starts_with(&self.country_code))
        };
        if among(&self.premium) {
            CallClass::Premium
        } else if has_another_code() || among(&self.abroad) {
            CallClass::International
        } else if among(&self.mobile) {
            CallClass::Mobile
        } else {
            CallClass::National
        }
    }

    fn emergency_in(&self, text: &str) -> Option<PhoneNumber> {
        let inner = without(text, &self.outside_prefix);
        let found = [Some(text), inner].into_iter().flatten().find(|text| self.emergency.contains(*text));
        found?.parse().ok()
    }

    /// A country code never begins with 0. Behind our own, a national prefix 0 is left out: `+33 (0)1 …`.
    fn e164(&self, digits: &str) -> Option<PhoneNumber> {
        if let Some(national) = without(digits, &self.country_code) {
            let zero = if self.national_prefix == "0" { national.strip_prefix('0') } else { None };
            return self.national(zero.unwrap_or(national));
        }
        let good = is_digits(digits)
            && !digits.starts_with('0')
            && (SHORTEST_E164..=LONGEST_E164).contains(&digits.len());
        good.then(|| format!("+{digits}").parse().ok()).flatten()
    }

    /// Where 0 is the national prefix, no number behind it begins with another.
    fn national(&self, subscriber: &str) -> Option<PhoneNumber> {
        let doubled = self.national_prefix.starts_with('0') && subscriber.starts_with('0');
        let length = self.country_code.len() + subscriber.len();
        let good = is_digits(subscriber) && !doubled && (SHORTEST_E164..=LONGEST_E164).contains(&length);
        good.then(|| format!("+{}{subscriber}", self.country_code).parse().ok()).flatten()
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands behind a prefix that is not empty.
fn without<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() { None } else { text.strip_prefix(prefix) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(numbering: &Numbering, dialled: &str) -> Option<String> {
        let outside = numbering.outside(&dialled.parse().ok()?)?;
        Some(outside.number.to_string())
    }

    #[test]
    fn one_number_has_one_form_however_it_is_dialled() {
        let france = Numbering::default();
        for dialled in [
            "0612345678",
            "06 12 34 56 78",
            "+33612345678",
            "+33 (0)6 12 34 56 78",
            "0033612345678",
            "003306 12 34 56 78",
        ] {
            assert_eq!(canonical(&france, dialled).as_deref(), Some("+33612345678"), "{dialled}");
        }
        let america = Numbering {
            country_code: "1".into(),
            international_prefix: "011".into(),
            national_prefix: "1".into(),
            ..Numbering::default()
        };
        for dialled in ["2125550123", "12125550123", "+12125550123", "01112125550123"] {
            assert_eq!(canonical(&america, dialled).as_deref(), Some("+12125550123"), "{dialled}");
        }
        let italy =
            Numbering { country_code: "39".into(), national_prefix: String::new(), ..Numbering::default() };
        assert_eq!(canonical(&italy, "0612345678").as_deref(), Some("+390612345678"), "its zero stays");
        assert_eq!(canonical(&italy, "+390612345678").as_deref(), Some("+390612345678"));
        let russia = Numbering {
            country_code: "7".into(),
            international_prefix: "810".into(),
            national_prefix: "8".into(),
            ..Numbering::default()
        };
        assert_eq!(canonical(&russia, "88005553535").as_deref(), Some("+78005553535"));
        assert_eq!(canonical(&russia, "+78005553535").as_deref(), Some("+78005553535"));
    }

    #[test]
    fn tricks_have_no_form() {
        let france = Numbering::default();
        for dialled in [
            "+00442071234567",
            "+0442071234567",
            "00033612345678",
            "0000442071234567",
            "00",
            "0",
            "+33",
            "+330",
            "*31*0612345678",
            "#31#0612345678",
            "0612345678#",
            "06*12345678",
            "+1234567890123456",
            "003312345678901234",
            "0612345678;ext=9",
            "0612345678;phone-context=+44",
            "０６１２３４５６７８",
            "06\u{202e}12345678",
            "\u{200f}0612345678",
            "٠٦١٢٣٤٥٦٧٨",
        ] {
            assert_eq!(canonical(&france, dialled), None, "{dialled:?}");
        }
    }

    #[test]
    fn an_outside_prefix_is_taken_off_once() {
        let site = Numbering { outside_prefix: "0".into(), ..Numbering::default() };
        for (dialled, number) in [
            ("00612345678", Some("+33612345678")),
            ("000442071234567", Some("+442071234567")),
            // one nought for the line, one of the national prefix: not a call to Britain
            ("00442071234", Some("+33442071234")),
            ("03900", Some("3900")),
            ("+442071234567", Some("+442071234567")),
            ("3900", None),
        ] {
            assert_eq!(canonical(&site, dialled).as_deref(), number, "{dialled}");
        }
    }

    #[test]
    fn classes_are_told_by_the_canonical_form() {
        let site = Numbering {
            mobile: vec![Pattern::prefix("+336"), Pattern::prefix("+337")],
            premium: vec![Pattern::prefix("+338"), Pattern::prefix("+979"), Pattern::prefix("118")],
            emergency: ["112", "15"].map(String::from).into(),
            ..Numbering::default()
        };
        let fare = |dialled: &str| site.outside(&dialled.parse().unwrap()).unwrap().fare;
        for (dialled, class) in [
            ("0144500210", CallClass::National),
            ("3900", CallClass::National),
            ("0612345678", CallClass::Mobile),
            ("+33(0)712345678", CallClass::Mobile),
            ("00442071234567", CallClass::International),
            ("0899123456", CallClass::Premium),
            ("0033899123456", CallClass::Premium),
            ("118218", CallClass::Premium),
            ("+979123456789", CallClass::Premium),
            ("*31#00442071234567", CallClass::International),
            ("1120612345678", CallClass::National),
        ] {
            assert_eq!(fare(dialled), Fare::Class(class), "{dialled}");
        }
        for dialled in ["112", "15", "1-5", "*31#112"] {
            assert_eq!(fare(dialled), Fare::Emergency, "{dialled}");
        }
        assert!(!site.outside(&"*31#112".parse().unwrap()).unwrap().anonymous);
        assert!(site.outside(&"*31#0144500210".parse().unwrap()).unwrap().anonymous);
    }

    #[test]
    fn emergency_numbers_need_no_outside_prefix_and_bear_it() {
        let site = Numbering { outside_prefix: "9".into(), ..Numbering::default() };
        for dialled in ["112", "9112"] {
            let outside = site.outside(&dialled.parse().unwrap()).unwrap();
            assert_eq!((outside.fare, outside.number.as_str()), (Fare::Emergency, "112"));
            assert!(site.is_emergency(&dialled.parse().unwrap()));
        }
        assert!(!site.is_emergency(&"99112".parse().unwrap()));
    }
}
