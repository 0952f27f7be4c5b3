//! The figures behind the sentence, as a table and as text to send.

use leptos::prelude::*;

use super::{
    lights::{self, Three, percent, tenths},
    scope::Trace,
};
use crate::{
    browser::echo::{EchoTest, Figures, Meters, Timings},
    ui::{
        block::IntoBlock,
        icon::{Glyph, icon},
        live::part,
    },
};

type Row = (&'static str, String);

/// What is known so far, in the order in which it happens.
fn rows(timings: Timings, meters: Meters, figures: &Figures) -> Vec<Row> {
    let after = |ms: Option<u32>| ms.map(|ms| format!("{ms} ms"));
    let ms = |value: Option<f64>| value.map(|ms| format!("{} ms", tenths(ms)));
    let count = |value: Option<u64>| value.map(|count| count.to_string());
    let heard = meters.own_sound.map(|own| if own { "yes" } else { "no" }.to_owned());
    [
        ("Microphone open after", after(timings.microphone)),
        ("Server reached after", after(timings.reached)),
        ("Answer from the server", after(timings.answer)),
        ("Connection set up", after(timings.connected)),
        ("First sound back", after(timings.first_sound)),
        ("Echo heard", heard),
        ("Round trip", ms(figures.rtt_ms)),
        ("Jitter", ms(figures.jitter_ms)),
        ("Packets lost", figures.lost_percent.map(percent)),
        ("Packets that reached the server", count(figures.server_in)),
        ("Packets the server sent back", count(figures.server_out)),
        ("Way through the network", figures.path.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn known(test: EchoTest) -> Vec<Row> {
    test.figures.with(|figures| rows(test.timings.get(), test.meters.get_untracked(), figures))
}

/// The whole result as text.
pub fn text(test: EchoTest, trace: Trace, sentence: &str) -> String {
    let three = lights::now(test, trace);
    let mut rows = vec![
        ("Microphone", three.microphone.word.to_owned()),
        ("Network", three.network.word.to_owned()),
        ("Sound", three.sound.word.to_owned()),
    ];
    rows.extend(known(test));
    let mut text = format!("Hotdesk sound test\n{sentence}\n");
    for (name, value) in rows {
        text.extend([name, ": ", &value, "\n"]);
    }
    text
}

/// The table. It is open or not as the reader likes.
pub fn details(test: EchoTest, three: Memo<Three>) -> impl IntoView {
    let row =
        |(name, value): Row| view! { <tr><th scope="row">{name}</th><td class="figures">{value}</td></tr> };
    // The meters move ten times a second; of them only what the lights tell too is written here.
    let rows = part(move || {
        three.track();
        known(test).into_iter().map(row).collect::<Vec<_>>().block()
    });
    view! {
        <details class="details">
            <summary>{icon(Glyph::Down)}"Details"</summary>
            <table class="details-table">
                <caption class="unseen">"Figures of this test"</caption>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_has_a_row() {
        assert!(rows(Timings::default(), Meters::default(), &Figures::default()).is_empty());
        let timings = Timings { answer: Some(18), ..Timings::default() };
        let figures = Figures { rtt_ms: Some(1.26), ..Figures::default() };
        assert_eq!(
            rows(timings, Meters::default(), &figures),
            [("Answer from the server", "18 ms".to_owned()), ("Round trip", "1.3 ms".to_owned())]
        );
    }
}
