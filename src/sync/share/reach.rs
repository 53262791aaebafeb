//! Which members are asked for content: those that answer, the first to answer first. One that is thought alive and is deaf
//! would hold up everybody behind it.

use std::time::{Duration, Instant};

use super::materialize::Sources;
use crate::net::{Link, send_frame};
use crate::proto::content::encode_request;

/// A member that has not answered by then is not asked.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// What is read of the answer to a request for nothing.
const ANSWER_BYTES: usize = 4096;

/// Opens links to all members at once, and keeps those that answer.
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
    let mut reached: Vec<(Duration, usize, Link)> = all(reaching).await.into_iter().flatten().collect();
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

/// Waits for all of some futures, which go on beside each other.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut left: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, outcome) in &mut left {
            if outcome.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *outcome = Some(value);
            }
        }
        if left.iter().all(|(_, outcome)| outcome.is_some()) {
            std::task::Poll::Ready(left.iter_mut().filter_map(|(_, outcome)| outcome.take()).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}
