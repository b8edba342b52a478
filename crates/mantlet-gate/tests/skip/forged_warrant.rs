// Leave to change anything comes from door 2 alone.
use mantlet_gate::{administer::Warrant, directory::Change, ports::Store};

async fn behind_the_door(store: &dyn Store, changes: &[Change]) {
    let _ = store.commit(&Warrant { intent: None }, changes).await;
}

fn main() {}
