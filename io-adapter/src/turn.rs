//! A lock that nobody waits for to work: who finds it taken leaves the work to its holder. Only who looks at what it guards
//! waits for it, and no longer than one call takes, as nobody holds it across a wait.

use std::sync::{PoisonError, TryLockError};

use crate::sync::{AtomicBool, Ordering, TriedMutex, TriedMutexGuard, fence};

/// Guards what one at a time works on, for everybody.
pub(crate) struct Turn<T> {
    held: TriedMutex<T>,
    /// Somebody found it held since its holder last looked.
    missed: AtomicBool,
}

impl<T> Turn<T> {
    pub(crate) fn new(guarded: T) -> Self {
        Self {
            held: TriedMutex::new(guarded),
            missed: AtomicBool::new(false),
        }
    }

    /// Does all the work there is, again when others come meanwhile, or leaves it to who holds this now.
    pub(crate) fn work(&self, mut work: impl FnMut(&mut T)) {
        while let Some(mut held) = self.try_hold() {
            work(&mut held);
            drop(held);
            // Also when the work got stuck: whom it was left to may have been turned away meanwhile, and sleep again.
            if !self.was_missed() {
                break;
            }
        }
    }

    /// Looks at what is guarded; after `work`, once more, when somebody was turned away meanwhile.
    pub(crate) fn look<R>(&self, mut look: impl FnMut(&mut T) -> R, work: impl Fn()) -> R {
        loop {
            let result = look(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner));
            if !self.was_missed() {
                return result;
            }
            work();
        }
    }

    /// Whether there is nothing `more` to do and what is guarded is `done`, which `work` may have to see to.
    pub(crate) fn is_done(
        &self,
        more: impl Fn() -> bool,
        done: impl FnMut(&mut T) -> bool,
        work: impl Fn(),
    ) -> bool {
        // In this order: what is not to be done any more has been taken up by whoever holds this.
        !more() && self.look(done, work)
    }

    /// It is held by the caller, or whoever holds it will look again.
    fn try_hold(&self) -> Option<TriedMutexGuard<'_, T>> {
        self.attempt().or_else(|| {
            self.missed.store(true, Ordering::Relaxed);
            // The holder may have looked just before that, and gone. Of the two fences one comes first: then either
            // the flag is seen there or the free lock is seen here. A lock alone orders neither.
            fence(Ordering::SeqCst);
            self.attempt()
        })
    }

    fn attempt(&self) -> Option<TriedMutexGuard<'_, T>> {
        match self.held.try_lock() {
            Ok(held) => Some(held),
            // What a panic has left is a piece of output, cut where it was; nobody need hang for it.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// To be asked once it is not held any more.
    fn was_missed(&self) -> bool {
        fence(Ordering::SeqCst);
        self.missed.swap(false, Ordering::Relaxed)
    }
}
