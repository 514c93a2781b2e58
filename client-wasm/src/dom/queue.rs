//! The bounded queue between the browser's callbacks and a loop.
//!
//! A loop awaits nothing but its queue, so the queue is empty whenever the browser's own event loop
//! gets its turn, and only one task's burst can fill it. What does not fit is dropped and counted,
//! and the console says so: it means a bug, not load.

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::mpsc;
use futures_util::StreamExt;

const CAPACITY: usize = 1024;

/// The end that callbacks hold. Clones share one slot count, unlike clones of an `mpsc::Sender`,
/// each of which would add a slot of its own.
pub(crate) struct Post<T>(Rc<dyn Fn(T)>);

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: 'static> Post<T> {
    /// Puts an item into the queue.
    pub(crate) fn send(&self, item: T) {
        (self.0)(item);
    }

    /// A post for parts that know only their own kind of item.
    pub(crate) fn map<U: 'static>(&self, wrap: impl Fn(U) -> T + 'static) -> Post<U> {
        let post = self.clone();
        Post(Rc::new(move |item| post.send(wrap(item))))
    }
}

/// The end that the loop holds.
pub(crate) struct Inbox<T>(mpsc::Receiver<T>);

impl<T> Inbox<T> {
    /// The next item, or nothing when every [`Post`] is gone.
    pub(crate) async fn next(&mut self) -> Option<T> {
        self.0.next().await
    }
}

/// A new queue.
pub(crate) fn queue<T: 'static>() -> (Post<T>, Inbox<T>) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let sender = RefCell::new(Counted { sender, dropped: 0 });
    let post = Post(Rc::new(move |item| sender.borrow_mut().send(item)));
    (post, Inbox(receiver))
}

struct Counted<T> {
    sender: mpsc::Sender<T>,
    dropped: u32,
}

impl<T> Counted<T> {
    fn send(&mut self, item: T) {
        match self.sender.try_send(item) {
            Err(error) if error.is_full() => {
                self.dropped += 1;
                let words = format!("Ferrite: queue full, {} items dropped", self.dropped);
                web_sys::console::warn_1(&words.into());
            }
            // A loop that has ended wants nothing any more.
            Ok(()) | Err(_) => {}
        }
    }
}
