//! The tally: what shows that all rows are there, and that each is the newest of its name.
//!
//! Sealing shows that a row is authentic. A row that was deleted leaves nothing to check, and an old one is as authentic
//! as when it was written: a revoked key could be put back, a forbidding record taken away. So the store keeps the sum
//! of a keyed tag (HMAC-SHA256) of every row, modulo 2^256, sealed beside them: the construction MSet-Add-Hash of
//! Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions and Their Application to Memory
//! Integrity Checking" (ASIACRYPT 2003). A change takes the old row's tag off and adds the new one's, so it costs what
//! it writes, however much there is. The sum is of integers, since under exclusive or a row that is there twice would
//! cancel itself out; and it is never in the clear, since whoever saw many sums would have equations between the tags.
//!
//! With each change the store's generation goes up by one, in the same sealed row. It says how new the file as a whole
//! is; whether a newer one has been seen, the audit log knows.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{Row, Rows, StoreError, StoreKey, Table, Write, records};

/// The row of [`Table::Meta`] that has generation and sum. It is not part of the sum.
const ROW: &str = "tally";

/// A number modulo 2^256, least significant word first: a row's tag, or a sum of tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }

    fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    fn plus(self, other: Self) -> Self {
        self.by_words(other, u64::overflowing_add)
    }

    fn minus(self, other: Self) -> Self {
        self.by_words(other, u64::overflowing_sub)
    }

    /// Addition or subtraction word by word. Of the two steps at most one overflows.
    fn by_words(self, other: Self, step: fn(u64, u64) -> (u64, bool)) -> Self {
        let (mut words, mut carry) = (self.0, false);
        for (word, other) in words.iter_mut().zip(other.0) {
            let (first, over) = step(*word, other);
            let (second, over_again) = step(first, u64::from(carry));
            (*word, carry) = (second, over || over_again);
        }
        Self(words)
    }
}

/// Generation, sum, and the tag of every row, to take off when the row goes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    generation: u64,
    sum: Sum,
    tags: BTreeMap<Table, HashMap<String, Sum>>,
}

/// One state of a store, as far as it can be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    generation: u64,
    sum: Sum,
}

/// What is known of the database while it is open.
#[derive(Debug)]
pub(crate) enum Knowledge {
    /// It holds this.
    Counted(Tally),
    /// A write failed, and may or may not have been done: it holds the one state or the other.
    Either([State; 2]),
}

/// What the tally's row says openly; the sum is its secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    generation: u64,
}

impl Tally {
    /// The tally of what a database holds, once it was found to be what was last written there.
    ///
    /// # Errors
    /// Naming the row if one was altered; otherwise if rows are missing, old or too many.
    pub(crate) async fn read(rows: &impl Rows, key: &StoreKey) -> Result<Self, StoreError> {
        let (mut counted, mut stated) = (Self::default(), None);
        for table in Table::ALL {
            for row in rows.read(table).await? {
                if Self::is_own(table, &row.id) {
                    stated = Some(row);
                    continue;
                }
                // That a row was altered says more than that the sum is wrong.
                key.open(table, &row.id, &row.body, &row.sealed)?;
                let tag = key.tag(table, &row);
                counted.sum = counted.sum.plus(tag);
                counted.tags.entry(table).or_default().insert(row.id, tag);
            }
        }
        let stated = stated.ok_or(StoreError::Uncounted)?;
        let (Body { generation }, sum) = records::open::<Body, 32>(key, Table::Meta, &stated)?;
        if counted.sum != Sum::from_bytes(&sum) {
            return Err(StoreError::Incomplete);
        }
        Ok(Self { generation, ..counted })
    }

    /// What tells states of a store from each other.
    pub(crate) const fn state(&self) -> State {
        State { generation: self.generation, sum: self.sum }
    }

    /// How many changes the store has taken.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Goes over to what holds after these writes; the row that has to be written with them.
    ///
    /// # Errors
    /// If the cryptographic provider fails.
    pub(crate) fn follow(
        &mut self,
        key: &StoreKey,
        writes: &[Write],
        generation: u64,
    ) -> Result<Write, StoreError> {
        for write in writes {
            let (table, id, tag) = match write {
                Write::Put(table, row) => (*table, &row.id, Some(key.tag(*table, row))),
                Write::Remove(table, id) => (*table, id, None),
            };
            let tags = self.tags.entry(table).or_default();
            let old = match tag {
                Some(tag) => tags.insert(id.clone(), tag),
                None => tags.remove(id),
            };
            self.sum = self.sum.minus(old.unwrap_or_default()).plus(tag.unwrap_or_default());
        }
        self.generation = generation;
        records::put(key, Table::Meta, ROW, &Body { generation }, &self.sum.to_bytes())
    }

    /// Whether a row is the tally's own.
    pub(crate) fn is_own(table: Table, id: &str) -> bool {
        table == Table::Meta && id == ROW
    }

    /// Whether these are the rows of a table as they were counted.
    pub(crate) fn holds(&self, key: &StoreKey, table: Table, rows: &[Row]) -> bool {
        let counted = rows.iter().filter(|row| !Self::is_own(table, &row.id));
        // A name that is there twice makes one tag of two rows, and then there is a row too many.
        let tags: HashMap<&str, Sum> =
            counted.clone().map(|row| (row.id.as_str(), key.tag(table, row))).collect();
        let known = self.tags.get(&table);
        let same = |(id, tag): (&&str, &Sum)| known.and_then(|known| known.get(*id)) == Some(tag);
        counted.count() == known.map_or(0, HashMap::len)
            && tags.iter().all(same)
            && tags.len() == known.map_or(0, HashMap::len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by schoolbook arithmetic on bytes.
    fn schoolbook(one: [u8; 32], other: [u8; 32]) -> [u8; 32] {
        let (mut sum, mut carry) = ([0; 32], 0_u16);
        for at in 0..32 {
            let digit = u16::from(one[at]) + u16::from(other[at]) + carry;
            (sum[at], carry) = ((digit & 0xFF) as u8, digit >> 8);
        }
        sum
    }

    fn number() -> impl Strategy<Value = [u8; 32]> {
        // Words of all ones and all zeros, so that carries run through.
        prop::collection::vec(prop_oneof![Just(0_u64), Just(u64::MAX), any::<u64>()], 4).prop_map(|words| {
            let mut bytes = [0; 32];
            for (bytes, word) in bytes.chunks_mut(8).zip(words) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn sums_are_sums(one in number(), other in number()) {
            let (a, b) = (Sum::from_bytes(&one), Sum::from_bytes(&other));
            prop_assert_eq!(a.plus(b).to_bytes(), schoolbook(one, other));
            prop_assert_eq!(a.plus(b).minus(b), a);
            prop_assert_eq!(a.minus(b).plus(b), a);
        }
    }
}
