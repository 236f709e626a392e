//! What threads meet on. `tests/models.rs` puts loom's in their place, to go through every order in which they can.

pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering, fence},
};
