//! G.711: eight bits a sample, in eight segments of sixteen steps on either side (ITU-T G.711).

/// What is added so that every µ-law segment begins at a power of two, on the scale of 14 bits.
const MU_BIAS: i32 = 33;
/// The largest µ-law magnitude that can be told, on the same scale.
const MU_CLIP: i32 = 8158;

/// What a function says of every code.
macro_rules! of_every_code {
    ($start:expr, |$code:ident| $value:expr) => {{
        let mut table = [$start; 256];
        let mut index = 0;
        while index < 256 {
            let $code = index as u8;
            table[index] = $value;
            index += 1;
        }
        table
    }};
}

static MU_TO_LINEAR: [i16; 256] = of_every_code!(0, |code| mu_to_linear(code));
static A_TO_LINEAR: [i16; 256] = of_every_code!(0, |code| a_to_linear(code));
static MU_TO_A: [u8; 256] = of_every_code!(0, |code| to_a(mu_to_linear(code)));
static A_TO_MU: [u8; 256] = of_every_code!(0, |code| to_mu(a_to_linear(code)));

/// The sample of a µ-law code (table 2a), on the scale of 16 bits.
pub(crate) fn from_mu(code: u8) -> i16 {
    MU_TO_LINEAR[usize::from(code)]
}

/// The sample of an A-law code (table 1a), on the scale of 16 bits.
pub(crate) fn from_a(code: u8) -> i16 {
    A_TO_LINEAR[usize::from(code)]
}

/// The A-law code whose sample is nearest to that of a µ-law code.
pub(crate) fn mu_as_a(code: u8) -> u8 {
    MU_TO_A[usize::from(code)]
}

/// The µ-law code whose sample is nearest to that of an A-law code.
pub(crate) fn a_as_mu(code: u8) -> u8 {
    A_TO_MU[usize::from(code)]
}

/// The µ-law code of a sample.
pub(crate) const fn to_mu(sample: i16) -> u8 {
    let sample = sample as i32;
    // the zero that is sent is the positive one
    let (sign, magnitude) = if sample <= -4 { (0x00, -sample >> 2) } else { (0x80, sample.abs() >> 2) };
    let biased = if magnitude > MU_CLIP { MU_CLIP + MU_BIAS } else { magnitude + MU_BIAS };
    // 33 is in segment 0, 64 in segment 1, and so on
    let segment = 26 - biased.leading_zeros() as i32;
    let step = (biased >> (segment + 1)) & 0x0f;
    !(((segment << 4) | step) as u8 | (sign ^ 0x80))
}

/// The A-law code of a sample.
pub(crate) const fn to_a(sample: i16) -> u8 {
    let sample = sample as i32;
    // a negative sample is one step below its mirror image
    let (sign, magnitude) = if sample < 0 { (0x00, (-sample - 1) >> 4) } else { (0x80, sample >> 4) };
    let segment = if magnitude < 16 { 0 } else { 28 - magnitude.leading_zeros() as i32 };
    let step = if segment == 0 { magnitude } else { (magnitude >> (segment - 1)) & 0x0f };
    // every second bit is turned over on the line
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

const fn mu_to_linear(code: u8) -> i16 {
    let code = !code;
    let segment = ((code >> 4) & 7) as i32;
    let step = (code & 0x0f) as i32;
    let magnitude = ((((step << 1) + MU_BIAS) << segment) - MU_BIAS) << 2;
    if code & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 }
}

const fn a_to_linear(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = ((code >> 4) & 7) as i32;
    let step = ((code & 0x0f) as i32) << 1;
    let magnitude = if segment == 0 { step + 1 } else { (step + 33) << (segment - 1) };
    let magnitude = magnitude << 3;
    if code & 0x80 == 0 { -magnitude as i16 } else { magnitude as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ITU-T G.711 table 2a/2b: the value at the decoder output, on the scale of 14 bits, at both ends of each
    /// segment; the code is that of the positive value.
    const MU: [(u8, i16); 16] = [
        (0x80, 8031),
        (0x8f, 4191),
        (0x90, 3999),
        (0x9f, 2079),
        (0xa0, 1983),
        (0xaf, 1023),
        (0xb0, 975),
        (0xbf, 495),
        (0xc0, 471),
        (0xcf, 231),
        (0xd0, 219),
        (0xdf, 99),
        (0xe0, 93),
        (0xef, 33),
        (0xf0, 30),
        (0xff, 0),
    ];
    /// Tables 1a/1b, on the scale of 13 bits, before every second bit is turned over.
    const A: [(u8, i16); 16] = [
        (0xff, 4032),
        (0xf0, 2112),
        (0xef, 2016),
        (0xe0, 1056),
        (0xdf, 1008),
        (0xd0, 528),
        (0xcf, 504),
        (0xc0, 264),
        (0xbf, 252),
        (0xb0, 132),
        (0xaf, 126),
        (0xa0, 66),
        (0x9f, 63),
        (0x90, 33),
        (0x8f, 31),
        (0x80, 1),
    ];

    #[test]
    fn the_published_values_come_out_of_either_law_and_go_back_in() {
        for (code, value) in MU {
            assert_eq!((from_mu(code), from_mu(code & 0x7f)), (value * 4, -value * 4), "µ {code:x}");
        }
        for (code, value) in A {
            let line = code ^ 0x55;
            assert_eq!((from_a(line), from_a(line ^ 0x80)), (value * 8, -value * 8), "A {code:x}");
        }
        for code in 0..=255_u8 {
            assert_eq!(to_a(from_a(code)), code);
            // the negative zero of µ-law is never sent
            assert_eq!(to_mu(from_mu(code)), if code == 0x7f { 0xff } else { code });
        }
    }

    #[test]
    fn every_sample_becomes_the_code_of_its_step() {
        for sample in i16::MIN..=i16::MAX {
            for (law, value) in [("µ", from_mu(to_mu(sample))), ("A", from_a(to_a(sample)))] {
                let (sample, value) = (i32::from(sample), i32::from(value));
                // half a step, which is a thirty-second of the segment, and never less than that of the first
                let allowed = if sample.abs() > 32_124 { 644 } else { (sample.abs() / 32).max(8) + 8 };
                assert!((sample - value).abs() <= allowed, "{law} {sample} became {value}");
            }
        }
        for (sample, code) in [(0, 0xff), (-1, 0xff), (4, 0xfe), (-5, 0x7e), (32_767, 0x80), (-32_768, 0)] {
            assert_eq!(to_mu(sample), code, "{sample}");
        }
        for (sample, code) in
            [(0, 0xd5), (-1, 0x55), (-16, 0x55), (-17, 0x54), (32_767, 0xaa), (-32_768, 0x2a)]
        {
            assert_eq!(to_a(sample), code, "{sample}");
        }
    }

    #[test]
    fn one_law_stands_for_the_other_within_a_step() {
        for code in 0..=255_u8 {
            let (mu, a) = (i32::from(from_mu(code)), i32::from(from_a(mu_as_a(code))));
            assert!((mu - a).abs() <= (mu.abs() / 32).max(8) + 8, "µ {code:x}: {mu} {a}");
            let (a, mu) = (i32::from(from_a(code)), i32::from(from_mu(a_as_mu(code))));
            assert!((mu - a).abs() <= (a.abs() / 32).max(8) + 8, "A {code:x}: {a} {mu}");
        }
    }
}
