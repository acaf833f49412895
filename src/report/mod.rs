//! Saying it: one record and its views.
//!
//! Nothing here computes a result. A [`record::Record`] holds everything a run found; the views turn
//! it into text. Every number a view shows is in `result.json` or `arrays.npz` under the same name.
//!
//! | view | file | for |
//! |---|---|---|
//! | [`terminal`] | standard output | reading at once, and `grep` |
//! | [`json`] | `result.json`, `derivation.json` | programs |
//! | [`events`] | `events.jsonl` | programs that watch a run |
//! | [`npz`] | `arrays.npz` | NumPy |
//! | [`work_precision`] | standard output and `bench.jsonl` of a benchmark | reading, and programs |
//! | [`html`] | `report.html`, `plots/*.svg` | people, on paper too |
//!
//! [`run_folder`] writes all of them at once, or nothing; [`bench_folder`] does for a benchmark.

pub mod bench_folder;
pub mod chart;
pub mod encoding;
pub mod events;
pub mod figures;
pub mod html;
pub mod json;
pub mod npz;
pub mod number;
pub mod place;
pub mod record;
pub mod run_folder;
pub mod shell;
pub mod table;
pub mod terminal;
pub mod work_precision;
