use model::PhoneNumber;

use super::Numbering;

/// How a peer writes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NumberFormat {
    /// `+33612345678`.
    #[default]
    E164,
    /// The same without the plus.
    Bare,
    /// As dialled in the country: `0612345678`, and `0044…` for another one.
    National,
}

impl NumberFormat {
    /// A canonical number as the peer writes it; a short number is the same everywhere.
    pub fn write(self, number: &PhoneNumber, numbering: &Numbering) -> String {
        let Some(digits) = number.as_str().strip_prefix('+') else { return number.to_string() };
        match (self, digits.strip_prefix(numbering.country_code.as_str())) {
            (NumberFormat::E164, _) => number.to_string(),
            (NumberFormat::Bare, _) => digits.to_owned(),
            (NumberFormat::National, Some(national)) => format!("{}{national}", numbering.national_prefix),
            (NumberFormat::National, None) => format!("{}{digits}", numbering.international_prefix),
        }
    }

    /// The canonical form of a number that the peer has written; nothing if it is none.
    pub fn read(self, text: &str, numbering: &Numbering) -> Option<PhoneNumber> {
        let text = text.parse::<PhoneNumber>().ok()?;
        let text = text.as_str();
        let with_plus = || numbering.canonical(&format!("+{text}"));
        match self {
            NumberFormat::Bare if !text.starts_with(['+', '0']) => {
                with_plus().or_else(|| numbering.canonical(text))
            }
            _ => numbering.canonical(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_and_read_back() {
        let numbering = Numbering::default();
        for (number, format, written) in [
            ("+33612345678", NumberFormat::E164, "+33612345678"),
            ("+33612345678", NumberFormat::Bare, "33612345678"),
            ("+33612345678", NumberFormat::National, "0612345678"),
            ("+442071234567", NumberFormat::National, "00442071234567"),
            ("+442071234567", NumberFormat::Bare, "442071234567"),
            ("3900", NumberFormat::E164, "3900"),
            ("3900", NumberFormat::Bare, "3900"),
        ] {
            let number: PhoneNumber = number.parse().unwrap();
            assert_eq!(format.write(&number, &numbering), written);
            assert_eq!(format.read(written, &numbering).as_ref(), Some(&number), "{written}");
        }
        assert_eq!(NumberFormat::E164.read("anonymous", &numbering), None);
    }
}
