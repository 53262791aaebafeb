//! What a browser and a collector of figures see, on a loopback port where one is configured: a page that shows how everything
//! stands and goes on showing it, and figures as Prometheus reads them. Changes nothing, whoever asks.

pub mod figures;
pub mod page;
mod server;

pub use server::keep;
