//! A stream is the same however it is cut: in one portion, and in portions of the sizes that the first bytes say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::transport::{Framer, Patience, Piece};
use timing::Instant;

fuzz_target!(|input: &[u8]| {
    let Some((sizes, stream)) = input.split_at_checked(4) else { return };
    let whole = pieces([stream].into_iter());
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    let cut = pieces(std::iter::from_fn(|| {
        let size = usize::from(*sizes.next()?).clamp(1, rest.len().max(1));
        let (portion, left) = rest.split_at_checked(size)?;
        rest = left;
        Some(portion)
    }));
    assert_eq!(kinds(&whole), kinds(&cut), "the cut decides");
    for piece in &whole {
        let Piece::Message(message) = piece else { continue };
        assert_eq!(pieces([&message[..]].into_iter()), [piece.clone()], "a message stands for itself");
    }
    let broken = whole.iter().position(|piece| matches!(piece, Piece::Broken(_)));
    assert!(broken.is_none_or(|at| at + 1 == whole.len()), "something follows what cannot be cut");
});

fn pieces<'a>(portions: impl Iterator<Item = &'a [u8]>) -> Vec<Piece> {
    let mut framer = Framer::new(Patience::default(), Instant::ORIGIN);
    for portion in portions {
        framer.handle_bytes(portion, Instant::ORIGIN);
    }
    std::iter::from_fn(|| framer.poll_piece()).collect()
}

/// How much of a broken stream had come when it broke is the network's affair.
fn kinds(pieces: &[Piece]) -> Vec<Piece> {
    let kind = |piece: &Piece| match piece {
        Piece::Broken(_) => Piece::Broken(Vec::new()),
        other => other.clone(),
    };
    pieces.iter().map(kind).collect()
}
