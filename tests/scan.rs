//! Laws of the scan, on real file systems: what a listing says, what a second scan costs, what is never missed.

mod scan {
    pub mod changes;
    pub mod costs;
    pub mod glances;
    pub mod limits;
    pub mod races;
    pub mod rows;
    pub mod tree;
}
