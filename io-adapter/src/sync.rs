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

use std::{
    sync::{LockResult, TryLockError, atomic::AtomicU64},
    time::Duration,
};

use tokio::time::Instant;

/// How often somebody found a lock taken, and how long all of them waited for it.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Waits {
    pub(crate) fn total(&self) -> (u64, Duration) {
        let nanos = self.nanos.load(Ordering::Relaxed);
        let count = self.count.load(Ordering::Relaxed);
        (count, Duration::from_nanos(nanos))
    }
}

/// Takes a lock, and notes when that has to wait. A lock that is free costs the same as without it, and who has to wait looks
/// at the clock beside what a wait costs anyway.
pub(crate) fn lock<'a, T>(mutex: &'a Mutex<T>, waits: &Waits) -> LockResult<MutexGuard<'a, T>> {
    match mutex.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Err(poisoned),
        Err(TryLockError::WouldBlock) => {
            let begin = Instant::now();
            let guard = mutex.lock();
            let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            waits.count.fetch_add(1, Ordering::Relaxed);
            waits.nanos.fetch_add(nanos, Ordering::Relaxed);
            guard
        }
    }
}
