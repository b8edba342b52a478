//! What counts as writing or reading: the actions by which somebody can change what lies under an ARN, or see it.
//! Access levels alone do not say that: who may rewrite a bucket's policy or lifecycle changes its objects too.

use std::ops::ControlFlow;

use super::{
    data::{Data, Level},
    decide::automaton::{Product, Sign},
    pattern::{Pattern, Piece},
};

/// Actions on resources of one pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What they have in common.
    pub name: &'static str,
    /// The actions.
    pub actions: Vec<String>,
    /// The resources.
    pub resource: String,
}

/// What may be done to a bucket that changes its objects, or who may change them.
const BUCKET_CONTROLS: [&str; 12] = [
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutInventoryConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
    "s3:PutBucketObjectLockConfiguration",
];

/// What acts on objects by way of somebody else: batch jobs, access points, grants.
const DETOURS: [&str; 6] = [
    "s3:CreateJob",
    "s3:PutAccessPointPolicy",
    "s3:PutAccessPointPolicyForObjectLambda",
    "s3:CreateAccessGrant",
    "s3:PutMultiRegionAccessPointPolicy",
    "s3express:CreateSession",
];

/// What counts as writing under a pattern.
#[must_use]
pub fn write(resource: &str) -> Vec<Part> {
    let levels = [Level::Write, Level::Tagging, Level::Permissions];
    let direct = on(resource, &levels);
    let mut parts = vec![Part { name: "write", actions: direct, resource: resource.to_owned() }];
    if let Some(bucket) = bucket(resource) {
        let controls = BUCKET_CONTROLS.iter().filter(|name| Data::embedded().action(name).is_some());
        let controls: Vec<String> = controls.map(|name| (*name).to_owned()).collect();
        parts.push(Part { name: "bucket-control", actions: controls, resource: bucket });
        let detours = DETOURS.iter().filter(|name| Data::embedded().action(name).is_some());
        let actions = detours.map(|name| (*name).to_owned()).collect();
        parts.push(Part { name: "detour", actions, resource: "*".to_owned() });
    }
    parts.retain(|part| !part.actions.is_empty());
    parts
}

/// What counts as reading under a pattern.
#[must_use]
pub fn read(resource: &str) -> Vec<Part> {
    let actions = on(resource, &[Level::Read]);
    let part = Part { name: "read", actions, resource: resource.to_owned() };
    if part.actions.is_empty() { Vec::new() } else { vec![part] }
}

/// Actions of these levels that can be granted on some ARN of a pattern.
fn on(resource: &str, levels: &[Level]) -> Vec<String> {
    let data = Data::embedded();
    let asked = glob(resource);
    // The service is the third field; where the pattern leaves it open, every service counts.
    let service = resource.split(':').nth(2).filter(|service| !service.contains(['*', '?']));
    let fits = |action: &&super::data::Action| {
        let own = action.name.split(':').next();
        let near = service.is_none_or(|service| own == Some(service) || service.is_empty());
        near && levels.contains(&action.level)
            && data.shapes(action).iter().any(|shape| meets(&asked, &shaped(shape)))
    };
    data.actions().filter(fits).map(|action| action.name.clone()).collect()
}

fn glob(text: &str) -> Vec<Sign> {
    let sign = |piece: &Piece| match piece {
        Piece::Char(character) => Sign::Char(*character),
        Piece::One => Sign::One(None),
        Piece::Star | Piece::Variable(..) => Sign::Star(None),
    };
    Pattern::glob(text).pieces.iter().map(sign).collect()
}

fn shaped(shape: &str) -> Vec<Sign> {
    super::decide::shape(shape)
}

/// Whether some text is of both patterns.
fn meets(one: &[Sign], other: &[Sign]) -> bool {
    let product = Product::new(&[one.to_vec(), other.to_vec()]);
    let mut found = false;
    product.search(
        10_000,
        |row| !product.alive(row, 0) || !product.alive(row, 1),
        |matched, _| {
            found = matched.has(0) && matched.has(1);
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    found
}

/// The bucket of a pattern of objects.
fn bucket(resource: &str) -> Option<String> {
    let mut fields = resource.splitn(6, ':');
    let service = fields.nth(2)?;
    let path = fields.nth(2)?;
    let (bucket, _) = path.split_once('/')?;
    (service == "s3" && !bucket.is_empty()).then(|| format!("arn:aws:s3:::{bucket}"))
}
