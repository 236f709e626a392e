//! Deterministic simulation of raddle.
