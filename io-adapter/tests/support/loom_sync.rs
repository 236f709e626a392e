//! What code under test gets in place of the standard library's.
#![allow(dead_code, unused_imports, reason = "each model uses its part")]

use std::{
    ops::{Deref, DerefMut},
    pin::pin,
    sync::{self, Arc, LockResult, TryLockError, TryLockResult},
    task::{Context, Poll, Wake, Waker},
};

pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering, fence},
};

/// A lock as the standard library makes them. Loom's own says nothing of the order in memory when it is tried in
/// vain, and lets nobody come in before it is let go.
pub(crate) struct TriedMutex<T> {
    locked: AtomicBool,
    value: sync::Mutex<T>,
}

pub(crate) struct TriedMutexGuard<'a, T> {
    locked: &'a AtomicBool,
    value: Option<sync::MutexGuard<'a, T>>,
}

impl<T> TriedMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            value: sync::Mutex::new(value),
        }
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<TriedMutexGuard<'_, T>> {
        self.locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .map_err(|_| TryLockError::WouldBlock)?;
        Ok(TriedMutexGuard {
            locked: &self.locked,
            value: Some(self.value.try_lock().expect("one at a time has the flag")),
        })
    }

    pub(crate) fn lock(&self) -> LockResult<TriedMutexGuard<'_, T>> {
        loop {
            if let Ok(guard) = self.try_lock() {
                return Ok(guard);
            }
            loom::thread::yield_now();
        }
    }
}

impl<T> Deref for TriedMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("until it is dropped")
    }
}

impl<T> DerefMut for TriedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("until it is dropped")
    }
}

impl<T> Drop for TriedMutexGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        self.locked.store(false, Ordering::Release);
    }
}

/// Words of a thread's stack. Loom's own 4,096 are too few for an engine that is not optimized.
const STACK_WORDS: usize = 64 * 1_024;

/// A thread in which there is room for the adapter.
pub(crate) fn thread<R: Send + 'static>(
    run: impl FnOnce() -> R + Send + 'static,
) -> loom::thread::JoinHandle<R> {
    let builder = loom::thread::Builder::new().stack_size(STACK_WORDS);
    builder.spawn(run).expect("loom has threads enough")
}

/// Wakes a thread that runs a task.
#[derive(Default)]
struct Alarm {
    rung: Mutex<bool>,
    rings: loom::sync::Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().expect("no thread panics") = true;
        self.rings.notify_one();
    }
}

/// Runs a task in this thread. Unlike loom's own, its waker may be cloned while other threads cannot run, which is so
/// inside of tokio.
pub(crate) fn block_on<F: Future>(task: F) -> F::Output {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut task = pin!(task);
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut rung = alarm.rung.lock().expect("no thread panics");
        while !std::mem::take(&mut *rung) {
            rung = alarm.rings.wait(rung).expect("no thread panics");
        }
    }
}

/// A task is a thread.
pub(crate) fn spawn<F>(task: F)
where
    F: Future + Send + 'static,
{
    thread(move || drop(block_on(task)));
}

/// Nobody counts in a model.
#[derive(Debug, Default)]
pub(crate) struct Waits(());

impl Waits {
    pub(crate) fn total(&self) -> (u64, std::time::Duration) {
        (0, std::time::Duration::ZERO)
    }
}

pub(crate) fn lock<'a, T>(mutex: &'a Mutex<T>, _: &Waits) -> LockResult<MutexGuard<'a, T>> {
    mutex.lock()
}
