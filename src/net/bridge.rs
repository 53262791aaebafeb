//! Carries the bytes of a pipe over a few streams of a link, both ways, until both are done: so a process on this machine speaks
//! through a connection that another process has. Knows nothing of what they say. Start at [`bridge`].
//!
//! One stream would do, but for its window: a long line carries no more than that in a round trip. So what is read goes in frames,
//! one stream after the other, and is put together in that order.
//!
//! ```text
//! stream := number u8 | frame*       frame := length u32 | bytes, at most 64 KiB
//! ```

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::{Cause, Error};
use super::link::Link;
use super::receive::{ReceiveHalf, receive_frame};
use super::send::{SendHalf, send_frame};

/// What is read at a time, and sent as a frame.
const PIECE: usize = 64 << 10;
/// Streams that carry one pipe. With 2 MiB each this is 80 MB/s at 100 ms.
const STRANDS: u8 = 4;

/// The streams of one pipe, in the order in which they take turns.
#[derive(Debug)]
pub struct Strands {
    sending: Vec<SendHalf>,
    receiving: Vec<ReceiveHalf>,
}

impl Strands {
    /// Opens them.
    pub async fn open(link: &Link) -> Result<Strands, Error> {
        let mut strands = Strands { sending: Vec::new(), receiving: Vec::new() };
        for number in 0..STRANDS {
            let (mut sending, receiving) = link.open().await?;
            sending.write_all(&[number]).await?;
            strands.sending.push(sending);
            strands.receiving.push(receiving);
        }
        Ok(strands)
    }

    /// Accepts them, in whatever order they come.
    pub async fn accept(link: &Link) -> Result<Strands, Error> {
        let mut come = Vec::new();
        for _ in 0..STRANDS {
            let (sending, mut receiving) = link.accept().await?;
            let mut number = [0];
            receiving.read_exact(&mut number).await?;
            come.push((number[0], sending, receiving));
        }
        come.sort_by_key(|(number, ..)| *number);
        if !come.iter().map(|(number, ..)| *number).eq(0..STRANDS) {
            let source = Cause("the streams of a pipe are not numbered as they should be".to_owned());
            return Err(Error::Violation { peer: link.peer().to_owned(), source });
        }
        let (sending, receiving) = come.into_iter().map(|(_, sending, receiving)| (sending, receiving)).unzip();
        Ok(Strands { sending, receiving })
    }
}

/// Carries bytes until both directions have ended, or either broke: then both do, and either end sees it.
pub async fn bridge<R, W>((reader, writer): (R, W), strands: Strands)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    // What is dropped unfinished is a reset for whoever waits at the other end.
    let _broken = tokio::try_join!(outward(reader, strands.sending), inward(strands.receiving, writer));
}

/// A direction broke: there is nobody to tell but its two ends, which see it.
struct Broken;

async fn outward(mut reader: impl AsyncRead + Unpin, mut strands: Vec<SendHalf>) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE];
    for turn in (0..strands.len()).cycle() {
        match reader.read(&mut piece).await.map_err(|_| Broken)? {
            0 => break,
            length => send_frame(&mut strands[turn], &piece[..length]).await.map_err(|_| Broken)?,
        }
    }
    for strand in strands {
        strand.finish().await.map_err(|_| Broken)?;
    }
    Ok(())
}

async fn inward(mut strands: Vec<ReceiveHalf>, mut writer: impl AsyncWrite + Unpin) -> Result<(), Broken> {
    for turn in (0..strands.len()).cycle() {
        match receive_frame(&mut strands[turn], PIECE).await.map_err(|_| Broken)? {
            Some(piece) => writer.write_all(&piece).await.map_err(|_| Broken)?,
            // All end where one does whose turn it is.
            None => break,
        }
    }
    writer.shutdown().await.map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex, split};

    use super::*;

    /// Two ends of a line: what is written at one comes out at the other.
    async fn line() -> (DuplexStream, DuplexStream) {
        let (near, far) = Link::memory();
        let ((left, ours), (right, theirs)) = (duplex(1000), duplex(1000));
        let (opened, accepted) = tokio::join!(Strands::open(&near), Strands::accept(&far));
        let (opened, accepted) = (opened.expect("opened"), accepted.expect("accepted"));
        tokio::spawn(async move {
            bridge(split(ours), opened).await;
            near.close().await;
        });
        tokio::spawn(async move {
            bridge(split(theirs), accepted).await;
            far.close().await;
        });
        (left, right)
    }

    #[tokio::test]
    async fn what_goes_in_at_one_end_comes_out_at_the_other_whole_and_in_order() {
        let (left, right) = line().await;
        let said: Vec<u8> = (0..1_000_000_u32).map(|number| ((number * 31) >> 5) as u8).collect();
        let ((mut hears, mut speaks), (mut listens, mut answers)) = (split(left), split(right));
        let speaking = async {
            // Pieces of every length.
            for piece in said.chunk_by(|left, right| left.wrapping_add(*right) % 251 != 0) {
                speaks.write_all(piece).await.expect("said");
            }
            speaks.shutdown().await.expect("ended");
        };
        let answering = async {
            answers.write_all(b"yes").await.expect("said");
            answers.shutdown().await.expect("ended");
        };
        let (mut heard, mut answer) = (Vec::new(), Vec::new());
        let (all, answered, ..) =
            tokio::join!(listens.read_to_end(&mut heard), hears.read_to_end(&mut answer), speaking, answering);
        assert_eq!((all.expect("heard"), answered.expect("heard")), (said.len(), 3));
        assert!(heard == said && answer == b"yes");
    }

    #[tokio::test]
    async fn streams_that_are_not_one_of_each_number_are_a_violation() {
        let (near, far) = Link::memory();
        let mut opened = Vec::new();
        for number in [0, 1, 1, 3] {
            let (mut sending, receiving) = near.open().await.expect("opened");
            sending.write_all(&[number]).await.expect("said");
            opened.push((sending, receiving));
        }
        let refused = Strands::accept(&far).await;
        assert!(matches!(refused, Err(Error::Violation { .. })), "{refused:?}");
    }
}
