//! Timers that stop when they are dropped.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// Calls back once.
pub(crate) struct Timeout {
    id: Option<i32>,
    _callback: Closure<dyn FnMut()>,
}

impl Timeout {
    /// After so many milliseconds.
    pub(crate) fn new(ms: u32, callback: impl FnMut() + 'static) -> Self {
        let callback = Closure::new(callback);
        let id = web_sys::window().and_then(|window| {
            let function = callback.as_ref().unchecked_ref();
            window
                .set_timeout_with_callback_and_timeout_and_arguments_0(function, clamp(ms))
                .ok()
        });
        Self {
            id,
            _callback: callback,
        }
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        if let (Some(window), Some(id)) = (web_sys::window(), self.id) {
            window.clear_timeout_with_handle(id);
        }
    }
}

/// Calls back again and again.
pub(crate) struct Interval {
    id: Option<i32>,
    _callback: Closure<dyn FnMut()>,
}

impl Interval {
    /// Every so many milliseconds.
    pub(crate) fn new(ms: u32, callback: impl FnMut() + 'static) -> Self {
        let callback = Closure::new(callback);
        let id = web_sys::window().and_then(|window| {
            let function = callback.as_ref().unchecked_ref();
            window
                .set_interval_with_callback_and_timeout_and_arguments_0(function, clamp(ms))
                .ok()
        });
        Self {
            id,
            _callback: callback,
        }
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let (Some(window), Some(id)) = (web_sys::window(), self.id) {
            window.clear_interval_with_handle(id);
        }
    }
}

fn clamp(ms: u32) -> i32 {
    i32::try_from(ms).unwrap_or(i32::MAX)
}
