/// A frame that cannot be understood. The text is safe to send back: it holds names of fields, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text is no JSON, or a number in it is out of range.
    #[error("not JSON: line {line}, column {column}")]
    NotJson {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 1.
        column: usize,
    },
    /// Arrays and objects are nested deeper than [`Malformed::DEPTH_LIMIT`].
    #[error("nested too deep: the limit is {limit}", limit = Malformed::DEPTH_LIMIT)]
    TooDeep,
    /// The frame, or the part of it that is named, must be a JSON object.
    #[error("{0} must be an object")]
    NotAnObject(&'static str),
    /// `claz` is neither `web` nor `ping`.
    #[error("claz must be \"web\" or \"ping\"")]
    Claz,
    /// A field that must be there is absent or null.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field holds something else than it should.
    #[error("{field} must be {expected}")]
    Wrong {
        /// The name on the wire.
        field: &'static str,
        /// What it must be, in words.
        expected: &'static str,
    },
}

impl Malformed {
    /// How deep arrays and objects may nest. The deepest message of the protocol needs five levels.
    pub const DEPTH_LIMIT: usize = 16;
}
