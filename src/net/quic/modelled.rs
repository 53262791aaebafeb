//! Gives QUIC the window of a modelled path.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

use crate::net::congestion::Model;

/// Makes the controllers of connections.
#[derive(Debug)]
pub(super) struct Modelled {
    /// What may be in flight before the path is known.
    pub(super) first: u64,
}

impl ControllerFactory for Modelled {
    fn build(self: Arc<Self>, now: Instant, packet: u16) -> Box<dyn Controller> {
        Box::new(Steered { epoch: now, model: Model::new(Duration::ZERO, packet, self.first) })
    }
}

#[derive(Debug, Clone)]
struct Steered {
    epoch: Instant,
    model: Model,
}

impl Steered {
    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }
}

impl Controller for Steered {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, _: &RttEstimator) {
        self.model.acked(self.since(now), self.since(sent), bytes, app_limited);
    }

    fn on_congestion_event(&mut self, now: Instant, _: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.model.lost(self.since(now), lost_bytes, is_persistent_congestion);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.model.resize(new_mtu);
    }

    fn window(&self) -> u64 {
        self.model.window()
    }

    fn initial_window(&self) -> u64 {
        self.model.first()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
