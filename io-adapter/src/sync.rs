//! What threads meet on. `tests/models.rs` and `tests/models_of_tasks.rs` put loom's in their place, to go through every
//! order in which they can.

pub(crate) use std::sync::{
    Mutex,
    // The one lock that is tried. Loom's has no answer to that, and the models' own, which has, is slower to go through.
    Mutex as TriedMutex,
    MutexGuard,
    MutexGuard as TriedMutexGuard,
    atomic::{AtomicBool, Ordering, fence},
};

pub(crate) use tokio::spawn;
