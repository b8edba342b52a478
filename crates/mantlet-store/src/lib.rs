//! What must survive a restart: people, keys, bindings, versions. One trait, SQLite embedded.
