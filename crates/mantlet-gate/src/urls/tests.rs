//! Signatures against another implementation's, what a bearer may and may not, and what ends a URL.

use std::{collections::BTreeSet, sync::Arc};

use mantlet_types::{
    Code, ProjectId, Resource, Role, Sha256, Timestamp, UserId, Version,
    entry::{Decision, Event},
    url::UrlKid,
};

use super::*;
use crate::{
    administer::{Deed, Done, administer},
    directory::{ModelRecord, User},
    identity::{Arrival, Certificate, Channel, Credential},
    policy::permits,
    releases::facts::Retired,
    testing::{BEGIN, Kit, MODEL, PROJECT, user},
    urls::keys::{RevokeUrlKey, UrlKey},
};

const EVE: &str = "eve";

/// Signs, as the deed of whoever may export.
struct Sign(UrlWish);

impl Deed for Sign {
    type Reply = (UrlTerms, Signature);

    fn event(&self) -> Event {
        Event::UrlSign
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        let version = Resource::ModelVersion(MODEL.parse().unwrap(), Version::FIRST);
        Ok(Claims::All(vec![(Action::Export, Target::Resource(version))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Self::Reply>, Rejection> {
        let model = MODEL.parse().unwrap();
        sign(office, (&model, Version::FIRST), Sha256([0xD2; 32]), self.0).map(Done::read)
    }
}

/// Brings a URL; gives nothing but leave.
struct Bring;

impl Deed for Bring {
    type Reply = ();

    fn event(&self) -> Event {
        Event::UrlRedeem
    }

    fn changes(&self) -> bool {
        true
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        claims(caller, directory)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<()>, Rejection> {
        let terms = office.caller.url().unwrap();
        let once = terms.once.then(|| used(&office.snapshot.directory, terms, office.gate.now()));
        Ok(Done::changed((), once.transpose()?.unwrap_or_default()))
    }
}

/// A kit with somebody who may export, and that person's request.
fn kit() -> (Kit, Arrival) {
    let kit = Kit::new();
    let eve = User { certificates: BTreeSet::from([Sha256([0xEE; 32])]), ..user(&[Role::Admin]) };
    kit.change(&[Change::PutUser(EVE.parse().unwrap(), eve)]);
    let key = kit.key("user:eve").1;
    let expires = BEGIN.plus_seconds(86_400);
    let certificate = Certificate { digest: Sha256([0xEE; 32]), user: EVE.parse().unwrap(), expires };
    let arrival = Arrival { channel: Channel::Tls(Some(certificate)), ..kit.bearer(&key) };
    (kit, arrival)
}

fn wish() -> UrlWish {
    UrlWish {
        id: UrlId([1; 16]),
        method: UrlMethod::Get,
        seconds: 900,
        network: None,
        once: false,
        file: None,
    }
}

async fn signed(kit: &Kit, arrival: Arrival, wish: UrlWish) -> Result<(UrlTerms, Signature), Rejection> {
    administer(Arc::clone(&kit.gate), arrival, Sign(wish)).await.into_parts().0
}

fn arrival(kit: &Kit, (terms, signature): &(UrlTerms, Signature)) -> Arrival {
    let brought = BroughtUrl { terms: terms.clone(), signature: signature.clone() };
    kit.arrival(Credential::SignedUrl(Some(Box::new(brought))))
}

async fn bring(kit: &Kit, url: &(UrlTerms, Signature)) -> Result<(), Code> {
    let arrival = arrival(kit, url);
    let (brought, receipt) = administer(Arc::clone(&kit.gate), arrival, Bring).await.into_parts();
    assert_eq!(brought.is_ok(), receipt.is_some());
    brought.map_err(|rejection| {
        assert_eq!(rejection.detail, None);
        rejection.code
    })
}

#[test]
fn a_signature_is_hmac_under_a_key_by_hkdf() {
    // By Python's hmac and hashlib, after RFC 5869 and RFC 2104.
    let expect = "b3b2344a0fb242eb617cb0235bbf500abe36f5f560d159903e7b1c7b0e21b2be";
    let terms = UrlTerms {
        method: UrlMethod::Get,
        model: "coin".parse().unwrap(),
        version: Version::FIRST,
        package: Sha256([7; 32]),
        file: Some("model.onnx".into()),
        expires: Timestamp::from_micros(1_790_000_000_000_000),
        kid: UrlKid::FIRST,
        user: "ada".parse().unwrap(),
        id: UrlId([1; 16]),
        network: Some("10.0.0.0/8".parse().unwrap()),
        once: true,
    };
    let signature = Signature::parse(expect).unwrap();
    let signer = UrlSigner::new(&[9; 32]);
    assert!(signer.knows(&terms, &signature));
    assert_eq!(signature.reveal(), expect);
    assert!(!UrlSigner::new(&[8; 32]).knows(&terms, &signature));
    assert!(!signer.knows(&UrlTerms { kid: UrlKid::FIRST.next().unwrap(), ..terms.clone() }, &signature));
    for byte in 0..32 {
        let mut bytes = signature.reveal().into_bytes();
        bytes[byte * 2] = if bytes[byte * 2] == b'0' { b'1' } else { b'0' };
        let wrong = Signature::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
        assert!(!signer.knows(&terms, &wrong), "byte {byte}");
    }
    assert_eq!(format!("{signature:?}"), "Signature(…)");
}

#[tokio::test]
async fn a_bearer_has_what_the_url_says_and_nothing_of_its_person() {
    let (kit, eve) = kit();
    let url = signed(&kit, eve, wish()).await.unwrap();
    bring(&kit, &url).await.unwrap();
    let entries = kit.ledger.take();
    let last = entries.last().unwrap();
    assert_eq!((last.principal.as_ref().unwrap().to_string().as_str(), last.status), ("user:eve", Some(200)));
    let bearer = kit.authenticate(arrival(&kit, &url)).unwrap();
    let project: ProjectId = PROJECT.parse().unwrap();
    let model = || MODEL.parse().unwrap();
    let elsewhere = Version::try_from(2).unwrap();
    let other = UrlTerms { id: UrlId([9; 16]), ..url.0.clone() };
    for (action, target) in [
        (Action::Export, Target::Resource(Resource::Model(model()))),
        (Action::Export, Target::Resource(Resource::ModelVersion(model(), elsewhere))),
        (Action::ViewWeights, Target::Resource(Resource::ModelVersion(model(), Version::FIRST))),
        (Action::Predict, Target::Resource(Resource::Model(model()))),
        (Action::Evaluate, Target::NewModel { project: project.clone(), model: model() }),
        (Action::InspectFeatures, Target::Resource(Resource::Model(model()))),
        (Action::ManageUsers, Target::Resource(Resource::Project(project))),
        (Action::RedeemUrl, Target::SignedUrl(Box::new(other))),
        (Action::RedeemUrl, Target::Unknown),
    ] {
        assert!(!permits(&bearer, action, &target, kit.gate.now()), "{action} {target:?}");
    }
    let own = Target::SignedUrl(Box::new(url.0.clone()));
    assert!(permits(&bearer, Action::RedeemUrl, &own, kit.gate.now()));
}

#[tokio::test]
async fn whatever_ends_a_url_ends_it_alike() {
    let (kit, eve) = kit();
    let url = signed(&kit, eve, wish()).await.unwrap();
    let check =
        async |what: &str, expect: Result<(), Code>| assert_eq!(bring(&kit, &url).await, expect, "{what}");
    check("at first", Ok(())).await;
    let before = kit.gate.snapshot().directory.clone();
    let (id, model): (UserId, mantlet_types::ModelName) = (EVE.parse().unwrap(), MODEL.parse().unwrap());
    let (person, record) = (before.users[&id].clone(), before.models[&model].clone());
    let put = |user: User| kit.change(&[Change::PutUser(id.clone(), user)]);
    put(User { disabled: true, ..person.clone() });
    check("disabled", Err(Code::NotFound)).await;
    put(User { bindings: user(&[Role::Reader]).bindings, ..person.clone() });
    check("without the right", Err(Code::NotFound)).await;
    put(User { bindings: std::collections::BTreeMap::new(), ..person.clone() });
    check("without any role", Err(Code::NotFound)).await;
    put(person);
    check("as before", Ok(())).await;
    let put = |record: &ModelRecord| kit.change(&[Change::PutModel(model.clone(), record.clone())]);
    let mut changed = record.clone();
    changed.versions.get_mut(&Version::FIRST).unwrap().package = Sha256([1; 32]);
    put(&changed);
    check("another package", Err(Code::NotFound)).await;
    changed = record.clone();
    changed.versions.get_mut(&Version::FIRST).unwrap().facts.retired =
        Some(Retired { by: id.clone(), at: BEGIN });
    put(&changed);
    check("a retired version", Err(Code::NotFound)).await;
    changed.versions.clear();
    put(&changed);
    check("no such version", Err(Code::NotFound)).await;
    put(&record);
    check("as before", Ok(())).await;
    kit.clock.advance(899);
    check("in its last second", Ok(())).await;
    kit.clock.advance(1);
    check("at its end", Err(Code::NotFound)).await;
}

#[tokio::test]
async fn a_revoked_key_counts_no_more_and_the_next_one_signs() {
    let (kit, eve) = kit();
    let url = signed(&kit, eve, wish()).await.unwrap();
    let gate = Arc::clone(&kit.gate);
    let revoked = administer(gate, kit.operator(), RevokeUrlKey { kid: UrlKid::FIRST }).await.into_parts().0;
    assert_eq!(revoked.unwrap().state, "revoked");
    assert_eq!(bring(&kit, &url).await, Err(Code::NotFound));
    let directory = &kit.gate.snapshot().directory;
    assert_eq!(directory.signing_url_key(), UrlKid::FIRST.next());
    assert!(!directory.counts_url_key("k3".parse().unwrap()), "a key that was never made");
    let bare = Directory::default();
    assert_eq!((bare.signing_url_key(), bare.counts_url_key(UrlKid::FIRST)), (Some(UrlKid::FIRST), true));
}

#[tokio::test]
async fn one_use_is_one_use_and_is_forgotten_long_after_the_end() {
    let (kit, eve) = kit();
    let url = signed(&kit, eve, UrlWish { once: true, ..wish() }).await.unwrap();
    assert_eq!(bring(&kit, &url).await, Ok(()));
    assert_eq!(bring(&kit, &url).await, Err(Code::NotFound));
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.decision, entry.error_code.unwrap().as_str()), (Some(Decision::Deny), "not_found"));
    let directory = kit.gate.snapshot().directory.clone();
    let later = |seconds| {
        used(&directory, &UrlTerms { id: UrlId([2; 16]), ..url.0.clone() }, BEGIN.plus_seconds(seconds))
    };
    assert_eq!(later(900 + 3_599).unwrap().len(), 1);
    assert_eq!(later(900 + 3_600).unwrap()[0], Change::RemoveUrlUse(url.0.id));
    let mut full = directory.clone();
    for number in 0..URL_USES_MAX as u128 {
        full.url_uses.insert(UrlId(number.to_be_bytes()), UrlUse { expires: url.0.expires });
    }
    assert_eq!(used(&full, &url.0, BEGIN).unwrap_err().code, Code::Unavailable);
}

#[tokio::test]
async fn a_network_is_asked_about_the_client_and_a_life_is_bounded() {
    let (kit, eve) = kit();
    let request = || Arrival {
        request_id: eve.request_id,
        ip: eve.ip,
        trace_id: None,
        channel: eve.channel.clone(),
        credential: match &eve.credential {
            Credential::Bearer(key) => Credential::Bearer(key.clone()),
            other => panic!("{other:?}"),
        },
    };
    for (network, expect) in [
        ("192.0.2.0/24", Ok(())),
        ("192.0.2.7/32", Ok(())),
        ("192.0.2.8/32", Err(Code::NotFound)),
        ("::/0", Err(Code::NotFound)),
    ] {
        let wish = UrlWish { network: Some(network.parse().unwrap()), ..wish() };
        let url = signed(&kit, request(), wish).await.unwrap();
        assert_eq!(bring(&kit, &url).await, expect, "{network}");
    }
    for seconds in [0, 3_601, u32::MAX] {
        let refused = signed(&kit, request(), UrlWish { seconds, ..wish() }).await;
        assert_eq!(refused.unwrap_err().code, Code::InvalidArgument, "{seconds}");
    }
    assert!(signed(&kit, request(), UrlWish { seconds: 3_600, ..wish() }).await.is_ok());
    // Who may not export signs nothing, whatever else they may do.
    let refused = signed(&kit, kit.operator(), wish()).await;
    assert_eq!(refused.unwrap_err().code, Code::Forbidden);
}

#[test]
fn what_the_store_keeps_of_a_key_reads_as_it_was_written() {
    let key = UrlKey { made: Some(BEGIN), revoked: None };
    let text = serde_json::to_string(&key).unwrap();
    assert_eq!(serde_json::from_str::<UrlKey>(&text).unwrap(), key);
    assert_eq!(serde_json::from_str::<UrlKey>("{}").unwrap(), UrlKey { made: None, revoked: None });
}
