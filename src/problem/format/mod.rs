//! The format: tables, keys, names, codes, the JSON schema.

pub mod card;
pub mod codes;
pub mod json_schema;
pub mod key;
pub mod ladder;
pub mod names;
pub mod page;
pub mod schema;
pub mod tables;
pub mod vocabulary;
