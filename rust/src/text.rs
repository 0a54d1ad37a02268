//! Many sequences of symbols in one array, in which two neighbouring tokens merge in constant time.
//!
//! There are no link arrays. A token's id stands in the first and in the last of the slots that it covers,
//! and the length of each id is known, so both neighbours of a token are found from the array alone.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::{ALPHABET, Pair};

/// Stands before, between and after the sequences; no pair contains it.
pub const SEPARATOR: u32 = u32::MAX;

/// In the slot where a token began that is now the right part of a longer one.
const GONE: u32 = u32::MAX - 1;

/// What a merge found on its two sides; SEPARATOR where the sequence ends.
pub struct Neighbours {
    pub left: u32,
    /// First slot of the left neighbour (meaningless for a SEPARATOR).
    pub left_at: usize,
    pub right: u32,
}

/// Err says which symbol of which sequence is not one of the ALPHABET.
pub fn check_symbols(sequences: &[&[u8]]) -> Result<(), String> {
    for (index, sequence) in sequences.iter().enumerate() {
        if let Some(symbol) = sequence.iter().find(|&&symbol| u32::from(symbol) >= ALPHABET) {
            let last = ALPHABET - 1;
            return Err(format!("symbol {symbol} in sequence {index}; symbols go from 0 to {last}"));
        }
    }
    Ok(())
}

pub struct Text {
    slots: Vec<u32>,
}

impl Text {
    /// The sequences' symbols must have been checked (`check_symbols`).
    pub fn new(sequences: &[&[u8]]) -> Result<Self, String> {
        let total = sequences.iter().map(|s| s.len() + 1).sum::<usize>() + 1;
        if total >= GONE as usize {
            return Err(format!(
                "{total} symbols and borders in one call; at most {} fit: train on fewer segments",
                GONE - 1
            ));
        }
        let mut slots = Vec::with_capacity(total);
        slots.push(SEPARATOR);
        for sequence in sequences {
            slots.extend(sequence.iter().map(|&s| u32::from(s)));
            slots.push(SEPARATOR);
        }
        Ok(Self { slots })
    }

    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Join the pair that starts at slot `at` into `id`; None where other merges have taken it already.
    ///
    /// `at` must once have been the first slot of the pair. The check is then safe: a slot that stops being
    /// the first of a token holds, from then on, GONE or ids younger than any it was the first slot of.
    #[inline]
    pub fn merge(&mut self, at: usize, (a, b): Pair, id: u32, lengths: &[u32]) -> Option<Neighbours> {
        let slots = &mut self.slots;
        if slots[at] != a {
            return None;
        }
        let right_at = at + lengths[a as usize] as usize;
        if slots[right_at] != b {
            return None;
        }
        let end = right_at + lengths[b as usize] as usize;
        slots[right_at] = GONE;
        slots[at] = id;
        slots[end - 1] = id;
        let left = slots[at - 1];
        let left_at = match left {
            SEPARATOR => at,
            _ => at - lengths[left as usize] as usize,
        };
        Some(Neighbours { left, left_at, right: slots[end] })
    }

    /// The tokens of the first sequence, in order.
    pub fn first_tokens(&self, lengths: &[u32]) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut at = 1;
        while self.slots[at] != SEPARATOR {
            tokens.push(self.slots[at]);
            at += lengths[self.slots[at] as usize] as usize;
        }
        tokens
    }
}

/// A map over pairs with a multiplicative hash: ids are small, and no map here is ever walked in its order.
pub type PairMap<V> = HashMap<Pair, V, BuildHasherDefault<PairHasher>>;

#[derive(Default)]
pub struct PairHasher(u64);

impl Hasher for PairHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("pairs hash as two u32");
    }

    #[inline]
    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(id)).wrapping_mul(0xf135_7aea_2e62_a9c5);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
