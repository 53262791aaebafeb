//! Which members are asked for content: those that answer, the first to answer first. One that is thought alive and is deaf
//! would hold up everybody behind it.

use std::task::Poll;
use std::time::{Duration, Instant};

use super::materialize::Sources;
use crate::net::{Link, send_frame};
use crate::proto::content::encode_request;

/// A member that has not answered by then is not asked,
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// nor one that takes so much longer than the first: what it alone has is asked for in the next run.
const GRACE: Duration = Duration::from_secs(1);
/// The same for members that are all far away: so many times as long as the first.
const GRACE_TIMES: u32 = 3;
/// What is read of the answer to a request for nothing.
const ANSWER_BYTES: usize = 4096;

/// Opens links to all members at once, and keeps those that answer about as soon as the first.
pub async fn reach(sources: &dyn Sources) -> Vec<Link> {
    let reaching = (0..sources.count()).map(|number| async move {
        let begun = Instant::now();
        let answered = tokio::time::timeout(ANSWER_MAX, async {
            let link = sources.open(number).await?;
            answers(&link).await.then_some(link)
        });
        let link = answered.await.ok().flatten()?;
        Some((begun.elapsed(), number, link))
    });
    let begun = Instant::now();
    let mut reached: Vec<(Duration, usize, Link)> = soon(begun, reaching).await;
    // Members that answer alike are asked in the order in which they were named.
    reached.sort_by_key(|(took, number, _)| (took.as_millis() / 100, *number));
    reached.into_iter().map(|(_, _, link)| link).collect()
}

/// Asks for nothing, and waits for the end of the answer.
async fn answers(link: &Link) -> bool {
    let Ok((mut send, mut receive)) = link.open().await else { return false };
    if send_frame(&mut send, &encode_request(&[])).await.is_err() || send.finish().await.is_err() {
        return false;
    }
    loop {
        match receive.read_chunk(ANSWER_BYTES).await {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Waits for some futures, which go on beside each other: for all, or until a while after the first that comes to something.
async fn soon<T>(begun: Instant, futures: impl Iterator<Item = impl Future<Output = Option<T>>>) -> Vec<T> {
    let mut left: Vec<_> = futures.map(Box::pin).collect();
    let (mut came, mut grace) = (Vec::new(), None);
    std::future::poll_fn(|context| {
        left.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(outcome) => {
                came.extend(outcome);
                false
            }
            Poll::Pending => true,
        });
        if !came.is_empty() && grace.is_none() {
            let took = begun.elapsed();
            grace = Some(Box::pin(tokio::time::sleep((took * GRACE_TIMES).max(GRACE))));
        }
        let is_over = grace.as_mut().is_some_and(|grace| grace.as_mut().poll(context).is_ready());
        if left.is_empty() || is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    came
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_never_answers_does_not_hold_up_those_that_do() {
        let answers = [Some(1), None, Some(2)].map(|answer| async move {
            match answer {
                Some(answer) => Some(answer),
                None => std::future::pending().await,
            }
        });
        assert_eq!(soon(Instant::now(), answers.into_iter()).await, [1, 2]);
    }

    #[tokio::test]
    async fn all_are_waited_for_while_none_has_come_to_anything() {
        let answers = [None::<u8>, None].map(|answer| async move { answer });
        assert!(soon(Instant::now(), answers.into_iter()).await.is_empty());
    }
}
