//! The guard: how many deletes a run may make without being told so.
