//! The algorithms against ten-line references that recount and rewrite everything at each merge.

use std::collections::HashMap;

use ecg_byte::Pair;
use ecg_byte::encode::Encoder;
use ecg_byte::train::train;

fn naive_merge(tokens: &[u32], (a, b): Pair, id: u32) -> Vec<u32> {
    let mut merged = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let here = tokens[at..].starts_with(&[a, b]);
        merged.push(if here { id } else { tokens[at] });
        at += 1 + usize::from(here);
    }
    merged
}

fn naive_train(sequences: &[Vec<u8>], num_merges: usize, min_count: u64) -> Vec<Pair> {
    let mut texts: Vec<Vec<u32>> = sequences.iter().map(|s| s.iter().map(|&x| x.into()).collect()).collect();
    let mut merges = Vec::new();
    while merges.len() < num_merges {
        let mut counts: HashMap<Pair, u64> = HashMap::new();
        for window in texts.iter().flat_map(|text| text.windows(2)) {
            *counts.entry((window[0], window[1])).or_default() += 1;
        }
        let best = counts.into_iter().max_by_key(|&(pair, count)| (count, std::cmp::Reverse(pair)));
        let Some((pair, _)) = best.filter(|&(_, count)| count >= min_count) else {
            break;
        };
        let id = 26 + merges.len() as u32;
        texts = texts.iter().map(|text| naive_merge(text, pair, id)).collect();
        merges.push(pair);
    }
    merges
}

fn naive_encode(sequence: &[u8], merges: &[Pair]) -> Vec<u32> {
    let symbols = sequence.iter().map(|&x| x.into()).collect();
    (26..).zip(merges).fold(symbols, |text: Vec<u32>, (id, &pair)| naive_merge(&text, pair, id))
}

/// Random corpora from one symbol to all 26, many with long runs as ECGs have them.
fn corpora() -> impl Iterator<Item = Vec<Vec<u8>>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = move |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % limit
    };
    (0..400).map(move |case| {
        let alphabet = [1, 2, 3, 5, 26][case % 5];
        let longest_run = [1, 2, 9][case % 3];
        (0..below(6))
            .map(|_| {
                (0..below(40))
                    .flat_map(|_| vec![below(alphabet) as u8; 1 + below(longest_run) as usize])
                    .collect()
            })
            .collect()
    })
}

fn slices(sequences: &[Vec<u8>]) -> Vec<&[u8]> {
    sequences.iter().map(Vec::as_slice).collect()
}

#[test]
fn training_equals_recounting() {
    for sequences in corpora() {
        for min_count in [1, 2, 3] {
            let merges = train(&slices(&sequences), 60, min_count, 1).unwrap();
            assert_eq!(merges, naive_train(&sequences, 60, min_count), "{sequences:?}");
        }
    }
}

#[test]
fn encoding_equals_applying_merges_in_order() {
    let mut trained_elsewhere = Vec::new();
    for sequences in corpora() {
        let merges = train(&slices(&sequences), 60, 2, 1).unwrap();
        for merges in [&merges, &trained_elsewhere] {
            let ids = Encoder::new(merges).unwrap().encode(&slices(&sequences), 1).unwrap();
            let expected: Vec<_> = sequences.iter().map(|s| naive_encode(s, merges)).collect();
            assert_eq!(ids, expected, "{sequences:?} {merges:?}");
        }
        trained_elsewhere = merges;
    }
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let sequences: Vec<Vec<u8>> = corpora().flatten().collect();
    let merges = train(&slices(&sequences), 500, 2, 1).unwrap();
    let encoder = Encoder::new(&merges).unwrap();
    let ids = encoder.encode(&slices(&sequences), 1).unwrap();
    for threads in [0, 2, 3, 7, usize::MAX] {
        assert_eq!(train(&slices(&sequences), 500, 2, threads).unwrap(), merges);
        assert_eq!(encoder.encode(&slices(&sequences), threads).unwrap(), ids);
    }
}

#[test]
fn counts_overlap_and_ties_go_to_the_smaller_pair() {
    assert_eq!(train(&[&[0, 0, 0]], 9, 2, 1).unwrap(), [(0, 0)]);
    assert_eq!(train(&[&[3, 4, 9, 3, 4], &[1, 2, 9, 1, 2]], 1, 2, 1).unwrap(), [(1, 2)]);
    assert_eq!(train(&[&[0, 1], &[0, 1]], 9, 2, 1).unwrap(), [(0, 1)]);
    assert_eq!(train(&[], 9, 2, 8).unwrap(), []);
    assert_eq!(train(&[&[], &[5]], 9, 2, 8).unwrap(), []);
}

#[test]
fn what_cannot_be_is_refused() {
    assert!(train(&[&[0, 26]], 1, 2, 1).unwrap_err().contains("symbol 26 in sequence 0"));
    assert!(Encoder::new(&[(0, 26)]).err().unwrap().contains("only ids below 26"));
    assert!(Encoder::new(&[(0, 1), (0, 1)]).err().unwrap().contains("as merge 0 does"));
    let encoder = Encoder::new(&[(0, 0)]).unwrap();
    assert!(encoder.encode(&[&[0], &[200]], 2).unwrap_err().contains("symbol 200 in sequence 1"));
}

#[test]
fn tokens_longer_than_any_sequence_do_no_harm() {
    let doubling: Vec<Pair> = (0..200).map(|k| if k == 0 { (0, 0) } else { (25 + k, 25 + k) }).collect();
    let ids = Encoder::new(&doubling).unwrap().encode(&[&[0; 37]], 1).unwrap();
    assert_eq!(ids, [[26 + 4, 26 + 1, 0].to_vec()]);
}
