//! The nouns of Mantlet: identities, actions, roles, tensors, contracts, rejections, audit entries, limits.
//!
//! Everything here is plain data that several crates share. There is no I/O, no async and no cryptography:
//! a type lives here only if at least two crates must agree on it.

pub mod action;
pub mod contract;
pub mod digest;
pub mod entry;
pub mod id;
pub mod limits;
pub mod question;
pub mod quota;
pub mod reference;
pub mod rejection;
pub mod resource;
pub mod review;
pub mod role;
pub mod secret;
pub mod tensor;
pub mod time;
pub mod url;
pub mod workload;

pub use action::Action;
pub use contract::Contract;
pub use digest::Sha256;
pub use entry::Entry;
pub use id::{
    ComponentId, ConsumerId, Kid, ModelName, NodeId, PolicyName, PrincipalId, ProjectId, RequestId,
    RouteName, SecretName, UpstreamName, UserId, Version,
};
pub use reference::{Alias, ModelRef, VersionRef};
pub use rejection::{Code, Rejection};
pub use resource::Resource;
pub use review::ReviewId;
pub use role::Role;
pub use secret::Secret;
pub use tensor::{Datatype, Tensor, TensorData, TensorSpec};
pub use time::Timestamp;
