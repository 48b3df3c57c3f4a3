//! A map of a few entries: a sorted list.
//!
//! A task has one replica or some, and there are a hundred thousand tasks: a node of a tree has
//! room for eleven entries, most of which would stay empty.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A map for a handful of entries, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Few<K, V>(Option<Box<[(K, V)]>>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Few<K, V> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }
}

impl<K: Ord + Copy, V> Few<K, V> {
    fn entries(&self) -> &[(K, V)] {
        self.0.as_deref().unwrap_or_default()
    }

    fn entries_mut(&mut self) -> &mut [(K, V)] {
        self.0.as_deref_mut().unwrap_or_default()
    }

    fn find(&self, key: &K) -> Result<usize, usize> {
        self.entries().binary_search_by(|(known, _)| known.cmp(key))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let place = self.find(key).ok()?;
        self.entries().get(place).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.find(key).ok()?;
        self.entries_mut().get_mut(place).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(place) => {
                if let Some(known) = self.entries_mut().get_mut(place) {
                    *known = (key, value);
                }
            }
            Err(place) => self.edit(|entries| {
                // No more than there are: mostly it stays at one.
                entries.reserve_exact(1);
                entries.insert(place, (key, value));
            }),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Ok(place) = self.find(key) {
            self.edit(|entries| {
                entries.remove(place);
            });
        }
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Vec<(K, V)>)) {
        let mut entries = self.0.take().map(Vec::from).unwrap_or_default();
        edit(&mut entries);
        self.0 = (!entries.is_empty()).then(|| entries.into_boxed_slice());
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries().iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries_mut().iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries().iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.entries().iter().map(|(_, value)| value)
    }
}

impl<K: Ord + Copy, V> FromIterator<(K, V)> for Few<K, V> {
    /// Of entries with one key the last counts, as in any map.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut few = Self::default();
        for (key, value) in entries {
            few.insert(key, value);
        }
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn it_holds_what_a_map_holds_in_the_same_order() {
        let (mut few, mut map) = (Few::new(), BTreeMap::new());
        // Numbers that come in no order and some of them again.
        for step in 0u32..200 {
            let key = step.wrapping_mul(2_654_435_761) >> 27;
            if step % 3 == 2 {
                few.remove(&key);
                map.remove(&key);
            } else {
                few.insert(key, step);
                map.insert(key, step);
            }
            assert!(few.iter().eq(map.iter()));
            assert_eq!(few.get(&key), map.get(&key));
            assert_eq!(few.contains_key(&key), map.contains_key(&key));
        }
        assert!(!few.is_empty());
        let again: Few<u32, u32> = map.iter().map(|(key, value)| (*key, *value)).collect();
        assert_eq!(again, few);
    }
}
