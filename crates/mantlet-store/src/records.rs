//! Records of the directory as rows: JSON for what may be read, a sealed value for what may not.

use std::{str::FromStr, sync::Arc};

use ipnet::IpNet;
use mantlet_gate::{
    directory::{Change, Directory, Key, KeyState},
    secrets::KeptSecret,
};
use mantlet_types::{Kid, PrincipalId, Secret, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::{Row, StoreError, StoreKey, Table, Write};

/// An API key without its HMAC, which is the row's secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    owner: PrincipalId,
    pepper_version: u32,
    created: Timestamp,
    expires: Timestamp,
    state: KeyState,
    networks: Vec<IpNet>,
    // Absent in records from before keys were marked.
    #[serde(default)]
    handed_over: bool,
}

/// A project has no properties yet.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectBody {}

impl KeyBody {
    fn of(key: &Key) -> Self {
        Self {
            owner: key.owner.clone(),
            pepper_version: key.pepper_version,
            created: key.created,
            expires: key.expires,
            state: key.state,
            networks: key.networks.clone(),
            handed_over: key.handed_over,
        }
    }

    fn with(self, hmac: [u8; 32]) -> Key {
        let Self { owner, pepper_version, created, expires, state, networks, handed_over } = self;
        Key { owner, hmac, pepper_version, created, expires, state, networks, handed_over }
    }
}

/// What a change does to the tables.
pub(crate) fn write(key: &StoreKey, change: &Change) -> Result<Write, StoreError> {
    match change {
        Change::AddProject(id) => put(key, Table::Projects, id.as_str(), &ProjectBody {}, &[]),
        Change::PutUser(id, user) => put(key, Table::Users, id.as_str(), user, &[]),
        Change::PutConsumer(id, consumer) => put(key, Table::Consumers, id.as_str(), consumer, &[]),
        Change::PutKey(kid, record) => {
            put(key, Table::Keys, kid.as_str(), &KeyBody::of(record), &record.hmac)
        }
        Change::PutModel(name, model) => put(key, Table::Models, name.as_str(), model, &[]),
        Change::PutGrant(number, grant) => put(key, Table::Grants, &number.to_string(), grant, &[]),
        Change::RemoveGrant(number) => Ok(Write::Remove(Table::Grants, number.to_string())),
        Change::PutProposal(number, proposal) => {
            put(key, Table::Proposals, &number.to_string(), proposal, &[])
        }
        Change::RemoveProposal(number) => Ok(Write::Remove(Table::Proposals, number.to_string())),
        Change::PutPolicies(name, file) => put(key, Table::Policies, name.as_str(), file, &[]),
        Change::RemovePolicies(name) => Ok(Write::Remove(Table::Policies, name.to_string())),
        Change::PutApproval(digest, approval) => {
            put(key, Table::Approvals, &digest.to_string(), &**approval, &[])
        }
        Change::RemoveApproval(digest) => Ok(Write::Remove(Table::Approvals, digest.to_string())),
        Change::PutUrlKey(kid, record) => put(key, Table::UrlKeys, &kid.to_string(), record, &[]),
        Change::PutUrlUse(id, used) => put(key, Table::UrlUses, &id.to_string(), used, &[]),
        Change::PutSecret(name, secret) => {
            put(key, Table::Secrets, name.as_str(), &secret.about, secret.value.expose())
        }
        Change::RemoveSecret(name) => Ok(Write::Remove(Table::Secrets, name.to_string())),
        Change::RemoveUrlUse(id) => Ok(Write::Remove(Table::UrlUses, id.to_string())),
    }
}

/// A record as a row of a table.
pub(crate) fn put(
    key: &StoreKey,
    table: Table,
    id: &str,
    body: &impl Serialize,
    secret: &[u8],
) -> Result<Write, StoreError> {
    let body =
        serde_json::to_string(body).map_err(|_| StoreError::Unreadable { table, id: id.to_owned() })?;
    let sealed = key.seal(table, id, &body, secret)?;
    Ok(Write::Put(table, Row { id: id.to_owned(), body, sealed }))
}

/// Adds the record of a row to the directory.
pub(crate) fn add(
    key: &StoreKey,
    directory: &mut Directory,
    table: Table,
    row: &Row,
) -> Result<(), StoreError> {
    match table {
        // Not the directory's.
        Table::Meta | Table::Peppers => {}
        Table::Projects => {
            let ProjectBody {} = plain(key, table, row)?;
            directory.projects.insert(name(table, row)?);
        }
        Table::Users => drop(directory.users.insert(name(table, row)?, plain(key, table, row)?)),
        Table::Consumers => drop(directory.consumers.insert(name(table, row)?, plain(key, table, row)?)),
        Table::Keys => {
            let (body, hmac) = open::<KeyBody, 32>(key, table, row)?;
            directory.keys.insert(name::<Kid>(table, row)?, body.with(*hmac));
        }
        Table::Models => drop(directory.models.insert(name(table, row)?, plain(key, table, row)?)),
        Table::Grants => drop(directory.grants.insert(name(table, row)?, plain(key, table, row)?)),
        Table::Proposals => drop(directory.proposals.insert(name(table, row)?, plain(key, table, row)?)),
        Table::Policies => drop(directory.policies.insert(name(table, row)?, plain(key, table, row)?)),
        Table::UrlKeys => drop(directory.url_keys.insert(name(table, row)?, plain(key, table, row)?)),
        Table::UrlUses => drop(directory.url_uses.insert(name(table, row)?, plain(key, table, row)?)),
        Table::Secrets => {
            drop(directory.secrets.insert(name(table, row)?, secret(key, table, row)?));
        }
        Table::Approvals => {
            drop(directory.approvals.insert(name(table, row)?, Arc::new(plain(key, table, row)?)));
        }
    }
    Ok(())
}

/// The record of a row, and its secret of so many bytes.
pub(crate) fn open<T: DeserializeOwned, const SECRET: usize>(
    key: &StoreKey,
    table: Table,
    row: &Row,
) -> Result<(T, Zeroizing<[u8; SECRET]>), StoreError> {
    // The tag first: nothing of an unauthentic row is ever parsed.
    let secret = key.open(table, &row.id, &row.body, &row.sealed)?;
    let body = serde_json::from_str(&row.body).map_err(|_| unreadable(table, row))?;
    let secret = <[u8; SECRET]>::try_from(secret.as_slice()).map_err(|_| unreadable(table, row))?;
    Ok((body, Zeroizing::new(secret)))
}

/// The record of a row whose secret has any length.
fn secret(key: &StoreKey, table: Table, row: &Row) -> Result<KeptSecret, StoreError> {
    let mut value = key.open(table, &row.id, &row.body, &row.sealed)?;
    let about = serde_json::from_str(&row.body).map_err(|_| unreadable(table, row))?;
    let value = Secret::new(std::mem::take(&mut *value)).map_err(|_| unreadable(table, row))?;
    Ok(KeptSecret { about, value: Arc::new(value) })
}

fn plain<T: DeserializeOwned>(key: &StoreKey, table: Table, row: &Row) -> Result<T, StoreError> {
    open::<T, 0>(key, table, row).map(|(record, _)| record)
}

/// The name of a row's record.
pub(crate) fn name<T: FromStr>(table: Table, row: &Row) -> Result<T, StoreError> {
    row.id.parse().map_err(|_| unreadable(table, row))
}

fn unreadable(table: Table, row: &Row) -> StoreError {
    StoreError::Unreadable { table, id: row.id.clone() }
}
