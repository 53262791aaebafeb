//! Where the streams that the peer opens come together, whatever carries them.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::life::Life;
use super::link::Halves;
use super::pipe::{Pipe, Start};
use super::quic::Quic;
use super::receive::ReceiveHalf;
use super::send::SendHalf;

/// Starts a session whose streams are accepted with all others.
pub(super) fn start_pipe<R, W>(start: Start<R, W>, arrivals: mpsc::Sender<Halves>) -> Pipe
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let life = start.life.clone();
    Pipe::start(start, move |(sending, receiving)| {
        let halves = (SendHalf::pipe(life.clone(), sending), ReceiveHalf::pipe(life.clone(), receiving));
        arrivals.try_send(halves).is_ok()
    })
}

/// Gives the streams of a connection to those who accept, until one of them ends.
pub(super) async fn pump(quic: Quic, life: Arc<Life>, arrivals: mpsc::Sender<Halves>) {
    let accepting = async {
        while let Some(halves) = quic.accept(&life).await {
            if arrivals.send(halves).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = quic.widen() => {}
        () = life.ended.cancelled() => {}
    }
    quic.close();
}
