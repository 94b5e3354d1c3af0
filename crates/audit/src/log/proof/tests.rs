use super::*;
use crate::log::{leaf_hash, node_from_tiles};
use proptest::prelude::*;
use std::convert::Infallible;

/// RFC 6962 §2.1, word for word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// RFC 6962 §2.1.1, word for word.
fn reference_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    if index < left.len() {
        [reference_path(index, left), vec![mth(right)]].concat()
    } else {
        [reference_path(index - left.len(), right), vec![mth(left)]].concat()
    }
}

/// RFC 6962 §2.1.2, word for word.
fn reference_subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    if old <= left.len() {
        [reference_subproof(old, left, whole), vec![mth(right)]].concat()
    } else {
        [reference_subproof(old - left.len(), right, false), vec![mth(left)]].concat()
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// A reader of nodes that hashes them from the leaves.
fn reader(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
    |height, index| {
        let first = usize::try_from(index << height).unwrap();
        Ok(mth(&leaves[first..first + (1 << height)]))
    }
}

#[derive(serde::Deserialize)]
struct Vectors {
    leaves: Vec<String>,
    empty_root: String,
    roots: Vec<String>,
    inclusion: Vec<Inclusion>,
    consistency: Vec<Consistency>,
}

#[derive(serde::Deserialize)]
struct Inclusion {
    index: u64,
    size: u64,
    proof: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Consistency {
    old: u64,
    new: u64,
    proof: Vec<String>,
}

fn hash(hex: &str) -> Hash {
    hex::decode(hex).unwrap().try_into().unwrap()
}

#[test]
fn the_vectors_of_the_reference_implementation() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../../../testdata/audit/rfc6962.json")).unwrap();
    let all: Vec<_> = vectors.leaves.iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect();
    let root = |size: u64| {
        if size == 0 { hash(&vectors.empty_root) } else { hash(&vectors.roots[size as usize - 1]) }
    };
    let mut frontier = Frontier::default();
    for size in 0..=8 {
        assert_eq!(frontier.root(), root(size), "root of {size}");
        assert_eq!(root_at(size, reader(&all)), Ok(root(size)), "root of {size} from its nodes");
        all.get(size as usize).into_iter().for_each(|leaf| frontier.push(*leaf, |_, _, _| {}));
    }
    for Inclusion { index, size, proof } in vectors.inclusion {
        let proof: Vec<_> = proof.iter().map(|hex| hash(hex)).collect();
        assert_eq!(inclusion_proof(index, size, reader(&all)), Ok(Some(proof.clone())), "{index} in {size}");
        verify_inclusion(&all[index as usize], index, size, &proof, &root(size)).unwrap();
        println!("leaf {index} is in {size}: {} hashes", proof.len());
    }
    for Consistency { old, new, proof } in vectors.consistency {
        let proof: Vec<_> = proof.iter().map(|hex| hash(hex)).collect();
        assert_eq!(consistency_proof(old, new, reader(&all)), Ok(Some(proof.clone())), "{old} to {new}");
        verify_consistency(old, new, &proof, &root(old), &root(new)).unwrap();
        println!("{old} leads to {new}: {} hashes", proof.len());
    }
}

#[test]
fn every_pair_up_to_a_hundred_is_as_the_rfc_defines_it() {
    const MOST: usize = 100;
    let all = leaves(MOST);
    let roots: Vec<_> = (0..=MOST).map(|size| mth(&all[..size])).collect();
    let mut compared = 0;
    for new in 0..=MOST {
        for old in 0..=new {
            let (o, n) = (old as u64, new as u64);
            let proof = consistency_proof(o, n, reader(&all)).unwrap().unwrap();
            if old > 0 {
                assert_eq!(proof, reference_subproof(old, &all[..new], true), "{old} to {new}");
            }
            assert_eq!(verify_consistency(o, n, &proof, &roots[old], &roots[new]), Ok(()), "{old} to {new}");
            if old < new {
                let proof = inclusion_proof(o, n, reader(&all)).unwrap().unwrap();
                assert_eq!(proof, reference_path(old, &all[..new]), "{old} in {new}");
                assert_eq!(verify_inclusion(&all[old], o, n, &proof, &roots[new]), Ok(()), "{old} in {new}");
            }
            compared += 1;
        }
    }
    println!("compared {compared} pairs");
}

#[test]
fn what_there_is_not_cannot_be_proved() {
    let all = leaves(7);
    assert_eq!(inclusion_proof(7, 7, reader(&all)), Ok(None));
    assert_eq!(consistency_proof(8, 7, reader(&all)), Ok(None));
    let root = mth(&all);
    for (index, size) in [(7, 7), (0, 0), (u64::MAX, 7)] {
        let expected = Err(ProofError::NoSuchLeaf { index, size });
        assert_eq!(verify_inclusion(&all[0], index, size, &[], &root), expected);
    }
    assert_eq!(verify_consistency(8, 7, &[], &root, &root), Err(ProofError::NotEarlier { old: 8, new: 7 }));
    assert_eq!(verify_consistency(0, 7, &[], &empty_root(), &root), Ok(()));
    assert_eq!(verify_consistency(0, 7, &[], &root, &root), Err(ProofError::OldRoot));
    assert_eq!(verify_consistency(7, 7, &[], &all[0], &root), Err(ProofError::OldRoot));
    // Sizes as large as they come neither overflow nor loop.
    for (old, new) in [(1, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX)] {
        assert!(verify_consistency(old, new, &[root; 3], &root, &root).is_err());
        assert!(verify_inclusion(&root, old, new, &[root; 64], &root).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// At any size up to some hundreds: what proves, proves nothing any more when one bit of anything is another.
    #[test]
    fn proofs_hold_and_changed_ones_do_not(new in 1_usize..700, at in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let all = leaves(new);
        let old = at.index(new);
        let (o, n) = (old as u64, new as u64);
        let mut frontier = Frontier::default();
        let mut made = std::collections::BTreeMap::new();
        for leaf in &all {
            frontier.push(*leaf, |height, index, hash| { made.insert((height, index), *hash); });
        }
        let root = mth(&all);
        prop_assert_eq!(frontier.root(), root);
        // From tiles of which every eighth height is stored.
        let mut read = |height: u32, index: u64| node_from_tiles(height, index, |level, first, count| {
            (first..first + u64::from(count)).map(|index| made.get(&(u32::from(level) * 8, index)).copied().ok_or(())).collect()
        })?.ok_or(());
        prop_assert_eq!(root_at(n, &mut read), Ok(root));
        prop_assert_eq!(frontier_at(n, &mut read), Ok(frontier));
        let inclusion = inclusion_proof(o, n, &mut read).unwrap().unwrap();
        prop_assert_eq!(verify_inclusion(&all[old], o, n, &inclusion, &root), Ok(()));
        let old_root = mth(&all[..old]);
        let consistency = consistency_proof(o, n, &mut read).unwrap().unwrap();
        prop_assert_eq!(verify_consistency(o, n, &consistency, &old_root, &root), Ok(()));

        let flip = |proof: &[Hash]| {
            let mut proof = proof.to_vec();
            let bit = bit.index(proof.len() * 256);
            proof[bit / 256][bit / 8 % 32] ^= 1 << (bit % 8);
            proof
        };
        if !inclusion.is_empty() {
            prop_assert_eq!(verify_inclusion(&all[old], o, n, &flip(&inclusion), &root), Err(ProofError::Root));
            prop_assert!(verify_inclusion(&all[old], o, n, &inclusion[1..], &root).is_err());
        }
        prop_assert!(verify_inclusion(&flip(&[all[old]])[0], o, n, &inclusion, &root).is_err());
        if old + 1 < new {
            prop_assert!(verify_inclusion(&all[old], o + 1, n, &inclusion, &root).is_err());
        }
        if !consistency.is_empty() {
            prop_assert!(verify_consistency(o, n, &flip(&consistency), &old_root, &root).is_err());
            prop_assert!(verify_consistency(o, n, &consistency[1..], &old_root, &root).is_err());
        }
        if old > 0 {
            prop_assert!(verify_consistency(o, n, &consistency, &flip(&[old_root])[0], &root).is_err());
            prop_assert!(verify_consistency(o, n, &consistency, &old_root, &flip(&[root])[0]).is_err());
        }
    }
}
