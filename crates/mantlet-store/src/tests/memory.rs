//! A backend in memory: the suite's second opinion, and proof that it asks nothing of SQLite.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use crate::{Row, Rows, StoreError, Table, Write};

#[derive(Default)]
pub(super) struct MemoryRows(Mutex<HashMap<Table, BTreeMap<String, Row>>>);

impl MemoryRows {
    /// Everything as it is now.
    pub(super) fn copy(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap().clone()))
    }

    /// Everything as it was then.
    pub(super) fn put_back(&self, then: &Self) {
        *self.0.lock().unwrap() = then.0.lock().unwrap().clone();
    }
}

impl Rows for MemoryRows {
    async fn read(&self, table: Table) -> Result<Vec<Row>, StoreError> {
        let tables = self.0.lock().unwrap();
        Ok(tables.get(&table).map(|rows| rows.values().cloned().collect()).unwrap_or_default())
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut tables = self.0.lock().unwrap();
        for write in writes {
            match write.clone() {
                Write::Put(table, row) => {
                    tables.entry(table).or_default().insert(row.id.clone(), row);
                }
                Write::Remove(table, id) => {
                    tables.entry(table).or_default().remove(&id);
                }
            }
        }
        Ok(())
    }
}
