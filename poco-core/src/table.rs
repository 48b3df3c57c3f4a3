//! State that can go back: what a refused call wrote is undone, key by key.
//!
//! A copy of the whole state before each call would be simpler and would make the cost of a call
//! grow with everything that ever happened.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// An ordered map that can return to its last commit.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// What each written key held before, in the order of writing.
    undo: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), undo: Vec::new() }
    }
}

impl<K: Ord, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl<K: Ord, V: Eq> Eq for Table<K, V> {}

impl<K: Ord + Clone, V> Table<K, V> {
    /// The value under `key`, if there is one.
    pub(crate) fn find(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// Writes a value.
    pub(crate) fn set(&mut self, key: K, value: V) {
        let before = self.rows.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    /// The largest key.
    pub(crate) fn last_key(&self) -> Option<&K> {
        self.rows.last_key_value().map(|(key, _)| key)
    }

    /// Everything, in the order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// Keeps what was written.
    pub(crate) fn commit(&mut self) {
        self.undo.clear();
    }

    /// Undoes what was written since the last commit.
    pub(crate) fn roll_back(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl<K: Ord + Clone, V: Clone + Default> Table<K, V> {
    /// The value under `key`, or nothing's value as a contract's storage has it.
    pub(crate) fn get(&self, key: &K) -> V {
        self.rows.get(key).cloned().unwrap_or_default()
    }
}

/// One value that can return to its last commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell<V> {
    value: V,
    committed: V,
}

impl<V: PartialEq> PartialEq for Cell<V> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<V: Eq> Eq for Cell<V> {}

impl<V: Copy> Cell<V> {
    /// Starts with `value`, committed.
    pub(crate) const fn new(value: V) -> Self {
        Self { value, committed: value }
    }

    /// The value.
    pub(crate) const fn get(&self) -> V {
        self.value
    }

    /// Writes the value.
    pub(crate) const fn set(&mut self, value: V) {
        self.value = value;
    }

    /// Keeps what was written.
    pub(crate) const fn commit(&mut self) {
        self.committed = self.value;
    }

    /// Undoes what was written since the last commit.
    pub(crate) const fn roll_back(&mut self) {
        self.value = self.committed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_committed_is_undone_in_full() {
        let mut table = Table::default();
        table.set("kept", 1);
        table.commit();
        let before = table.clone();
        table.set("kept", 2);
        table.set("kept", 3);
        table.set("new", 4);
        assert_ne!(table, before);
        table.roll_back();
        assert_eq!(table, before);
        assert_eq!(table.find(&"new"), None);
    }

    #[test]
    fn a_roll_back_leaves_what_was_committed() {
        let mut table = Table::default();
        table.set(1, "one");
        table.commit();
        table.roll_back();
        assert_eq!(table.get(&1), "one");
    }
}
