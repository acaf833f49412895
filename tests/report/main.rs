//! What a run leaves behind: the folder, the same one every time, and the table of `bench`.

mod bench_command;
mod determinism;
mod fixture;
mod run_folder;
