//! Which numbers cost more than they look, country by country.

use super::{Numbering, Pattern};

/// Satellite phones and the numbers of no country.
const NOWHERE: [&str; 5] = ["+870", "+881", "+882", "+883", "+979"];

/// France: 08 apart from the free and ordinary 080, short numbers from 32 on, and directories (the plan of ARCEP).
const FRANCE: [&str; 3] = ["_+338[1-9]!", "_3[2-9]XX", "118"];

/// North America: 900, and the exchange 976 of every area (NANPA).
const NORTH_AMERICA: [&str; 2] = ["+1900", "_+1NXX976XXXX"];

/// The areas of +1 outside of Canada and the United States with their territories; of these American Samoa is abroad
/// for every carrier.
const OVERSEAS: [&str; 22] = [
    "+1242", "+1246", "+1264", "+1268", "+1284", "+1345", "+1441", "+1473", "+1649", "+1658", "+1664",
    "+1684", "+1721", "+1758", "+1767", "+1784", "+1809", "+1829", "+1849", "+1868", "+1869", "+1876",
];

impl Numbering {
    /// The patterns of numbers that cost more, for who has the code of that country.
    pub fn usual_premium(country_code: &str) -> Vec<Pattern> {
        patterns(&NOWHERE).chain(patterns(premium_of(country_code))).collect()
    }

    /// The patterns of numbers of other countries with the code of that one.
    pub fn usual_abroad(country_code: &str) -> Vec<Pattern> {
        patterns(if country_code == "1" { &OVERSEAS } else { &[] }).collect()
    }

    /// Whether it is known here what costs more within that country.
    pub fn knows_costs_of(country_code: &str) -> bool {
        !premium_of(country_code).is_empty()
    }
}

fn premium_of(country_code: &str) -> &'static [&'static str] {
    match country_code {
        "33" => &FRANCE,
        "1" => &NORTH_AMERICA,
        _ => &[],
    }
}

fn patterns(texts: &'static [&'static str]) -> impl Iterator<Item = Pattern> {
    texts.iter().map(|text| text.parse().expect("these are patterns"))
}

#[cfg(test)]
mod tests {
    use model::CallClass::{self, International, National, Premium};

    use super::*;

    fn classes(site: &Numbering, expected: &[(&str, CallClass)]) {
        for (dialled, class) in expected {
            let outside = site.outside(&dialled.parse().unwrap()).unwrap();
            assert_eq!(outside.fare, crate::Fare::Class(*class), "{dialled}");
        }
    }

    #[test]
    fn what_costs_more_in_france_is_premium() {
        let france = Numbering::default();
        classes(
            &france,
            &[
                ("0899123456", Premium),
                ("0890123456", Premium),
                ("+33 (0)825 123 456", Premium),
                ("0033810123456", Premium),
                ("0836123456", Premium),
                ("0800123456", National),
                ("0805123456", National),
                ("0809123456", National),
                ("0144500210", National),
                ("0612345678", National),
                ("0970123456", National),
                ("3624", Premium),
                ("3900", Premium),
                ("118218", Premium),
                ("3010", National),
                ("3114", National),
                ("1013", National),
                ("+870773123456", Premium),
                ("+18765550123", International),
            ],
        );
    }

    #[test]
    fn the_other_countries_of_north_america_are_abroad() {
        let america = Numbering {
            country_code: "1".into(),
            international_prefix: "011".into(),
            national_prefix: "1".into(),
            premium: Numbering::usual_premium("1"),
            abroad: Numbering::usual_abroad("1"),
            ..Numbering::default()
        };
        classes(
            &america,
            &[
                ("2125550123", National),
                ("14165550123", National),
                ("+18005550123", National),
                ("+17875550123", National),
                ("8765550123", International),
                ("18095550123", International),
                ("+12685550123", International),
                ("01118765550123", International),
                ("19005550123", Premium),
                ("+12129765012", Premium),
                ("9762125012", National),
                ("01133144500210", International),
            ],
        );
        assert!(Numbering::knows_costs_of("1") && Numbering::knows_costs_of("33"));
        assert!(!Numbering::knows_costs_of("49"));
    }
}
