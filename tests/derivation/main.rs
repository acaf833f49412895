//! Derivations of every kind and of the shipped files, and slips planted in them that must be found.

mod control;
mod files;
mod kinds;
mod planted_equations;
mod planted_slips;
mod reverse;
