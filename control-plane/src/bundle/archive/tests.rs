//! Archives as they come from tar, git, macOS, an attacker and a bad network.

use super::*;
use std::io::Write;

const MANIFEST: &str = "version: \"1.0\"\nname: packed\ndefault: allow\n";

/// A tar archive, entry by entry, with headers that no tar would write.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn entry(mut self, path: &[u8], kind: u8, link: &[u8], bytes: &[u8]) -> Self {
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
        put(0, path);
        put(100, b"0000644\0");
        put(124, format!("{:011o}\0", bytes.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link);
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(header);
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    fn file(self, path: &str, text: &str) -> Self {
        self.entry(path.as_bytes(), b'0', b"", text.as_bytes())
    }

    fn directory(self, path: &str) -> Self {
        self.entry(path.as_bytes(), b'5', b"", b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|n: &usize| n.to_string().len() + rest.len() == *n).unwrap();
        out.extend(format!("{length}{rest}").as_bytes());
    }
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn good() -> Tar {
    Tar::default().file("bundle.yaml", MANIFEST)
}

fn paths(archive: &[u8]) -> Vec<String> {
    unpack(archive, "x.tar").unwrap().into_iter().map(|file| file.path).collect()
}

#[test]
fn what_tar_programs_write_is_read() {
    let long = format!("rules/{}.yaml", "n".repeat(180));
    let cases: [(&str, Vec<u8>, &[&str]); 9] = [
        ("plain", good().end(), &["bundle.yaml"]),
        ("gzip", gzip(&good().end()), &["bundle.yaml"]),
        (
            "`tar c .`",
            Tar::default().directory("./").file("./bundle.yaml", MANIFEST).directory("./rules/").end(),
            &["bundle.yaml"],
        ),
        (
            "`tar c bundle`",
            Tar::default().directory("b/").file("b/bundle.yaml", MANIFEST).file("b/rules/a.yaml", "").end(),
            &["bundle.yaml", "rules/a.yaml"],
        ),
        (
            "`git archive`",
            Tar::default()
                .entry(b"pax_global_header", b'g', b"", &pax(&[("comment", "0123abcd")]))
                .file("bundle.yaml", MANIFEST)
                .end(),
            &["bundle.yaml"],
        ),
        (
            "a long name, GNU",
            good()
                .entry(b"././@LongLink", b'L', b"", format!("{long}\0").as_bytes())
                .file("short", "x")
                .end(),
            &["bundle.yaml", &long],
        ),
        (
            "a long name, PAX",
            good().entry(b"PaxHeaders/x", b'x', b"", &pax(&[("path", &long)])).file("short", "x").end(),
            &["bundle.yaml", &long],
        ),
        (
            "macOS and editors",
            good().file("._bundle.yaml", "x").file("rules/a.yaml~", "x").file(".git/config", "x").end(),
            &["bundle.yaml"],
        ),
        ("tape blocks", [good().end(), vec![0; 20 * BLOCK]].concat(), &["bundle.yaml"]),
    ];
    for (what, archive, expected) in &cases {
        let found = paths(archive);
        println!("{what}: {} files", found.len());
        assert_eq!(found, *expected, "{what}");
    }
    println!("compared {} archives", cases.len());
}

#[test]
fn tricks_and_accidents_are_refused() {
    let gz = gzip(&good().end());
    let many = (0..=MAX_FILES).fold(good(), |tar, at| tar.file(&format!("docs/{at}"), ""));
    let directories = (0..=MAX_ENTRIES).fold(good(), |tar, at| tar.directory(&format!("docs/{at}/")));
    let big = vec![b'#'; 5 * 1024 * 1024 + 1];
    let incompressible: Vec<u8> =
        (0..5_242_880_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let heavy =
        (0..5).fold(good(), |tar, at| tar.entry(format!("docs/{at}").as_bytes(), b'0', b"", &incompressible));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "the archive is empty"),
        ("text", b"bundle.yaml: no\n".to_vec(), "not a whole tar archive"),
        ("json", br#"{"name": "x"}"#.repeat(100), "not a whole tar archive"),
        ("zip", b"PK\x03\x04....".to_vec(), "zip"),
        ("gzip of text", gzip(b"hello"), "not a whole tar archive"),
        ("gzip cut in half", gz[..gz.len() / 2].to_vec(), "was the archive cut?"),
        ("gzip without its checksum", gz[..gz.len() - 4].to_vec(), "was the archive cut?"),
        ("gzip with a wrong checksum", [&gz[..gz.len() - 8], &[1; 8]].concat(), "gzip data is broken"),
        ("garbage after gzip", [&gz[..], b"garbage"].concat(), "7 bytes follow"),
        ("two gzip members", [&gz[..], &gz[..]].concat(), "bytes follow"),
        ("gzip bomb", gzip(&vec![0; 50_000_000]), "more than 200 times its size"),
        (
            "large gzip",
            gzip(&(0..9_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()),
            "more than 29360128 bytes",
        ),
        ("large tar", vec![0; 29_360_129], "more than 29360128 bytes"),
        ("cut between files", good().0, "no end mark"),
        ("half an end mark", good().end()[..2 * BLOCK + BLOCK].to_vec(), "no end mark"),
        ("cut in a file", good().0[..BLOCK + 10].to_vec(), "ends within this file"),
        ("cut in a header", good().file("x", "").0[..2 * BLOCK + 100].to_vec(), "not a whole tar archive"),
        ("garbage after tar", [good().end(), b"rm -rf".to_vec()].concat(), "follows the end mark"),
        ("a second archive", [good().end(), good().end()].concat(), "follows the end mark"),
        (
            "a broken header",
            {
                let mut tar = good().end();
                tar[3] = b'X';
                tar
            },
            "not a whole tar archive",
        ),
        ("absolute", good().file("/etc/passwd", "x").end(), "absolute"),
        ("up", good().file("../bundle.yaml", "x").end(), "`..`"),
        ("up inside", good().file("rules/../../x", "x").end(), "`..`"),
        ("up, hidden", good().file(".git/../../x", "x").end(), "`..`"),
        ("up, GNU", good().entry(b"././@LongLink", b'L', b"", b"../x\0").file("x", "").end(), "`..`"),
        ("up, PAX", good().entry(b"x", b'x', b"", &pax(&[("path", "../x")])).file("x", "").end(), "`..`"),
        ("empty part", good().file("rules//a.yaml", "x").end(), "empty part"),
        ("backslash", good().file("rules\\a.yaml", "x").end(), "backslash"),
        ("line feed", good().file("rules/a\n.yaml", "x").end(), "control character"),
        (
            "NUL, PAX",
            good().entry(b"x", b'x', b"", &pax(&[("path", "a\0b")])).file("x", "").end(),
            "control character",
        ),
        ("not UTF-8", good().entry(b"rules/\xff.yaml", b'0', b"", b"").end(), "not UTF-8"),
        ("file ending in /", good().file("rules/", "x").end(), "ends in `/`"),
        (
            "long path",
            good().entry(b"x", b'x', b"", &pax(&[("path", &"x/".repeat(600))])).file("x", "").end(),
            "1024 bytes",
        ),
        ("symlink", good().entry(b"rules/a.yaml", b'2', b"/etc/passwd", b"").end(), "symbolic link"),
        ("symlink inside", good().entry(b"rules/a.yaml", b'2', b"b.yaml", b"").end(), "symbolic link"),
        ("hard link", good().entry(b"rules/a.yaml", b'1', b"bundle.yaml", b"").end(), "hard link"),
        ("character device", good().entry(b"rules/a.yaml", b'3', b"", b"").end(), "a device"),
        ("block device", good().entry(b"rules/a.yaml", b'4', b"", b"").end(), "a device"),
        ("pipe", good().entry(b"rules/a.yaml", b'6', b"", b"").end(), "named pipe"),
        (
            "sparse, PAX",
            good()
                .entry(
                    b"x",
                    b'x',
                    b"",
                    &pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "rules/b.yaml")]),
                )
                .file("rules/GNUSparseFile.0/b.yaml", "1\n0\n")
                .end(),
            "a sparse file",
        ),
        (
            "a directory with content",
            good().entry(b"rules/", b'5', b"", &good().0).end(),
            "a directory with content",
        ),
        ("unknown type", good().entry(b"rules/a.yaml", b'Z', b"", b"").end(), "unknown type"),
        (
            "global path",
            Tar::default().entry(b"g", b'g', b"", &pax(&[("path", "x")])).file("x", "").end(),
            "global header",
        ),
        ("twice", good().file("bundle.yaml", "default: deny").end(), "twice"),
        ("twice, with a detour", good().file("./bundle.yaml", "default: deny").end(), "twice"),
        ("case", good().file("Bundle.yaml", "x").end(), "one name where case is ignored"),
        (
            "case of a directory",
            good().file("rules/a.yaml", "").file("Rules/b.yaml", "").end(),
            "case is ignored",
        ),
        (
            "file and directory",
            good().file("rules", "x").file("rules/a.yaml", "").end(),
            "a file and a directory",
        ),
        (
            "directory and file",
            good().file("rules/a.yaml", "").file("rules", "x").end(),
            "a file and a directory",
        ),
        (
            "a large file",
            gzip(
                &good().entry(b"docs/x", b'0', b"", &big).entry(b"docs/y", b'0', b"", &incompressible).end(),
            ),
            "5242881 bytes, the limit is 5242880",
        ),
        ("too much", heavy.end(), "more than 20971520 bytes"),
        ("many files", many.end(), "more than 4096 files"),
        ("many directories", directories.end(), "more than 16384 entries"),
    ];
    for (what, archive, expected) in &cases {
        let error = unpack(archive, "x.tar").expect_err(what).to_string();
        println!("{what}: {error}");
        assert!(error.contains(expected), "{what}: {error}");
        assert_eq!(error.lines().count(), 1, "one finding, on one line");
    }
    println!("compared {} refusals", cases.len());
}

