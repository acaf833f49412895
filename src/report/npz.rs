//! `arrays.npz`: named arrays that `numpy.load` reads, nothing pickled.
//!
//! An NPZ file is a ZIP archive with one `.npy` member per array. Members are stored without
//! compression, in the order given, with the ZIP epoch as their time, so that equal runs give equal
//! bytes. The member `__meta__` is JSON as bytes: axis names, units, seed, hash, schema version.
//!
//! # Source
//! PKWARE, .ZIP File Format Specification 6.3.10, sections 4.3.7, 4.3.12, 4.3.16; NumPy `lib.format` 1.0.

use crate::report::record::{Header, Record, SCHEMA_VERSION};
use npyz::WriterBuilder;
use std::collections::BTreeSet;

#[derive(Debug, thiserror::Error)]
pub enum NpzError {
    #[error("two arrays are called `{key}`")]
    DuplicateKey { key: String },
    #[error("array `{key}` has {bytes} bytes; an archive without ZIP64 holds at most {limit}")]
    TooLarge { key: String, bytes: u64, limit: u64 },
    #[error("array `{key}` could not be encoded")]
    Encode {
        key: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the description of the arrays could not be encoded")]
    Meta(#[from] serde_json::Error),
}

/// Key of the member that describes the others.
const META_KEY: &str = "__meta__";

/// The archive with all arrays of the record and their description.
pub fn archive(record: &Record) -> Result<Vec<u8>, NpzError> {
    let mut zip = StoredZip::default();
    let meta = meta(record)?.into_bytes();
    let member = npy(META_KEY, &[meta.len() as u64], meta.into_iter())?;
    zip.add(META_KEY, &member)?;
    for array in &record.arrays {
        let shape: Vec<u64> = array.shape.iter().map(|n| *n as u64).collect();
        let member = npy(&array.key, &shape, array.data.iter().copied())?;
        zip.add(&array.key, &member)?;
    }
    Ok(zip.finish())
}

fn meta(record: &Record) -> Result<String, serde_json::Error> {
    #[derive(serde::Serialize)]
    struct Meta<'a> {
        schema: u32,
        problem: &'a str,
        hash: &'a str,
        seed: u64,
        program: &'a str,
        version: &'a str,
        arrays: Vec<Header<'a>>,
    }
    serde_json::to_string(&Meta {
        schema: SCHEMA_VERSION,
        problem: &record.identity.name,
        hash: &record.identity.hash,
        seed: record.environment.seed,
        program: &record.environment.program,
        version: &record.environment.version,
        arrays: record.arrays.iter().map(Header::of).collect(),
    })
}

/// One `.npy` payload in C order, little endian.
fn npy<T: npyz::AutoSerialize>(
    key: &str,
    shape: &[u64],
    data: impl Iterator<Item = T>,
) -> Result<Vec<u8>, NpzError> {
    let encode = |source| NpzError::Encode {
        key: key.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(&mut bytes)
        .begin_nd()
        .map_err(encode)?;
    writer.extend(data).map_err(encode)?;
    writer.finish().map_err(encode)?;
    Ok(bytes)
}

/// A ZIP archive of stored members, built in memory.
#[derive(Default)]
struct StoredZip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    keys: BTreeSet<String>,
}

const LOCAL_HEADER: u32 = 0x0403_4b50;
const DIRECTORY_HEADER: u32 = 0x0201_4b50;
const END_OF_DIRECTORY: u32 = 0x0605_4b50;
/// Version 2.0 of the format is needed to extract.
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// 1 January 1980, the first date a ZIP can hold.
const DATE: u16 = (1 << 5) | 1;

impl StoredZip {
    fn add(&mut self, key: &str, member: &[u8]) -> Result<(), NpzError> {
        if !self.keys.insert(key.to_owned()) {
            return Err(NpzError::DuplicateKey {
                key: key.to_owned(),
            });
        }
        let limit = u64::from(u32::MAX);
        let after = (self.bytes.len() + self.directory.len() + member.len() + 1024) as u64;
        if after > limit {
            return Err(NpzError::TooLarge {
                key: key.to_owned(),
                bytes: member.len() as u64,
                limit,
            });
        }
        let name = format!("{key}.npy");
        let offset = self.bytes.len() as u32;
        let description = describe(&name, member);
        let Self {
            bytes, directory, ..
        } = self;
        bytes.extend(LOCAL_HEADER.to_le_bytes());
        bytes.extend(&description);
        bytes.extend(name.as_bytes());
        bytes.extend(member);
        directory.extend(DIRECTORY_HEADER.to_le_bytes());
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&description);
        // comment length, disk, internal attributes, external attributes
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
        Ok(())
    }

