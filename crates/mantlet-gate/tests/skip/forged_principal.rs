// Nobody is a principal without having been authenticated.
use mantlet_gate::{Snapshot, identity::Principal};
use mantlet_types::{PrincipalId, entry::Authn};

fn impostor(id: PrincipalId, snapshot: std::sync::Arc<Snapshot>) -> Principal {
    let ip = std::net::Ipv4Addr::LOCALHOST.into();
    Principal { id, kid: None, authn: Authn::Internal, mfa: true, protected: true, ip, snapshot }
}

fn main() {}
