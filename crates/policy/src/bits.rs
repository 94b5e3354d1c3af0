//! Sets of rule numbers.

/// A fixed-size bit set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn empty(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)] }
    }

    pub(crate) fn full(len: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; len.div_ceil(64)] };
        if let (Some(last), used @ 1..) = (bits.words.last_mut(), len % 64) {
            *last = (1 << used) - 1;
        }
        bits
    }

    pub(crate) fn insert(&mut self, number: u32) {
        if let Some(word) = self.words.get_mut((number / 64) as usize) {
            *word |= 1 << (number % 64);
        }
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own |= other);
    }

    pub(crate) fn intersect(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own &= other);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own &= !other);
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.words.clone_from(&other.words);
    }

    /// The numbers in it, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

/// The rules that one value selects: a list while short, a bit set when a list would be slower.
#[derive(Debug, Clone)]
pub(crate) enum Postings {
    Few(Vec<u32>),
    Many(Bits),
}

impl Postings {
    /// From ascending rule numbers out of `len`.
    pub(crate) fn new(numbers: Vec<u32>, len: usize) -> Self {
        if numbers.len() <= len.div_ceil(64) {
            return Self::Few(numbers);
        }
        let mut bits = Bits::empty(len);
        numbers.into_iter().for_each(|number| bits.insert(number));
        Self::Many(bits)
    }

    pub(crate) fn add_to(&self, bits: &mut Bits) {
        match self {
            Self::Few(numbers) => numbers.iter().for_each(|number| bits.insert(*number)),
            Self::Many(other) => bits.union(other),
        }
    }
}
