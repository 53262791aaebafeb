//! The task that reads the pipe: gives data to its streams and notices the end, a breach and silence.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::super::life::{Fault, Meter};
use super::super::queue::End;
use super::super::wire::Frame;
use super::streams::Broken;
use super::{Arrived, Session};

/// What is read at once.
const READ: usize = 256 << 10;

pub(super) struct Reading {
    pub(super) session: Arc<Session>,
    pub(super) meter: Arc<Meter>,
    pub(super) closed: Box<dyn Fn() -> String + Send + Sync>,
}

impl Reading {
    pub(super) async fn run<R>(self, reader: R, read: BytesMut, arrived: impl Fn(Arrived) -> bool)
    where
        R: AsyncRead + Unpin,
    {
        let ended = self.session.life.ended.clone();
        let fault = tokio::select! {
            fault = self.read(reader, read, arrived) => fault,
            () = ended.cancelled() => self.session.life.fault(),
        };
        self.session.life.end(fault);
        self.session.streams.fail(&self.session.life.fault());
        self.session.slots.close();
        self.session.waiting.room.close();
    }

    async fn read<R>(&self, mut reader: R, mut buffer: BytesMut, arrived: impl Fn(Arrived) -> bool) -> Fault
    where
        R: AsyncRead + Unpin,
    {
        loop {
            loop {
                match Frame::take(&mut buffer) {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        if let Err(broken) = self.take(frame, &arrived) {
                            return Fault::Violation(broken.to_owned());
                        }
                    }
                    Err(_) => return Fault::Violation("what it sent through the pipe is no frame".to_owned()),
                }
            }
            buffer.reserve(READ);
            match tokio::time::timeout(self.session.life.timeout, reader.read_buf(&mut buffer)).await {
                Ok(Ok(0)) => return Fault::Lost((self.closed)()),
                Ok(Ok(length)) => self.meter.count_received(length),
                Ok(Err(error)) => return Fault::Lost(error.to_string()),
                Err(_) => return Fault::TimedOut(self.session.life.timeout),
            }
        }
    }

    fn take(&self, frame: Frame, arrived: &impl Fn(Arrived) -> bool) -> Result<(), Broken> {
        let session = &self.session;
        match frame {
            Frame::Open(id) => {
                let (credit, consumer) = session.streams.accept(id)?;
                if !arrived(session.halves(id, credit, consumer)) {
                    return Err("it opened too many streams");
                }
            }
            Frame::Data(id, data) => session.streams.data(id, data)?,
            Frame::Finish(id) => session.streams.end(id, End::Finished),
            Frame::Moved(id) => session.streams.end(id, End::Moved),
            Frame::Reset(id) => session.streams.end(id, End::Reset),
            Frame::Stop(id) => session.streams.stop(id),
            Frame::Credit(id, amount) => session.streams.credit(id, amount)?,
            Frame::Gone(_) => {
                session.streams.gone()?;
                session.slots.add_permits(1);
            }
            Frame::Ping(token) => session.post(Frame::Pong(token)),
            Frame::Pong(token) => {
                let rtt_us = session.now().wrapping_sub(token);
                session.rtt_us.store(u64::from(rtt_us), Ordering::Relaxed);
            }
            Frame::Bye => session.life.bye.cancel(),
        }
        if session.flooded() { Err("it asks and does not read the answers") } else { Ok(()) }
    }
}