    fn finish(self) -> Vec<u8> {
        let Self {
            mut bytes,
            directory,
            keys,
        } = self;
        let offset = bytes.len() as u32;
        let members = keys.len() as u16;
        bytes.extend(&directory);
        bytes.extend(END_OF_DIRECTORY.to_le_bytes());
        // this disk, disk of the directory
        bytes.extend([0; 4]);
        bytes.extend(members.to_le_bytes());
        bytes.extend(members.to_le_bytes());
        bytes.extend((directory.len() as u32).to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }
}

/// The part that the local and the directory header share.
fn describe(name: &str, member: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(26);
    for field in [VERSION, FLAGS, 0, 0, DATE] {
        out.extend(field.to_le_bytes());
    }
    let size = member.len() as u32;
    for field in [crc32fast::hash(member), size, size] {
        out.extend(field.to_le_bytes());
    }
    out.extend((name.len() as u16).to_le_bytes());
    out.extend([0; 2]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::NamedArray;

    fn word(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
    }

    fn half(bytes: &[u8], at: usize) -> usize {
        u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes")) as usize
    }

    /// Reads the archive through its directory, as a ZIP reader does.
    fn members(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let end = bytes.len() - 22;
        assert_eq!(word(bytes, end), END_OF_DIRECTORY as usize);
        let mut at = word(bytes, end + 16);
        assert_eq!(at + word(bytes, end + 12), end, "directory ends at its end");
        let mut out = Vec::new();
        for _ in 0..half(bytes, end + 10) {
            assert_eq!(word(bytes, at), DIRECTORY_HEADER as usize);
            let (crc, size) = (word(bytes, at + 16), word(bytes, at + 24));
            let (name, local) = (half(bytes, at + 28), word(bytes, at + 42));
            let title = String::from_utf8(bytes[at + 46..at + 46 + name].to_vec()).expect("UTF-8");
            assert_eq!(word(bytes, local), LOCAL_HEADER as usize);
            assert_eq!(bytes[local + 4..local + 30], bytes[at + 6..at + 32]);
            let start = local + 30 + name;
            let body = bytes[start..start + size].to_vec();
            assert_eq!(crc32fast::hash(&body) as usize, crc);
            out.push((title, body));
            at += 46 + name;
        }
        assert_eq!(at, end);
        out
    }

    #[test]
    fn members_come_back_with_shape_and_values() {
        let data = vec![1.0, -2.5, f64::INFINITY, 4.0, 1e-300, 6.0];
        let record = Record {
            arrays: vec![
                NamedArray::new("a/u", &[("time", 2), ("x", 3)], "1", data.clone()),
                NamedArray::new("b/V", &[("time", 0)], "", vec![]),
            ],
            ..Record::default()
        };
        let members = members(&archive(&record).expect("fits"));
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["__meta__.npy", "a/u.npy", "b/V.npy"]);
        let array = npyz::NpyFile::new(&members[1].1[..]).expect("npy");
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array.order(), npyz::Order::C);
        assert_eq!(array.into_vec::<f64>().expect("f64"), data);
        let meta = npyz::NpyFile::new(&members[0].1[..])
            .and_then(npyz::NpyFile::into_vec::<u8>)
            .expect("u8");
        let meta: serde_json::Value = serde_json::from_slice(&meta).expect("JSON");
        assert_eq!(meta["arrays"][0]["axes"][1], "x");
    }

    #[test]
    fn one_key_names_one_array() {
        let array = NamedArray::new("a", &[("n", 1)], "", vec![1.0]);
        let record = Record {
            arrays: vec![array.clone(), array],
            ..Record::default()
        };
        assert!(matches!(
            archive(&record),
            Err(NpzError::DuplicateKey { key }) if key == "a"
        ));
    }
}