#[test]
fn packing_and_unpacking_is_nothing() {
    let file = |path: &str, bytes: &[u8]| SourceFile { path: path.to_owned(), bytes: bytes.to_vec() };
    let long = format!("rules/{}/{}.yaml", "d".repeat(120), "ü".repeat(80));
    let files = [file("bundle.yaml", b"x"), file("docs/empty", b""), file(&long, &[0, 255, 10])];
    let archive = pack(&files).unwrap();
    assert_eq!(unpack(&archive, "x").unwrap(), files);
    let reversed: Vec<_> = files.iter().rev().cloned().collect();
    assert_eq!(pack(&reversed).unwrap(), archive, "the same files give the same bytes");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), zip: bool) {
            let _ = unpack(&bytes, "x");
            let _ = unpack(&[&[0x1f, 0x8b], bytes.as_slice()].concat(), "x");
            if zip {
                let _ = unpack(&gzip(&bytes), "x");
            }
        }

        /// Wherever an archive is changed, it is refused or holds clean, distinct paths.
        #[test]
        fn a_changed_byte_is_noticed_or_harmless(at in 0_usize..3_000, to: u8) {
            let mut tar = good().file("rules/a.yaml", "rules: []").file("docs/x", &"y".repeat(700)).end();
            let at = at % tar.len();
            tar[at] = to;
            if let Ok(files) = unpack(&tar, "x") {
                for file in &files {
                    prop_assert!(!file.path.starts_with('/') && !file.path.split('/').any(|part| part == ".."));
                }
                prop_assert!(files.windows(2).all(|two| two[0].path < two[1].path));
            }
        }
    }
}
