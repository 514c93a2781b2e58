//! What goes on by itself, on a thread of its own, until its owner ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Ends with its owner. By default there is nothing to go on.
#[derive(Default)]
pub struct Background {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Does this again and again.
    pub fn repeat(mut step: impl FnMut() + Send + 'static) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let told = is_over.clone();
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                step();
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }

    /// Ends it; it must not have panicked.
    pub fn end(&mut self) {
        assert!(self.join().is_ok());
    }

    fn join(&mut self) -> std::thread::Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.join();
    }
}
