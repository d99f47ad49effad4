//! Shards and buckets: how instances are divided among processes.
//!
//! The shard is stored with each row, and every store computes it in the same way, so this is part of the stored format.

use super::Key;
use std::{fmt, ops::BitAnd};

/// The number of buckets.
pub const BUCKETS: u16 = 1_024;

const WORDS: usize = BUCKETS as usize / 64;

impl Key {
    /// The shard of the instance: FNV-1a over machine and id, folded to 16 bits. It is stored, so the function never changes, which the
    /// hashers of the standard library do not promise.
    #[must_use]
    pub fn shard(&self) -> u16 {
        let bytes = self.machine.bytes().chain([0]).chain(self.id.bytes());
        let hash = bytes
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        // Folded, because the upper bits of the hashes of short ids differ little.
        hash.to_le_bytes().as_chunks().0.iter().fold(0, |shard, bytes| shard ^ u16::from_le_bytes(*bytes))
    }

    /// The bucket of the instance: the upper ten bits of its shard.
    #[must_use]
    pub fn bucket(&self) -> u16 {
        bucket(self.shard())
    }
}

/// The bucket of a shard.
pub(crate) const fn bucket(shard: u16) -> u16 {
    shard >> 6
}

/// A set of buckets. Each instance is in one of [`BUCKETS`] buckets, by a hash of its machine and id.
///
/// ```
/// use fsm_runtime::store::{BUCKETS, Buckets};
///
/// let first_half: Buckets = (0..BUCKETS / 2).collect();
/// assert!(first_half.contains(0) && !first_half.contains(BUCKETS - 1));
/// assert_eq!(first_half.len(), 512);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Buckets([u64; WORDS]);

impl Buckets {
    /// All buckets.
    pub const ALL: Self = Self([u64::MAX; WORDS]);
    /// No bucket.
    pub const NONE: Self = Self([0; WORDS]);

    /// Whether `bucket` is in the set.
    #[must_use]
    pub fn contains(&self, bucket: u16) -> bool {
        self.0.get(usize::from(bucket / 64)).is_some_and(|word| word >> (bucket % 64) & 1 == 1)
    }

    /// Whether the bucket of instance `key` is in the set.
    #[must_use]
    pub fn contains_key(&self, key: &Key) -> bool {
        *self == Self::ALL || self.contains(key.bucket())
    }

    /// Adds `bucket`. One of [`BUCKETS`] or more is ignored.
    pub fn insert(&mut self, bucket: u16) {
        if let Some(word) = self.0.get_mut(usize::from(bucket / 64)) {
            *word |= 1 << (bucket % 64);
        }
    }

    /// Adds the buckets of `other`.
    pub fn extend(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }

    /// The buckets of the set that are not in `other`.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= !other;
        }
        self
    }

    /// The number of buckets in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// The buckets in the set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..BUCKETS).filter(|bucket| self.contains(*bucket))
    }
}

/// The buckets that are in both sets.
impl BitAnd for Buckets {
    type Output = Self;

    fn bitand(mut self, other: Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        self
    }
}

impl FromIterator<u16> for Buckets {
    fn from_iter<I: IntoIterator<Item = u16>>(buckets: I) -> Self {
        let mut set = Self::NONE;
        buckets.into_iter().for_each(|bucket| set.insert(bucket));
        set
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("Buckets(all)");
        }
        write!(f, "Buckets({} of {BUCKETS})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored rows depend on these numbers.
    #[test]
    fn shards_never_change() {
        let shards = [("Order", "1"), ("Order", "2"), ("Server", "a"), ("M", "\u{e4}"), ("A", "0123456789")]
            .map(|(machine, id)| Key::new(machine, id).shard());
        assert_eq!(shards, [7053, 4964, 15322, 26044, 39205]);
    }

    #[test]
    fn keys_are_spread_over_the_buckets() {
        let mut counts = [0_u32; BUCKETS as usize];
        for n in 0..102_400 {
            counts[usize::from(Key::new("Order", n.to_string()).bucket())] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_set_has_what_was_inserted() {
        let some: Buckets = [0, 63, 64, 1_023, 1_024, u16::MAX].into_iter().collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 63, 64, 1_023], "there is no bucket 1,024");
        assert!(!some.contains(1) && !some.contains(1_024) && !Buckets::ALL.contains(1_024));
        assert_eq!((Buckets::ALL.len(), Buckets::NONE.len()), (1_024, 0));
        assert_eq!((0..BUCKETS).collect::<Buckets>(), Buckets::ALL);
        let others: Buckets = [63, 65].into_iter().collect();
        assert_eq!((some & others).iter().collect::<Vec<_>>(), [63]);
        let mut both = some;
        both.extend(&others);
        assert_eq!((both.len(), both.without(&some).iter().collect::<Vec<_>>()), (5, vec![65]));
        assert_eq!((some & Buckets::ALL, some & Buckets::NONE), (some, Buckets::NONE));
    }

    #[test]
    fn a_key_belongs_to_its_bucket() {
        let key = Key::new("Order", "1");
        let own: Buckets = [key.bucket()].into_iter().collect();
        assert!(own.contains_key(&key) && Buckets::ALL.contains_key(&key) && !Buckets::NONE.contains_key(&key));
        assert_eq!(format!("{own:?} {:?}", Buckets::ALL), "Buckets(1 of 1024) Buckets(all)");
    }
}
