//! ECG-Byte: exact byte-pair encoding of quantised ECGs. The algorithms know nothing of Python.

pub mod encode;
#[cfg(feature = "python")]
mod py;
mod text;
pub mod train;

/// Base symbols 0 to 25, the letters 'a' to 'z' of the ECG-Byte paper; merge k makes token id 26 + k.
pub const ALPHABET: u32 = 26;

/// More threads than this are not started, whatever is asked for.
const MAX_THREADS: usize = 256;

/// The two neighbouring token ids (left, right) that a merge joins.
pub type Pair = (u32, u32);
