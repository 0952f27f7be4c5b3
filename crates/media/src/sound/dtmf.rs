use std::f64::consts::TAU;

/// ITU-T Q.23: each key is one tone of the low group, its row, and one of the high group, its column.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Row and column of each event code (RFC 4733 §3.2): 0 to 9, the star, the hash, A to D.
const PLACES: [(usize, usize); 16] = [
    (3, 1),
    (0, 0),
    (0, 1),
    (0, 2),
    (1, 0),
    (1, 1),
    (1, 2),
    (2, 0),
    (2, 1),
    (2, 2),
    (3, 0),
    (3, 2),
    (0, 3),
    (1, 3),
    (2, 3),
    (3, 3),
];
/// -15 dBFS and 2 dB more, since lines carry high tones worse (ITU-T Q.24).
const LOW: f64 = 5_800.0;
const HIGH: f64 = 7_300.0;

/// Appends 20 ms of a key's two tones, `step` on the plane's clock, at `rate` Hz; silence for what is no key.
pub(crate) fn write_key(event: u8, step: u64, rate: u32, samples: &mut Vec<i16>) {
    let length = u64::from(rate / 50);
    let Some((row, column)) = PLACES.get(usize::from(event)).copied() else {
        return samples.extend((0..length).map(|_| 0));
    };
    // a second later, all of them are where they were
    let first = step % 50 * length;
    samples.extend((first..first + length).map(|index| {
        let at = TAU * index as f64 / f64::from(rate);
        (LOW * (ROWS[row] * at).sin() + HIGH * (COLUMNS[column] * at).sin()).round() as i16
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::probe::level_of;

    #[test]
    fn each_key_is_its_row_and_its_column_and_nothing_else() {
        for (event, row, column) in
            [(0, 941.0, 1336.0), (1, 697.0, 1209.0), (9, 852.0, 1477.0), (15, 941.0, 1633.0)]
        {
            let mut samples = Vec::new();
            (47..57).for_each(|step| write_key(event, step, 8000, &mut samples));
            for pitch in ROWS.into_iter().chain(COLUMNS) {
                let level = level_of(&samples, pitch, 8000);
                let is_on = pitch == row || pitch == column;
                assert_eq!(level > 70.0, is_on, "{event}: {pitch} Hz at {level} dB");
            }
        }
        let mut samples = Vec::new();
        write_key(16, 0, 8000, &mut samples);
        assert_eq!(samples, [0; 160]);
    }
}
