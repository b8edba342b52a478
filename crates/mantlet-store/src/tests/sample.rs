//! Records as they might be: for the tests that do not care which, and for those that want every kind.

use std::collections::{BTreeMap, BTreeSet};

use mantlet_gate::directory::{
    Attached, Ceiling, Change, Consumer, Grant, Key, KeyState, ModelRecord, Promotion, User, VersionRecord,
};
use mantlet_gate::{
    approvals::{Approval, Approvers},
    budget::Budget,
    changes::{PolicyFile, Proposal, Proposed, Reason},
    disable::Disabled,
    releases::{
        alias::Aliased,
        conditions::Conditions,
        facts::{Evaluated, Facts, Figure, Milestone, Retired, ScanVerdict, Scanned, Taken},
    },
    secrets::{About, KeptSecret},
    urls::{
        UrlUse,
        keys::{RevokedUrlKey, UrlKey},
    },
};
use mantlet_types::{
    ConsumerId, Kid, ModelName, PolicyName, PrincipalId, ProjectId, Role, Secret, SecretName, Sha256,
    Timestamp, UserId, Version,
    url::{UrlId, UrlKid},
    workload::WorkloadIdentity,
};
use proptest::{collection, option, prelude::*};

const NAME: &str = "[a-z0-9][a-z0-9._-]{0,12}";

fn project() -> impl Strategy<Value = ProjectId> {
    NAME.prop_map(|name| name.parse().unwrap())
}

fn user_id() -> impl Strategy<Value = UserId> {
    NAME.prop_map(|name| name.parse().unwrap())
}

fn consumer_id() -> impl Strategy<Value = ConsumerId> {
    NAME.prop_map(|name| name.parse().unwrap())
}

fn model_name() -> impl Strategy<Value = ModelName> {
    NAME.prop_map(|name| name.parse().unwrap())
}

fn kid() -> impl Strategy<Value = Kid> {
    "[0-9A-Za-z]{12}".prop_map(|text| text.parse().unwrap())
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000_000_000).prop_map(Timestamp::from_micros)
}

fn url_kid() -> impl Strategy<Value = UrlKid> {
    (1_u32..4).prop_map(|number| format!("k{number}").parse().unwrap())
}

fn url_id() -> impl Strategy<Value = UrlId> {
    (0_u8..4).prop_map(|byte| UrlId([byte; 16]))
}

fn url_key() -> impl Strategy<Value = UrlKey> {
    let revoked = option::of((moment(), user_id()).prop_map(|(at, by)| RevokedUrlKey { at, by }));
    (option::of(moment()), revoked).prop_map(|(made, revoked)| UrlKey { made, revoked })
}

fn secret_name() -> impl Strategy<Value = SecretName> {
    "[a-c]".prop_map(|name| name.parse().unwrap())
}

