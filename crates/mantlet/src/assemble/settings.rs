//! The configuration as the gate and the listeners take it.

use std::{collections::BTreeMap, sync::Arc};

use mantlet_gate::{
    identity::{token::Issuer, workload::Trusted},
    releases::{alias::AliasRule, conditions::Conditions},
    reviews::Hold,
    routes::Routes,
    snapshot::Settings,
};
use mantlet_types::{Alias, ModelName};

use crate::{
    cli::exit::Failure,
    config::{self, Config, TrustDomainSettings},
    server::{address::Addresses, bounds::Bounds, trust::TrustDomains},
};

/// What the gate reads of the configuration.
pub(super) fn settings(config: &Config, issuers: Vec<Arc<Issuer>>) -> Settings {
    Settings {
        single_person: config.danger.single_person,
        rate_per_minute: config.limits.rate_per_minute,
        failures_per_minute: config.limits.failures_per_minute,
        denials_per_minute: config.limits.denials_per_minute,
        url_minutes_max: config.limits.url_minutes_max,
        key_days: config.identity.key_days,
        key_overlap_hours: config.identity.key_overlap_hours,
        inference_timeout: config.server.inference_timeout,
        holds: holds(config),
        conditions: conditions(config),
        alias_rules: alias_rules(config),
        routes: Routes::default(), // over the upstreams in use, which whoever calls this has
        review_days: config.review.days,
        reviews_pending: config.review.pending_per_principal,
        local_owner: config.identity.owner.clone(),
        trust_domains: config.identity.trust_domains.iter().map(trusted_domain).collect(),
        issuers,
    }
}

fn trusted_domain(settings: &TrustDomainSettings) -> Trusted {
    Trusted { domain: settings.name.clone(), holders: settings.holders.clone() }
}

/// The bundles that vouch for workloads, as they are now.
pub(super) fn trust_domains(config: &Config) -> Result<TrustDomains, Failure> {
    let domains = config.identity.trust_domains.iter().map(|domain| (&domain.name, domain.ca.as_path()));
    TrustDomains::read(domains).map_err(|error| {
        Failure::new(error.to_string())
            .hint("`ca` is a PEM file of the trust domain's authorities, and of nothing else")
    })
}

/// Models whose answers wait for a person.
fn holds(config: &Config) -> BTreeMap<ModelName, Hold> {
    let held = config.models.iter().filter(|(_, settings)| settings.hold != Hold::Never);
    held.map(|(name, settings)| (name.clone(), settings.hold)).collect()
}

/// What versions must be to go live.
fn conditions(config: &Config) -> BTreeMap<ModelName, Conditions> {
    let set = config.models.iter().filter(|(_, settings)| !settings.release.is_empty());
    set.map(|(name, settings)| (name.clone(), settings.release.clone())).collect()
}

/// Who may give which alias.
fn alias_rules(config: &Config) -> BTreeMap<ModelName, BTreeMap<Alias, AliasRule>> {
    let ruled = config.models.iter().filter(|(_, settings)| !settings.aliases.is_empty());
    ruled.map(|(name, settings)| (name.clone(), settings.aliases.clone())).collect()
}

/// Whose connections are taken.
pub(super) fn addresses(config: &Config) -> Addresses {
    Addresses { allowed: config.server.allow.clone(), trusted_proxies: config.server.trusted_proxies.clone() }
}

/// What connections may take, from start to end.
pub(super) fn bounds(config: &Config) -> Bounds {
    let config::Server {
        connections_max,
        body_bytes_max,
        handshake_timeout,
        header_timeout,
        body_timeout,
        drain_timeout,
        ..
    } = config.server;
    Bounds { connections_max, body_bytes_max, handshake_timeout, header_timeout, body_timeout, drain_timeout }
}
