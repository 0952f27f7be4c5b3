//! Three lights: what of microphone, network and sound works.

use leptos::prelude::*;

use super::scope::Trace;
use crate::{
    browser::echo::{EchoProblem, EchoTest, Figures, Meters, Phase},
    ui::{
        block::{Block, IntoBlock},
        icon::changing_icon,
        live::live,
        tone::Tone,
    },
};

/// A tone, its word, and a line that explains it.
#[derive(Clone, PartialEq, Debug)]
pub struct Light {
    pub tone: Tone,
    pub word: &'static str,
    pub says: String,
}

impl Light {
    fn new(tone: Tone, word: &'static str, says: impl Into<String>) -> Self {
        Self { tone, word, says: says.into() }
    }

    fn waiting(running: bool) -> Self {
        if running {
            Self::new(Tone::Busy, "Testing…", "")
        } else {
            Self::new(Tone::Off, "Not tested yet", "")
        }
    }
}

/// Below −57 dBFS there is no voice, below −45 dBFS one is hard to understand; on the meters' scale.
const SILENT: f32 = 0.05;
const QUIET: f32 = 0.25;

/// What the microphone gave, by its loudest moment so far.
pub fn microphone(problem: Option<EchoProblem>, opened: bool, loudest: f32, running: bool) -> Light {
    match problem {
        Some(EchoProblem::MicrophoneRefused) => {
            return Light::new(Tone::Bad, "Not allowed", "The browser keeps it from this page.");
        }
        Some(EchoProblem::MicrophoneMissing) => {
            return Light::new(Tone::Bad, "Not found", "No microphone is connected.");
        }
        Some(EchoProblem::MicrophoneBusy) => {
            return Light::new(Tone::Bad, "In use", "Another program holds it.");
        }
        Some(EchoProblem::Insecure) => {
            return Light::new(Tone::Bad, "Not available", "The page is not encrypted.");
        }
        _ => {}
    }
    match loudest {
        _ if !opened => Light::waiting(running),
        level if level >= QUIET => Light::new(Tone::Good, "Working", "Your voice is loud enough."),
        _ if running => Light::new(Tone::Busy, "Listening…", "Say something."),
        level if level >= SILENT => {
            Light::new(Tone::Fair, "Very quiet", "Come closer, or raise its level in the system's settings.")
        }
        _ => Light::new(
            Tone::Bad,
            "Silent",
            "Check the mute switch, or choose another microphone in the browser's address bar.",
        ),
    }
}

/// How the packets travel. The bounds are those of the verdict (`browser::echo`).
pub fn network(problem: Option<EchoProblem>, connected: bool, figures: &Figures, running: bool) -> Light {
    match problem {
        Some(EchoProblem::NoSoundPath) => {
            return Light::new(Tone::Bad, "Blocked", "The page passes, the voice does not (UDP).");
        }
        Some(EchoProblem::Unreachable) => {
            return Light::new(Tone::Bad, "No answer", "The server cannot be reached.");
        }
        Some(EchoProblem::Busy) => {
            return Light::new(Tone::Off, "Taken", "A test runs from your address already.");
        }
        Some(EchoProblem::Server) => {
            return Light::new(Tone::Off, "Not tested", "The server could not run the test.");
        }
        _ => {}
    }
    let (Some(rtt), true) = (figures.rtt_ms, connected) else { return Light::waiting(running) };
    let loss = figures.lost_percent.unwrap_or_default();
    let jitter = figures.jitter_ms.unwrap_or_default();
    let (tone, word) = match () {
        () if loss > 3.0 || rtt > 400.0 => (Tone::Bad, "Poor"),
        () if loss > 1.0 || rtt > 200.0 || jitter > 30.0 => (Tone::Fair, "Fair"),
        () => (Tone::Good, "Good"),
    };
    Light::new(tone, word, format!("{}\u{a0}ms there and back, {}\u{a0}% lost", whole(rtt), tenths(loss)))
}

