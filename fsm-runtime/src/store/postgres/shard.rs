//! The shard of a key, which is stored.

use crate::store::Key;

/// FNV-1a over machine and id. It is stored, so the function must never change, which the hashers of the standard library do not
/// guarantee.
pub(super) fn shard(key: &Key) -> u16 {
    let hash = key
        .machine
        .bytes()
        .chain([0])
        .chain(key.id.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // Folded, because the upper bits of the hashes of short ids differ little.
    hash.to_le_bytes().as_chunks().0.iter().fold(0, |shard, bytes| shard ^ u16::from_le_bytes(*bytes))
}
