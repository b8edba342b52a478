// The store takes no change without a warrant.
use mantlet_gate::{directory::Change, ports::Store};

async fn unwarranted(store: &dyn Store, changes: &[Change]) {
    let _ = store.commit(changes).await;
}

fn main() {}
