//! The control stream of a conversation: messages both ways, and the comparison driven over it.

use super::error::Error;
use crate::net::{Link, ReceiveHalf, SendHalf, receive_frame, send_frame};
use crate::proto::limits::FRAME_BYTES_MAX;
use crate::proto::message::Message;
use crate::proto::reconcile::{Machine, Outcome};

/// The control stream.
pub struct Control {
    send: SendHalf,
    receive: ReceiveHalf,
}

impl Control {
    /// Opens the control stream: the asking side does.
    pub async fn open(link: &Link) -> Result<Control, Error> {
        let (send, receive) = link.open_control().await?;
        Ok(Control { send, receive })
    }

    /// Takes the first stream that the asking side opens.
    pub async fn accept(link: &Link) -> Result<Control, Error> {
        let (send, receive) = link.accept_control().await?;
        Ok(Control { send, receive })
    }

    /// The two directions, where both are used at once.
    pub fn halves(&mut self) -> (&mut SendHalf, &mut ReceiveHalf) {
        (&mut self.send, &mut self.receive)
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &Message) -> Result<(), Error> {
        send_message(&mut self.send, message).await
    }

    /// Receives one message; the end of the stream is an error here.
    pub async fn receive(&mut self) -> Result<Message, Error> {
        receive_message(&mut self.receive).await
    }

    /// Drives the comparison to its end. Other messages that arrive meanwhile go to `aside`.
    pub async fn reconcile(
        &mut self,
        machine: &mut Machine,
        mut aside: impl FnMut(Message) -> Result<(), Error>,
    ) -> Result<Outcome, Error> {
        loop {
            while let Some(frame) = machine.poll_transmit() {
                self.send(&Message::Reconcile(frame)).await?;
            }
            if let Some(outcome) = machine.poll_outcome() {
                return Ok(outcome);
            }
            match self.receive().await? {
                Message::Reconcile(frame) => machine.handle(&frame).map_err(violation)?,
                other => aside(other)?,
            }
        }
    }

    /// Ends this side's direction.
    pub async fn finish(self) -> Result<(), Error> {
        Ok(self.send.finish().await?)
    }
}

/// Sends one message.
pub async fn send_message(send: &mut SendHalf, message: &Message) -> Result<(), Error> {
    Ok(send_frame(send, &message.encode()).await?)
}

/// Receives one message.
pub async fn receive_message(receive: &mut ReceiveHalf) -> Result<Message, Error> {
    // A frame of the comparison is wrapped in a message: a few bytes more.
    let frame = receive_frame(receive, FRAME_BYTES_MAX + 64).await?;
    let frame = frame.ok_or_else(|| Error::Violation { what: "the conversation ended too early".into() })?;
    match Message::decode(&frame).map_err(violation)? {
        Message::Failed(failure) => Err(Error::from(failure)),
        message => Ok(message),
    }
}

/// The peer broke the protocol.
pub fn violation(what: impl std::fmt::Display) -> Error {
    Error::Violation { what: what.to_string() }
}
