//! Tables by themselves.

use alloc::format;
use alloc::vec::Vec;

use super::Table;
use crate::hash;
use crate::search::Search;

/// Positions and serial numbers wrap after 2^32; nothing else changes.
#[test]
fn counters_wrap() {
    let mut table = Table::new(400);
    table.base = u32::MAX - 100;
    table.inserted = u64::from(u32::MAX) - 10;
    let mut search = Search::new();
    let (mut searched, mut hits) = (0, 0);
    for n in 0..60 {
        let value = format!("value {n}");
        assert!(table.insert(b"name", value.as_bytes()));
        search.insert(hash::bytes(0, value.as_bytes()), &table);
        for index in 0..table.len() {
            let value = format!("value {}", n - index);
            let hash = hash::bytes(0, value.as_bytes());
            assert_eq!(table.get(index), Some((&b"name"[..], value.as_bytes())));
            let found = search.find(hash, &table, |_, v| v == value.as_bytes());
            assert!(found.is_none_or(|found| found == index));
            searched += 1;
            hits += usize::from(found.is_some());
        }
    }
    // Where they wrap, slots never used look young and an entry is lost.
    assert!(hits * 100 >= searched * 95, "{hits} of {searched}");
}

#[test]
fn a_name_survives_the_eviction_of_its_entry() {
    let mut table = Table::new(100);
    assert!(table.insert(b"name", &[b'x'; 60]));
    assert!(table.insert_with_name_of(0, &[b'y'; 50]));
    assert_eq!(table.get(0), Some((&b"name"[..], &[b'y'; 50][..])));
    assert_eq!(table.len(), 1);
    assert!(!table.insert_with_name_of(0, &[b'z'; 65]));
    assert_eq!((table.len(), table.size()), (0, 0));
}

/// Lengths of 65,535 and more stand elsewhere than others.
#[test]
fn long_fields_are_entries_as_others_are() {
    let text = |len: usize, seed: usize| -> Vec<u8> {
        (0..len).map(|at| (at * 31 + seed) as u8).collect()
    };
    let mut table = Table::new(600_000);
    let mut expected = Vec::new();
    for (round, len) in [65_534, 65_535, 65_536, 3, 200_000, 70_000]
        .into_iter()
        .cycle()
        .take(40)
        .enumerate()
    {
        let (name, value) = match round % 4 {
            0 => (text(len, round), text(5, round)),
            1 => (text(5, round), text(len, round)),
            2 => (text(len / 2, round), text(len, round)),
            _ => {
                let (name, _): &(Vec<u8>, Vec<u8>) = expected.last().unwrap();
                (name.clone(), text(len, round))
            }
        };
        let inserted = match round % 4 {
            3 => table.insert_with_name_of(0, &value),
            _ => table.insert(&name, &value),
        };
        assert!(inserted);
        expected.push((name, value));
        if round % 5 == 4 {
            table.shrink();
        }
        let mut size = 0;
        for (index, (name, value)) in expected.iter().rev().take(table.len()).enumerate() {
            assert_eq!(table.get(index), Some((&name[..], &value[..])), "{round}");
            size += name.len() + value.len() + 32;
        }
        assert!(table.size() == size && size <= 600_000);
    }
    table.clear();
    assert_eq!((table.len(), table.size()), (0, 0));
}

/// Such lengths say elsewhere how long a field is, when both do.
#[test]
fn a_name_and_a_value_of_65_535_octets() {
    let (name, value) = ([b'n'; 65_535], [b'v'; 65_535]);
    let mut table = Table::new(300_000);
    for _ in 0..2 {
        assert!(table.insert(&name, &value));
        table.shrink();
    }
    for index in 0..2 {
        assert_eq!(table.get(index), Some((&name[..], &value[..])));
    }
    assert_eq!(table.size(), 2 * (2 * 65_535 + 32));
}

#[test]
fn tables_that_differ_have_different_digests() {
    let mut digests: Vec<u64> = (0..1_000_u32)
        .map(|n| {
            let (name, value) = (format!("{}", n % 10), format!("{n}"));
            let mut table = Table::new(400);
            for entry in [&name, &value] {
                assert!(table.insert(name.as_bytes(), entry.as_bytes()));
            }
            table.fingerprint()
        })
        .collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 1_000);
}

#[test]
fn a_shrunk_table_keeps_its_entries_and_takes_more() {
    let mut table = Table::new(200);
    for n in 0..50u8 {
        assert!(table.insert(b"name", &[n; 20]));
    }
    let (before, fingerprint) = (table.memory_footprint(), table.fingerprint());
    table.shrink();
    assert!(table.memory_footprint() < before);
    assert_eq!(table.fingerprint(), fingerprint);
    assert!(table.insert_with_name_of(2, &[50; 20]));
    for n in 0..3 {
        let value = [50 - n as u8; 20];
        assert_eq!(table.get(n), Some((&b"name"[..], &value[..])));
    }
    assert_eq!(table.len(), 3);
}

#[test]
fn octets_stay_within_four_times_the_table() {
    let mut table = Table::new(4096);
    for n in 0..10_000usize {
        let value = [b'x'; 4000];
        assert!(table.insert(b"name", &value[..n * 7919 % 4000]));
        assert!(table.bytes.capacity() <= 4 * 4096);
    }
}
