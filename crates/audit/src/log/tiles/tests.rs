use super::*;
use crate::log::leaf_hash;
use proptest::prelude::*;

#[test]
fn paths_are_those_of_the_specification() {
    for (path, level, index, width) in [
        ("tile/0/000", Some(0), 0, 256),
        ("tile/1/255", Some(1), 255, 256),
        ("tile/3/x001/x234/067", Some(3), 1_234_067, 256),
        ("tile/0/x001/x234/067.p/255", Some(0), 1_234_067, 255),
        ("tile/63/000.p/1", Some(63), 0, 1),
        ("tile/0/x001/000", Some(0), 1_000, 256),
        ("tile/entries/x123/456.p/8", None, 123_456, 8),
        ("tile/entries/000", None, 0, 256),
        ("tile/entries/x018/x446/x744/x073/x709/x551/615", None, u64::MAX, 256),
    ] {
        let expected = TilePath { level, index, width };
        assert_eq!(path.parse(), Ok(expected), "{path}");
        assert_eq!(expected.to_string(), path);
        println!("{path} is {expected:?}");
    }
}

#[test]
fn there_is_one_path_for_a_tile() {
    for (path, error) in [
        ("", TilePathError::Form),
        ("tile", TilePathError::Form),
        ("tile/0", TilePathError::Form),
        ("/tile/0/000", TilePathError::Form),
        ("tile/64/000", TilePathError::Level),
        ("tile/00/000", TilePathError::Level),
        ("tile/+1/000", TilePathError::Level),
        ("tile/-1/000", TilePathError::Level),
        ("tile/data/000", TilePathError::Level),
        ("tile/0/0", TilePathError::Index),
        ("tile/0/0000", TilePathError::Index),
        ("tile/0/x000/001", TilePathError::Index),
        ("tile/0/001/002", TilePathError::Index),
        ("tile/0/x001/x002", TilePathError::Index),
        ("tile/0/x001/002/", TilePathError::Index),
        ("tile/0/+01", TilePathError::Index),
        ("tile/0/x018/x446/x744/x073/x709/x551/616", TilePathError::Index),
        ("tile/0/000.p/0", TilePathError::Width),
        ("tile/0/000.p/256", TilePathError::Width),
        ("tile/0/000.p/01", TilePathError::Width),
        ("tile/0/000.p/1/2", TilePathError::Width),
        ("tile/0/000.p/", TilePathError::Width),
    ] {
        let found = path.parse::<TilePath>();
        println!("{path:?}: {found:?}");
        assert_eq!(found, Err(error), "{path}");
    }
}

#[test]
fn a_log_has_the_tiles_of_its_size() {
    // The example of the specification: 70,000 leaves.
    let tile = |level, index| TilePath::in_log(level, index, 70_000).map(|tile| tile.to_string());
    for (level, index, expected) in [
        (Some(0), 272, Some("tile/0/272")),
        (Some(0), 273, Some("tile/0/273.p/112")),
        (Some(0), 274, None),
        (Some(1), 0, Some("tile/1/000")),
        (Some(1), 1, Some("tile/1/001.p/17")),
        (Some(2), 0, Some("tile/2/000.p/1")),
        (Some(3), 0, None),
        (Some(63), 0, None),
        (None, 273, Some("tile/entries/273.p/112")),
        (None, u64::MAX, None),
    ] {
        println!("level {level:?} tile {index}: {:?}", tile(level, index));
        assert_eq!(tile(level, index).as_deref(), expected, "{level:?} {index}");
    }
    let is_in = |path: &str| path.parse::<TilePath>().unwrap().is_in(70_000);
    assert!(is_in("tile/0/273.p/112") && is_in("tile/0/273.p/3") && is_in("tile/0/000.p/7"));
    assert!(!is_in("tile/0/273.p/113") && !is_in("tile/0/273") && !is_in("tile/0/274.p/1"));
}

#[test]
fn bundles_are_entries_behind_their_lengths() {
    let bytes = bundle_bytes([b"ab".as_slice(), b"", b"c"]).unwrap();
    assert_eq!(bytes, b"\0\x02ab\0\0\0\x01c");
    assert_eq!(parse_bundle(&bytes).unwrap(), [b"ab".as_slice(), b"", b"c"]);
    assert_eq!(parse_bundle(b"\0\x02ab\0\x02c"), Err(BundleError::Cut(1)));
    assert_eq!(parse_bundle(b"\0"), Err(BundleError::Cut(0)));
    assert_eq!(parse_bundle(&[0; 514]), Err(BundleError::TooMany));
    assert_eq!(bundle_bytes([vec![0; 65_536].as_slice()]), Err(EntryTooLong(65_536)));
    assert!(bundle_bytes([vec![0; 65_535].as_slice()]).is_ok());
}

#[test]
fn tiles_are_hashes() {
    let hashes = [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")];
    assert_eq!(parse_tile(&tile_bytes(&hashes)).unwrap(), hashes);
    for wrong in [0, 31, 33, 257 * 32] {
        assert_eq!(parse_tile(&vec![0; wrong]), None, "{wrong} bytes");
    }
    assert_eq!(complete_root(&hashes), None);
    assert_eq!(complete_root(&[]), None);
    assert_eq!(complete_root(&hashes[..2]), Some(node_hash(&hashes[0], &hashes[1])));
}

proptest! {
    #[test]
    fn paths_read_as_they_were_written(level in prop::option::of(0_u8..64), index in any::<u64>(), few in 0_u32..40, width in 1_u32..=256) {
        let tile = TilePath { level, index: index >> few, width };
        prop_assert_eq!(tile.to_string().parse(), Ok(tile));
    }

    #[test]
    fn what_reads_as_a_path_is_written_so(path in "tile/(entries|[0-9]{1,2})/(x?[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = path.parse::<TilePath>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn what_reads_as_a_bundle_is_written_so(bytes in prop::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..64)) {
        if let Ok(entries) = parse_bundle(&bytes) {
            prop_assert_eq!(bundle_bytes(entries).unwrap(), bytes);
        }
    }
}
