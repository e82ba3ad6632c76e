//! The corpus and its near neighbours, with every test run.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use countersign_fuzz::TARGETS;

/// Neighbours of each file.
const NEIGHBOURS: usize = 200;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a target: its corpus, and for files of tokens the samples of `core`.
fn files(target: &str) -> Vec<Vec<u8>> {
    let mut folders = vec![folder("corpus").join(target)];
    if matches!(target, "import" | "key_container" | "sealed_export") {
        folders.push(folder("../core/tests/import"));
    }
    let mut paths: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|folder| fs::read_dir(&folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs::read(path).unwrap())
        .collect()
}

/// Pseudorandom numbers (xorshift), the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// A file with some damage: bytes changed, cut out, doubled, or exchanged for ones that parsers like least.
fn neighbour(file: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    const DISLIKED: &[u8] = b"\0\xff<>&;\"'{}[],:%+=/\\\n9-";
    let mut changed = file.to_vec();
    for _ in 0..=numbers.below(4) {
        if changed.is_empty() {
            break;
        }
        let at = numbers.below(changed.len());
        let end = (at + 1 + numbers.below(32)).min(changed.len());
        match numbers.below(5) {
            0 => changed[at] ^= 1 << numbers.below(8),
            1 => changed[at] = DISLIKED[numbers.below(DISLIKED.len())],
            2 => drop(changed.drain(at..end)),
            3 => {
                let part = changed[at..end].to_vec();
                changed.splice(at..at, part);
            }
            _ => changed.truncate(at),
        }
    }
    changed
}

#[test]
fn the_corpus_and_its_neighbours_keep_every_promise() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for target in TARGETS {
        let files = files(target.name);
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for file in files {
            (target.run)(&file);
            for _ in 0..NEIGHBOURS {
                (target.run)(&neighbour(&file, &mut numbers));
            }
        }
    }
}

/// A corpus without a target, or a target that libFuzzer does not know, is forgotten work.
#[test]
fn every_target_has_a_corpus_and_a_program() {
    let names = |path: PathBuf| -> BTreeSet<String> {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    let targets: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names(folder("corpus")), targets);
    assert_eq!(names(folder("run/fuzz_targets")), targets);
    let manifest = fs::read_to_string(folder("run/Cargo.toml")).unwrap();
    for target in &targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
    }
}
