use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{AbortHandle, JoinSet, yield_now};

/// Whether a client has sent its request. It is then ended last.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connections of clients that nobody knows. There is always room for another one: the oldest that
/// has not asked for anything is closed for it, or else the oldest.
pub(crate) struct Newcomers<T> {
    most: usize,
    tasks: JoinSet<T>,
    /// Oldest first.
    order: VecDeque<(AbortHandle, Asked)>,
}

impl<T: Send + 'static> Newcomers<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            tasks: JoinSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Serves another one.
    pub(crate) async fn add<F>(&mut self, serve: impl FnOnce(Asked) -> F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        // What the others have sent by now counts.
        yield_now().await;
        self.order.retain(|(task, _)| !task.is_finished());
        if self.order.len() >= self.most {
            let silent = self.order.iter().position(|(_, asked)| !asked.get());
            if let Some((task, _)) = self.order.remove(silent.unwrap_or(0)) {
                task.abort();
            }
        }
        let asked = Asked::default();
        let task = self.tasks.spawn(serve(asked.clone()));
        self.order.push_back((task, asked));
    }

    /// The result of the next one that ends, or `None` if it was closed for another one. Pending
    /// while there are none. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<T> {
        match self.tasks.join_next().await {
            Some(ended) => ended.ok(),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended.
    pub(crate) async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
