//! Waiting for the first of several sources, each of which is first in turn.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A source, as a future that is ready once the source has something.
pub(crate) type Source<'a, T> = Pin<&'a mut (dyn Future<Output = T> + Send + 'a)>;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turn: usize,
}

impl Turns {
    /// Waits for the first source that is ready. Of several, the one whose turn it is comes first,
    /// then those after it; so no source keeps another one waiting for ever, and what comes first
    /// depends on nothing else. Cancel-safe if the sources are.
    pub(crate) async fn next<T, const N: usize>(&mut self, mut sources: [Source<'_, T>; N]) -> T {
        self.turn = (self.turn + 1) % N;
        let order = (self.turn..N).chain(0..self.turn);
        poll_fn(|context| {
            for source in order.clone() {
                if let Poll::Ready(ready) = sources[source].as_mut().poll(context) {
                    return Poll::Ready(ready);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn every_source_that_is_ready_has_its_turn_and_others_are_passed_over() {
        let mut turns = Turns::default();
        let mut taken = Vec::new();
        for _ in 0..8 {
            let sources: [Source<'_, char>; 4] = [
                pin!(ready('a')),
                pin!(ready('b')),
                pin!(pending()),
                pin!(ready('d')),
            ];
            taken.push(turns.next(sources).await);
        }
        assert_eq!(taken, ['b', 'd', 'd', 'a', 'b', 'd', 'd', 'a']);
    }
}
