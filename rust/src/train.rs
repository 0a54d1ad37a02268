//! Sequences of symbols -> the merges of exact byte-pair encoding, counting each pair once.
//!
//! The count of a pair is the number of neighbouring places where it stands ("aaa" has (a, a) twice). The
//! most frequent pair is merged everywhere from left to right, ties going to the smaller (left, right), as
//! in Hugging Face's BpeTrainer; no pair reaches over the border of a sequence.
//!
//! Nothing is recounted. All places of a pair come to be in one pass, that of the merge which made the
//! younger of its two ids, and from then on the pair only loses places. So each pair has one list of places,
//! already in order and perhaps stale (`Text::merge` tells), and an entry of the heap is at worst too high:
//! it is put back with its true count when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::thread;

use crate::text::{PairMap, SEPARATOR, Text, check_symbols};
use crate::{ALPHABET, MAX_THREADS, Pair};

/// At most `num_merges` merges, in order; fewer where no pair is left that stands `min_count` times.
/// The same for any number of `threads`.
pub fn train(
    sequences: &[&[u8]],
    num_merges: usize,
    min_count: u64,
    threads: usize,
) -> Result<Vec<Pair>, String> {
    check_symbols(sequences)?;
    let mut trainer = Trainer::new(sequences, min_count.max(1), threads)?;
    while trainer.merges.len() < num_merges {
        let Some((pair, places)) = trainer.most_frequent() else {
            break;
        };
        trainer.merge(pair, &places);
    }
    Ok(trainer.merges)
}

/// A pair that stands often enough: how often now, and where it stood when it came to be.
struct Standing {
    count: u64,
    places: Vec<u32>,
}

struct Trainer {
    text: Text,
    merges: Vec<Pair>,
    /// Symbols in each id.
    lengths: Vec<u32>,
    pairs: PairMap<Standing>,
    heap: BinaryHeap<(u64, Reverse<Pair>)>,
    min_count: u64,
    lefts: Met,
    rights: Met,
}

impl Trainer {
    fn new(sequences: &[&[u8]], min_count: u64, threads: usize) -> Result<Self, String> {
        let mut trainer = Self {
            text: Text::new(sequences)?,
            merges: Vec::new(),
            lengths: vec![1; ALPHABET as usize],
            pairs: PairMap::default(),
            heap: BinaryHeap::new(),
            min_count,
            lefts: Met::default(),
            rights: Met::default(),
        };
        let pairs: Vec<Pair> = (0..ALPHABET * ALPHABET).map(|key| (key / ALPHABET, key % ALPHABET)).collect();
        let places = symbol_pairs(trainer.text.slots(), threads);
        for (&pair, places) in pairs.iter().zip(places) {
            trainer.admit(pair, places);
        }
        trainer.queue(pairs);
        Ok(trainer)
    }

    /// Take out the pair to merge next, with its places.
    fn most_frequent(&mut self) -> Option<(Pair, Vec<u32>)> {
        while let Some((count, Reverse(pair))) = self.heap.pop() {
            match self.pairs.get(&pair).map(|standing| standing.count) {
                None => {}
                Some(now) if now < count => self.heap.push((now, Reverse(pair))),
                Some(_) => {
                    let standing = self.pairs.remove(&pair)?;
                    return Some((pair, standing.places));
                }
            }
        }
        None
    }

    fn merge(&mut self, pair: Pair, places: &[u32]) {
        let (a, b) = pair;
        let id = self.lengths.len() as u32;
        let length = self.lengths[a as usize].saturating_add(self.lengths[b as usize]);
        self.lengths.push(length);
        self.merges.push(pair);
        self.lefts.make_room(id);
        self.rights.make_room(id);
        for &at in places {
            let Some(met) = self.text.merge(at as usize, pair, id, &self.lengths) else {
                continue;
            };
            if met.left != SEPARATOR {
                self.lefts.add(met.left, met.left_at as u32);
            }
            if met.right != SEPARATOR {
                self.rights.add(met.right, at);
            }
        }
        // Each neighbour met is one place of a new pair and one place less of an old one. In runs the pair
        // (id, a) is born and lost within this pass, so all are admitted before any loses.
        let mut born = Vec::new();
        let mut lost = Vec::new();
        for (left, places) in self.lefts.drain() {
            born.push((left, id));
            lost.push(((left, a), places.len() as u64));
            self.admit((left, id), places);
        }
        for (right, places) in self.rights.drain() {
            born.push((id, right));
            lost.push(((b, right), places.len() as u64));
            self.admit((id, right), places);
        }
        for (pair, places) in lost {
            self.lose(pair, places);
        }
        self.queue(born);
    }

    fn admit(&mut self, pair: Pair, places: Vec<u32>) {
        let count = places.len() as u64;
        if count >= self.min_count {
            self.pairs.insert(pair, Standing { count, places });
        }
    }

    fn lose(&mut self, pair: Pair, places: u64) {
        if let Some(standing) = self.pairs.get_mut(&pair) {
            standing.count -= places;
            if standing.count < self.min_count {
                self.pairs.remove(&pair);
            }
        }
    }

    fn queue(&mut self, pairs: Vec<Pair>) {
        for pair in pairs {
            if let Some(standing) = self.pairs.get(&pair) {
                self.heap.push((standing.count, Reverse(pair)));
            }
        }
    }
}

/// The neighbours that one merge met on one side, and at which places.
#[derive(Default)]
struct Met {
    /// Indexed by id; empty but for the ids in `ids`.
    places: Vec<Vec<u32>>,
    ids: Vec<u32>,
}

impl Met {
    fn make_room(&mut self, id: u32) {
        self.places.resize_with(id as usize + 1, Vec::new);
    }

    #[inline]
    fn add(&mut self, id: u32, at: u32) {
        let places = &mut self.places[id as usize];
        if places.is_empty() {
            self.ids.push(id);
        }
        places.push(at);
    }

    fn drain(&mut self) -> Vec<(u32, Vec<u32>)> {
        let places = &mut self.places;
        self.ids.drain(..).map(|id| (id, std::mem::take(&mut places[id as usize]))).collect()
    }
}

/// The places of each pair of base symbols, at index left * ALPHABET + right, ascending.
fn symbol_pairs(slots: &[u32], threads: usize) -> Vec<Vec<u32>> {
    let threads = threads.clamp(1, MAX_THREADS);
    let share = slots.len().div_ceil(threads);
    let ranges = (0..threads).map(|t| (t * share).min(slots.len())..((t + 1) * share).min(slots.len()));
    let mut shares = thread::scope(|scope| {
        let running: Vec<_> =
            ranges.map(|range| scope.spawn(move || symbol_pairs_in(slots, range))).collect();
        running
            .into_iter()
            .map(|share| share.join().expect("counting does not panic"))
            .collect::<Vec<_>>()
            .into_iter()
    });
    let mut all = shares.next().unwrap_or_default();
    for share in shares {
        for (places, more) in all.iter_mut().zip(share) {
            places.extend(more);
        }
    }
    all
}

fn symbol_pairs_in(slots: &[u32], range: Range<usize>) -> Vec<Vec<u32>> {
    let mut places = vec![Vec::new(); (ALPHABET * ALPHABET) as usize];
    for at in range.start..range.end.min(slots.len() - 1) {
        let (left, right) = (slots[at], slots[at + 1]);
        if left != SEPARATOR && right != SEPARATOR {
            places[(left * ALPHABET + right) as usize].push(at as u32);
        }
    }
    places
}
