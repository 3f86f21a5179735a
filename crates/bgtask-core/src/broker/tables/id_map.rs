use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by ids that are random already: they need no hashing, and the core makes them itself, so that nobody chooses
/// ones that collide. What is iterated over has an order of its own elsewhere.
pub(super) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<Random>>;

/// Takes the bits of an id as they are.
#[derive(Default)]
pub(super) struct Random(u64);

impl Hasher for Random {
    fn finish(&self) -> u64 {
        self.0
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of the bits are enough")]
    fn write_u128(&mut self, bits: u128) {
        self.0 = bits as u64 ^ (bits >> 64) as u64;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("ids are numbers of 128 bits")
    }
}