/// Whether we hear ourselves.
pub fn sound(meters: Meters, loudest_back: f32, running: bool) -> Light {
    match meters.own_sound {
        Some(true) => Light::new(Tone::Good, "Heard", "Your own voice comes back."),
        Some(false) if running && loudest_back < SILENT => {
            Light::new(Tone::Busy, "Listening…", "Nothing has come back yet.")
        }
        Some(false) if loudest_back < SILENT => {
            Light::new(Tone::Bad, "Not heard", "Nothing comes back from the server.")
        }
        Some(false) => Light::new(Tone::Bad, "Not heard", "What comes back is not your voice."),
        None => Light::waiting(running),
    }
}

/// A number without its fraction; the page has no use for the float formatter.
pub fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// One digit after the point.
pub fn tenths(value: f64) -> String {
    let tenths = whole(value * 10.0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Already in percent.
pub fn percent(value: f64) -> String {
    format!("{} %", tenths(value))
}

/// All three, worked out anew as facts come in.
#[derive(Clone, PartialEq)]
pub struct Three {
    pub microphone: Light,
    pub network: Light,
    pub sound: Light,
}

/// How the lights stand now.
pub fn now(test: EchoTest, trace: Trace) -> Three {
    let running = matches!(test.phase.get(), Phase::Starting | Phase::Running);
    let problem = test.problem.get();
    let (opened, connected) =
        test.timings.with(|timings| (timings.microphone.is_some(), timings.connected.is_some()));
    let (sent, returned) = trace.loudest();
    Three {
        microphone: microphone(problem, opened, sent, running),
        network: test.figures.with(|figures| network(problem, connected, figures, running)),
        sound: sound(test.meters.get(), returned, running),
    }
}

/// The lights side by side.
pub fn lights(three: Memo<Three>) -> impl IntoView {
    view! {
        <ul class="lights" aria-label="Result">
            {one(three, "Microphone", "microphone", |three| &three.microphone)}
            {one(three, "Network", "network", |three| &three.network)}
            {one(three, "Sound", "sound", |three| &three.sound)}
        </ul>
    }
}

fn one(three: Memo<Three>, name: &'static str, slug: &'static str, of: fn(&Three) -> &Light) -> Block {
    view! {
        <li class="light" data-light=slug data-tone=live(move || three.with(|three| of(three).tone.slug()))>
            <p class="light-head">
                <span>{name}</span>
                {changing_icon(move || three.with(|three| of(three).tone.glyph()))}
            </p>
            <p class="light-word">{live(move || three.with(|three| of(three).word))}</p>
            <p class="light-says">{live(move || three.with(|three| of(three).says.clone()))}</p>
        </li>
    }
    .block()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_only_at_the_end() {
        assert_eq!(microphone(None, true, 0.0, true).tone, Tone::Busy);
        assert_eq!(microphone(None, true, 0.0, false).word, "Silent");
        assert_eq!(microphone(None, true, 0.1, false).word, "Very quiet");
        assert_eq!(microphone(None, true, 0.6, true).word, "Working");
        assert_eq!(microphone(None, false, 0.0, false).word, "Not tested yet");
    }

    #[test]
    fn each_problem_lights_the_part_it_belongs_to() {
        let fine = Figures { rtt_ms: Some(12.4), ..Figures::default() };
        assert_eq!(microphone(Some(EchoProblem::MicrophoneRefused), false, 0.0, false).tone, Tone::Bad);
        assert_eq!(
            network(Some(EchoProblem::MicrophoneRefused), false, &Figures::default(), false).tone,
            Tone::Off
        );
        assert_eq!(network(Some(EchoProblem::NoSoundPath), false, &fine, false).word, "Blocked");
        assert_eq!(network(None, true, &fine, false).says, "12\u{a0}ms there and back, 0.0\u{a0}% lost");
        assert_eq!(network(None, true, &Figures { lost_percent: Some(7.0), ..fine }, false).word, "Poor");
    }

    #[test]
    fn a_strange_sound_is_not_our_own() {
        let meters = |own_sound| Meters { own_sound, ..Meters::default() };
        assert_eq!(sound(meters(Some(true)), 0.5, false).word, "Heard");
        assert_eq!(sound(meters(Some(false)), 0.5, false).says, "What comes back is not your voice.");
        assert_eq!(sound(meters(None), 0.0, false).tone, Tone::Off);
    }

    #[test]
    fn figures_are_rounded_not_cut() {
        assert_eq!(tenths(12.46), "12.5");
        assert_eq!(percent(0.04), "0.0 %");
    }
}
