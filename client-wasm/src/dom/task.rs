//! A future on the browser's microtask queue that stops when it is dropped.

use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, abortable};

/// Whoever holds it owns the future.
pub(crate) struct Task(AbortHandle);

impl Task {
    /// Starts the future.
    pub(crate) fn new(future: impl Future<Output = ()> + 'static) -> Self {
        // Boxed, what is around it is compiled once, and not for every future.
        let (future, handle) = abortable(future.boxed_local());
        wasm_bindgen_futures::spawn_local(async move {
            // Aborted means that its owner is gone: nobody is left to be told.
            let _ = future.await;
        });
        Self(handle)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
