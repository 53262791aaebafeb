//! Carries the bytes of a pipe over one stream of a link, both ways, until both are done: so a process on this machine speaks
//! through a connection that another process has. Knows nothing of what they say.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::receive::ReceiveHalf;
use super::send::SendHalf;

/// What is read at a time.
const PIECE: usize = 64 << 10;

/// Carries bytes until both directions have ended, or either broke: then both do, and either end sees it.
pub async fn bridge<R, W>((reader, writer): (R, W), (send, receive): (SendHalf, ReceiveHalf))
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    // What is dropped unfinished is a reset for whoever waits at the other end.
    let _broken = tokio::try_join!(outward(reader, send), inward(receive, writer));
}

/// A direction broke: there is nobody to tell but its two ends, which see it.
struct Broken;

async fn outward(mut reader: impl AsyncRead + Unpin, mut send: SendHalf) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece).await.map_err(|_| Broken)? {
            0 => return send.finish().await.map_err(|_| Broken),
            length => send.write_all(&piece[..length]).await.map_err(|_| Broken)?,
        }
    }
}

async fn inward(mut receive: ReceiveHalf, mut writer: impl AsyncWrite + Unpin) -> Result<(), Broken> {
    while let Some(piece) = receive.read_chunk(PIECE).await.map_err(|_| Broken)? {
        writer.write_all(&piece).await.map_err(|_| Broken)?;
    }
    writer.shutdown().await.map_err(|_| Broken)
}
