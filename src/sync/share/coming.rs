//! What is on its way while a share is made to show what is agreed on: the links to who has it, small files in slices, and a
//! large one beside them. Owns when to fetch what, and when to wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::core::Share;
use super::materialize::Sources;
use super::order::{Asked, Haul, Order, Stock, Works};
use super::reach;
use crate::model::Digest;
use crate::net::Link;
use crate::sync::error::Error;

/// What is on its way.
pub struct Coming {
    pub works: Arc<Works>,
    /// What has come and is not put in place yet; `None` before anything was asked for.
    pub stock: Option<Stock>,
    links: Option<Vec<Link>>,
    haul: Option<Haul>,
    /// What was asked for, each once: what did not come, or cannot be put in place, is asked for in another run.
    tried: BTreeSet<Digest>,
}

impl Coming {
    /// Nothing yet.
    pub fn new(works: Arc<Works>) -> Coming {
        Coming { works, stock: None, links: None, haul: None, tried: BTreeSet::new() }
    }

    /// Fetches what is ordered until there is something to put in place, or something else is wanted; false where nothing is on
    /// its way any more.
    pub async fn next(&mut self, share: &Share, order: Order, sources: &dyn Sources) -> Result<bool, Error> {
        self.stock = Some(Stock::default());
        let small = order.small(&self.tried);
        let large = order.large(&self.tried).filter(|_| self.haul.is_none());
        if let Some(want) = large {
            self.tried.insert(order.content(want));
            let asked = self.asked(sources).await;
            self.haul = Some(Haul::begin(order.clone(), want, asked));
        }
        if small.is_empty() {
            // What else there is to do does not wait for what is on its way.
            return if order.is_run { self.wait(share).await } else { Ok(true) };
        }
        let asked = self.asked(sources).await;
        self.tried.extend(small.iter().map(|&want| order.content(want)));
        let stock = order.fetch(small, asked, Arc::clone(share.gauge())).await?;
        if stock.is_empty() {
            // Others may be there by the next time.
            self.links = None;
        }
        self.stock = Some(stock);
        Ok(true)
    }

    /// Waits for the large file that is on its way, or until something else is agreed on.
    async fn wait(&mut self, share: &Share) -> Result<bool, Error> {
        let Some(haul) = &mut self.haul else { return Ok(false) };
        let came = tokio::select! {
            came = haul.came() => Some(came),
            () = share.news() => None,
        };
        if share.gauge().stopped() {
            return Err(Error::Interrupted);
        }
        match came {
            Some(came) => {
                self.haul = None;
                self.stock = Some(came?);
            }
            // What is wanted now is asked for first.
            None => self.stock = None,
        }
        Ok(true)
    }

    async fn asked(&mut self, sources: &dyn Sources) -> Asked {
        let links = match &self.links {
            Some(links) => links.clone(),
            None => {
                let links = reach::reach(sources).await;
                self.links = Some(links.clone());
                links
            }
        };
        Asked { links, runtime: Handle::current() }
    }

    /// Ends what is on its way.
    pub async fn end(self) {
        if let Some(haul) = self.haul {
            haul.stop().await;
        }
        for link in self.links.into_iter().flatten() {
            link.close().await;
        }
    }
}
