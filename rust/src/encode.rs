//! Sequences of symbols -> token ids, exactly as if the merges were applied one after the other.
//!
//! A merge can only bring about pairs of later merges, since they contain the id that it makes. So one walk
//! over the merges suffices, visiting for each the places where its pair has come to stand, in order: time
//! grows with the symbols and the merges that happen, not with their product.

use std::thread;

use crate::text::{PairMap, SEPARATOR, Text, check_symbols};
use crate::{ALPHABET, MAX_THREADS, Pair};

pub struct Encoder {
    merges: Vec<Pair>,
    ranks: PairMap<u32>,
    /// Symbols in each id; an id too long for any sequence has u32::MAX, and never comes up.
    lengths: Vec<u32>,
}

impl Encoder {
    pub fn new(merges: &[Pair]) -> Result<Self, String> {
        let mut ranks = PairMap::default();
        let mut lengths = vec![1u32; ALPHABET as usize];
        for (rank, &(a, b)) in (0..).zip(merges) {
            let known = ALPHABET + rank;
            if a >= known || b >= known {
                return Err(format!(
                    "merge {rank} joins ids {a} and {b}; only ids below {known} stand before it"
                ));
            }
            if let Some(earlier) = ranks.insert((a, b), rank) {
                return Err(format!("merge {rank} joins ids {a} and {b}, as merge {earlier} does"));
            }
            lengths.push(lengths[a as usize].saturating_add(lengths[b as usize]));
        }
        Ok(Self { merges: merges.to_vec(), ranks, lengths })
    }

    /// The token ids of each sequence; sequences are shared out among `threads`.
    pub fn encode(&self, sequences: &[&[u8]], threads: usize) -> Result<Vec<Vec<u32>>, String> {
        check_symbols(sequences)?;
        let share = sequences.len().div_ceil(threads.clamp(1, MAX_THREADS)).max(1);
        if share >= sequences.len() {
            return self.encode_share(sequences);
        }
        let shares = thread::scope(|scope| {
            let running: Vec<_> =
                sequences.chunks(share).map(|chunk| scope.spawn(|| self.encode_share(chunk))).collect();
            running
                .into_iter()
                .map(|share| share.join().expect("encoding does not panic"))
                .collect::<Result<Vec<_>, _>>()
        })?;
        Ok(shares.into_iter().flatten().collect())
    }

    fn encode_share(&self, sequences: &[&[u8]]) -> Result<Vec<Vec<u32>>, String> {
        let mut waiting = Waiting::new(self.merges.len());
        sequences.iter().map(|sequence| self.encode_one(sequence, &mut waiting)).collect()
    }

    fn encode_one(&self, sequence: &[u8], waiting: &mut Waiting) -> Result<Vec<u32>, String> {
        let mut text = Text::new(&[sequence])?;
        for (at, pair) in (1..).zip(sequence.windows(2)) {
            self.expect((pair[0].into(), pair[1].into()), at, waiting);
        }
        let mut from = 0;
        while let Some((rank, places)) = waiting.next(from) {
            let id = ALPHABET + rank as u32;
            for &at in &places {
                let Some(met) = text.merge(at as usize, self.merges[rank], id, &self.lengths) else {
                    continue;
                };
                if met.left != SEPARATOR {
                    self.expect((met.left, id), met.left_at, waiting);
                }
                if met.right != SEPARATOR {
                    self.expect((id, met.right), at as usize, waiting);
                }
            }
            waiting.give_back(rank, places);
            from = rank + 1;
        }
        Ok(text.first_tokens(&self.lengths))
    }

    #[inline]
    fn expect(&self, pair: Pair, at: usize, waiting: &mut Waiting) {
        if let Some(&rank) = self.ranks.get(&pair) {
            waiting.add(rank as usize, at as u32);
        }
    }
}

/// For each merge the places where its pair has come to stand, and a bit that says whether there are any.
struct Waiting {
    places: Vec<Vec<u32>>,
    any: Vec<u64>,
}

impl Waiting {
    fn new(merges: usize) -> Self {
        Self { places: vec![Vec::new(); merges], any: vec![0; merges.div_ceil(64)] }
    }

    #[inline]
    fn add(&mut self, rank: usize, at: u32) {
        self.places[rank].push(at);
        self.any[rank / 64] |= 1 << (rank % 64);
    }

    /// The first merge at or after `from` that has places, with them.
    fn next(&mut self, from: usize) -> Option<(usize, Vec<u32>)> {
        let mut word = from / 64;
        let mut bits = self.any.get(word)? & (!0 << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.any.get(word)?;
        }
        let rank = word * 64 + bits.trailing_zeros() as usize;
        self.any[word] &= !(1 << (rank % 64));
        Some((rank, std::mem::take(&mut self.places[rank])))
    }

    /// Keep the emptied list, so that the next sequence allocates nothing.
    fn give_back(&mut self, rank: usize, mut places: Vec<u32>) {
        places.clear();
        self.places[rank] = places;
    }
}
