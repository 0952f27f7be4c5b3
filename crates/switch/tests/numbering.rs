//! Whatever is dialled, one canonical form decides: no spelling of a number has another class, and no trick is a number.

use model::{CallClass, PhoneNumber};
use proptest::prelude::*;
use switch::{Fare, NumberFormat, Numbering, Pattern};

fn site() -> Numbering {
    let prefixes = |texts: &[&str]| texts.iter().map(|text| Pattern::prefix(text)).collect();
    Numbering {
        mobile: prefixes(&["+336", "+337"]),
        premium: prefixes(&["+338", "+979"]),
        outside_prefix: String::new(),
        ..Numbering::default()
    }
}

fn dialled(numbering: &Numbering, text: &str) -> Option<(String, Fare)> {
    let outside = numbering.outside(&text.parse().ok()?)?;
    Some((outside.number.to_string(), outside.fare))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every spelling of one number of the country leads to one form and one class.
    #[test]
    fn spellings_agree(subscriber in "[1-9][0-9]{8}", gaps in prop::collection::vec(0usize..14, 0..4)) {
        let site = site();
        let mut spellings = vec![
            format!("0{subscriber}"),
            format!("+33{subscriber}"),
            format!("0033{subscriber}"),
            format!("+33(0){subscriber}"),
            format!("00330{subscriber}"),
            format!("*31#0{subscriber}"),
        ];
        for spelling in &mut spellings {
            for gap in &gaps {
                spelling.insert((*gap).min(spelling.len()), [' ', '-', '.', '/'][gap % 4]);
            }
        }
        let expected = format!("+33{subscriber}");
        let class = match subscriber.as_bytes()[0] {
            b'6' | b'7' => CallClass::Mobile,
            b'8' => CallClass::Premium,
            _ => CallClass::National,
        };
        for spelling in spellings {
            prop_assert_eq!(dialled(&site, &spelling), Some((expected.clone(), Fare::Class(class))), "{}", spelling);
        }
    }

    /// What a trunk is told is the number that was judged, whatever was dialled and however the trunk writes.
    #[test]
    fn what_is_sent_is_what_was_judged(text in "[0-9+*#]{1,20}", outside_prefix in "0?") {
        let site = Numbering { outside_prefix, ..site() };
        let Some(number) = text.parse::<PhoneNumber>().ok().and_then(|dialled| site.outside(&dialled)) else {
            return Ok(());
        };
        prop_assert!(number.number.as_str().trim_start_matches('+').bytes().all(|b| b.is_ascii_digit()));
        if number.fare == Fare::Emergency {
            return Ok(());
        }
        for format in [NumberFormat::E164, NumberFormat::Bare, NumberFormat::National] {
            let written = format.write(&number.number, &site);
            let understood = format.read(&written, &site);
            prop_assert_eq!(understood.as_ref(), Some(&number.number), "{} as {:?}", written, format);
        }
        prop_assert_eq!(site.canonical(number.number.as_str()), Some(number.number), "the form is its own form");
    }

    /// A canonical number with a plus is one of E.164: it never begins with 0, and is never too long.
    #[test]
    fn every_form_is_well_made(text in ".{0,24}") {
        if let Some((number, _)) = dialled(&site(), &text)
            && let Some(digits) = number.strip_prefix('+')
        {
            prop_assert!((7..=15).contains(&digits.len()) && !digits.starts_with('0'), "{}", number);
        }
    }

    /// A character that no telephone has makes a number none, wherever it stands.
    #[test]
    fn foreign_characters_are_no_digits(
        digits in "0[1-9][0-9]{8}",
        at in 0usize..10,
        foreign in prop::sample::select(vec!['０', '１', '٣', '९', '\u{202e}', '\u{200f}', '\u{200b}', '\u{feff}', ';', '@', ',', 'p', '\0', '%']),
    ) {
        let mut text = digits;
        text.insert(at, foreign);
        prop_assert_eq!(dialled(&site(), &text), None, "{:?}", text);
    }

    /// Nobody gets an emergency number by writing something behind or before it.
    #[test]
    fn emergencies_are_exact(before in "[0-9*#+]{0,3}", after in "[0-9*#]{0,12}") {
        let text = format!("{before}112{after}");
        let plain = matches!(before.as_str(), "") && after.is_empty();
        let fare = dialled(&site(), &text).map(|(_, fare)| fare);
        prop_assert_eq!(fare == Some(Fare::Emergency), plain, "{}", text);
    }
}
