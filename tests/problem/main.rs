//! Problem files: what is read, what is meant, what is refused, and the words they are written in.

mod files;
mod kinds;
mod meaning;
mod vocabulary;