fn secret() -> impl Strategy<Value = KeptSecret> {
    let value = collection::vec(any::<u8>(), 1..2000);
    (value, project(), 1_u32.., moment(), user_id()).prop_map(|(value, project, version, changed, by)| {
        KeptSecret {
            about: About { project, version, changed, by },
            value: Secret::new(value).ok().unwrap().into(),
        }
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn digest() -> impl Strategy<Value = Sha256> {
    any::<[u8; 32]>().prop_map(Sha256)
}

fn version() -> impl Strategy<Value = Version> {
    (1_u32..).prop_map(|number| Version::try_from(number).unwrap())
}

fn ceiling() -> impl Strategy<Value = Ceiling> {
    let models = option::of(collection::btree_set(model_name(), 0..3));
    (collection::btree_set(role(), 0..4), models, any::<u32>())
        .prop_map(|(roles, models, rate_per_minute)| Ceiling { roles, models, rate_per_minute })
}

fn user() -> impl Strategy<Value = User> {
    let bindings = collection::btree_map(role(), collection::btree_set(project(), 0..3), 0..4);
    let projects = collection::btree_set(project(), 0..3);
    (any::<bool>(), projects, bindings, option::of(ceiling()), collection::btree_set(digest(), 0..2))
        .prop_map(|(disabled, projects, bindings, ceiling, certificates)| User {
            disabled,
            projects,
            bindings,
            ceiling,
            certificates,
            break_glass: None,
        })
}

fn consumer() -> impl Strategy<Value = Consumer> {
    let models = collection::btree_set(model_name(), 0..3);
    let spiffe = "[a-z]{1,5}/[a-z]{1,5}"
        .prop_map(|rest| WorkloadIdentity::Spiffe { spiffe: format!("spiffe://{rest}").parse().unwrap() });
    let token = (NAME, "[ -~]{1,20}").prop_map(|(issuer, subject)| WorkloadIdentity::Token {
        issuer: issuer.parse().unwrap(),
        subject: subject.parse().unwrap(),
    });
    let identities = collection::btree_set(prop_oneof![spiffe.clone(), token.clone()], 0..3);
    let removed = collection::vec(prop_oneof![spiffe, token], 0..3);
    let keepers = collection::btree_set(user_id(), 0..3);
    let routes = collection::btree_set("[a-z]{1,8}".prop_map(|name| name.parse().unwrap()), 0..3);
    let kept = (removed, keepers, routes, any::<Option<u64>>());
    (any::<bool>(), project(), models, any::<bool>(), moment(), any::<u32>(), identities, kept).prop_map(
        |(disabled, project, models, monitor, expires, rate_per_minute, identities, kept)| Consumer {
            disabled,
            project,
            models,
            monitor,
            expires,
            rate_per_minute,
            identities,
            removed: kept.0,
            keepers: kept.1,
            routes: kept.2,
            budget: Budget { tokens_per_day: kept.3, ..Budget::default() },
        },
    )
}

fn key_record() -> impl Strategy<Value = Key> {
    let owner =
        prop_oneof![user_id().prop_map(PrincipalId::User), consumer_id().prop_map(PrincipalId::Consumer)];
    let state = prop_oneof![
        Just(KeyState::Active),
        moment().prop_map(|until| KeyState::Retiring { until }),
        Just(KeyState::Revoked)
    ];
    let networks = collection::vec(
        prop::sample::select(vec!["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"])
            .prop_map(|text| text.parse().unwrap()),
        0..3,
    );
    (owner, any::<[u8; 32]>(), any::<u32>(), moment(), moment(), state, networks, any::<bool>()).prop_map(
        |(owner, hmac, pepper_version, created, expires, state, networks, handed_over)| Key {
            owner,
            hmac,
            pepper_version,
            created,
            expires,
            state,
            networks,
            handed_over,
        },
    )
}

fn model() -> impl Strategy<Value = ModelRecord> {
    let authors = collection::btree_set(user_id(), 0..3);
    let compared = (digest(), version(), any::<String>()).prop_map(|(digest, with, document)| Attached {
        digest,
        with,
        document: document.into(),
    });
    let evaluations = collection::btree_set(digest(), 0..2);
    let known = (option::of(compared), conditions(), evaluations);
    let promotion = (digest(), user_id(), moment(), approvers(), moment(), known).prop_map(
        |(digest, requested_by, requested, approved_by, ends, (compared, conditions, evaluations))| {
            Promotion {
                digest,
                requested_by,
                requested,
                approved_by,
                ends,
                compared,
                conditions,
                evaluations,
            }
        },
    );
    let promotion = option::of(promotion);
    let record = (user_id(), authors, digest(), digest(), moment(), any::<bool>(), promotion, facts())
        .prop_map(|(author, data_authors, digest, package, registered, was_live, promotion, facts)| {
            VersionRecord { author, data_authors, digest, package, registered, was_live, promotion, facts }
        });
    let former = collection::vec(version(), 0..3);
    (project(), option::of(version()), former, collection::btree_map(version(), record, 0..4)).prop_map(
        |(project, live, former, versions)| {
            let by = versions.values().next().map(|version| version.author.clone());
            let disabled = by.map(|by| Disabled { by, since: Timestamp::from_micros(7) });
            let alias = |(version, record): (&Version, &VersionRecord)| {
                let (by, since) = (record.author.clone(), record.registered);
                (format!("v{version}").parse().unwrap(), Aliased { version: *version, by, since })
            };
            let aliases = versions.iter().map(alias).collect();
            ModelRecord { project, live, former, disabled, aliases, versions }
        },
    )
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let bound = || option::of(figure().prop_map(|figure| ("roc_auc".into(), figure)));
    let keys = collection::btree_set(digest(), 0..2);
    (any::<bool>(), keys, option::of(digest()), bound(), bound()).prop_map(
        |(scan_clean, signed_by, evaluated_on, at_least, at_most)| Conditions {
            scan_clean,
            signed_by,
            evaluated_on,
            at_least: at_least.into_iter().collect(),
            at_most: at_most.into_iter().collect(),
        },
    )
}

fn figure() -> impl Strategy<Value = Figure> {
    prop::num::f64::NORMAL.prop_map(|value| value.try_into().unwrap())
}

fn facts() -> impl Strategy<Value = Facts> {
    let scan =
        (moment(), prop::sample::select(vec![ScanVerdict::Safe, ScanVerdict::Unsafe, ScanVerdict::Unknown]))
            .prop_map(|(at, verdict)| Scanned { scanner: "scanner/1".into(), verdict, at });
    let evaluated = (digest(), digest(), any::<u64>(), figure(), user_id(), moment()).prop_map(
        |(report, data, rows, figure, by, at)| Evaluated {
            report,
            data,
            rows,
            figures: [("brier".into(), figure)].into(),
            by: PrincipalId::User(by),
            at,
            entry: Some(rows),
        },
    );
    let step = (user_id(), moment(), option::of(any::<u64>()), any::<bool>()).prop_map(
        |(by, at, entry, single_person)| Taken { step: Milestone::Approved, by, at, entry, single_person },
    );
    let retired = (user_id(), moment()).prop_map(|(by, at)| Retired { by, at });
    let digests = (collection::btree_set(digest(), 0..2), option::of(digest()), option::of(digest()));
    let found = (option::of(scan), collection::vec(evaluated, 0..2));
    (digests, found, option::of(retired), collection::vec(step, 0..3)).prop_map(
        |((datasets, profile, signer), (scan, evaluations), retired, steps)| Facts {
            datasets,
            profile,
            signer,
            scan,
            evaluations,
            retired,
            steps,
        },
    )
}

fn approvers() -> impl Strategy<Value = Approvers> {
    collection::vec((user_id(), option::of(digest())), 0..3).prop_map(|given| {
        let mut approvers = Approvers::new();
        given.into_iter().for_each(|(name, statement)| approvers.insert(name, statement));
        approvers
    })
}

fn approval() -> impl Strategy<Value = Approval> {
    ("[ -~]{0,40}", "[ -~]{0,40}", moment()).prop_map(|(statement, signature, given)| Approval {
        subject: statement.clone().into(),
        statement: statement.into(),
        certificate: signature.clone().into(),
        signature: signature.into(),
        given,
    })
}

fn policy_name() -> impl Strategy<Value = PolicyName> {
    NAME.prop_map(|name| name.parse().unwrap())
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let policy = (policy_name(), option::of("[ -~]{0,40}"))
        .prop_map(|(name, text)| Proposed::Policy { name, text: text.map(Into::into) });
    let glass = (user_id(), prop::sample::select(Reason::ALL.to_vec()))
        .prop_map(|(beneficiary, reason)| Proposed::BreakGlass { beneficiary, reason });
    (project(), user_id(), moment(), approvers(), moment(), prop_oneof![policy, glass]).prop_map(
        |(project, proposed_by, proposed, approved_by, expires, what)| Proposal {
            project,
            proposed_by,
            proposed,
            approved_by,
            expires,
            what,
        },
    )
}

fn policy_file() -> impl Strategy<Value = PolicyFile> {
    let people = collection::btree_set(user_id(), 0..3);
    ("[ -~]{0,40}", digest(), any::<u64>(), user_id(), people, moment()).prop_map(
        |(text, digest, change, proposed_by, approved_by, applied)| PolicyFile {
            text: text.into(),
            digest,
            change,
            applied_by: proposed_by.clone(),
            proposed_by,
            approved_by,
            applied,
        },
    )
}

fn grant() -> impl Strategy<Value = Grant> {
    (project(), role(), user_id(), user_id(), approvers(), moment()).prop_map(
        |(project, role, beneficiary, proposed_by, approved_by, expires)| Grant {
            project,
            role,
            beneficiary,
            proposed_by,
            approved_by,
            expires,
        },
    )
}

/// Any change. Grant numbers are few, so that some are removed.
pub(super) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        project().prop_map(Change::AddProject),
        (user_id(), user()).prop_map(|(id, record)| Change::PutUser(id, record)),
        (consumer_id(), consumer()).prop_map(|(id, record)| Change::PutConsumer(id, record)),
        (kid(), key_record()).prop_map(|(id, record)| Change::PutKey(id, record)),
        (model_name(), model()).prop_map(|(name, record)| Change::PutModel(name, record)),
        (0_u64..4, grant()).prop_map(|(number, record)| Change::PutGrant(number, record)),
        (0_u64..4).prop_map(Change::RemoveGrant),
        (0_u64..4, proposal()).prop_map(|(number, record)| Change::PutProposal(number, record)),
        (0_u64..4).prop_map(Change::RemoveProposal),
        (policy_name(), policy_file()).prop_map(|(name, file)| Change::PutPolicies(name, file)),
        policy_name().prop_map(Change::RemovePolicies),
        approval().prop_map(|kept| Change::PutApproval(kept.digest(), kept.into())),
        digest().prop_map(Change::RemoveApproval),
        (url_kid(), url_key()).prop_map(|(kid, record)| Change::PutUrlKey(kid, record)),
        (url_id(), moment()).prop_map(|(id, expires)| Change::PutUrlUse(id, UrlUse { expires })),
        url_id().prop_map(Change::RemoveUrlUse),
        (secret_name(), secret()).prop_map(|(name, kept)| Change::PutSecret(name, kept)),
        secret_name().prop_map(Change::RemoveSecret),
    ]
}

/// A key of alice's whose HMAC is all of one byte.
pub(super) fn key_of(kid: &str, byte: u8) -> Change {
    let record = Key {
        owner: "user:alice".parse().unwrap(),
        hmac: [byte; 32],
        pepper_version: 1,
        created: Timestamp::from_micros(1),
        expires: Timestamp::from_micros(2),
        state: KeyState::Active,
        networks: Vec::new(),
        handed_over: false,
    };
    Change::PutKey(kid.parse().unwrap(), record)
}

/// A user bound to one role in project `home`.
pub(super) fn user_with(name: &str, role: Role) -> Change {
    let home: ProjectId = "home".parse().unwrap();
    let projects = BTreeSet::from([home]);
    let bindings = BTreeMap::from([(role, projects.clone())]);
    Change::PutUser(name.parse().unwrap(), User { projects, bindings, ..User::default() })
}
