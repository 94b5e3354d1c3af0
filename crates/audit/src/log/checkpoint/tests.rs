use super::*;
use proptest::prelude::*;

#[test]
fn the_example_of_the_specification_is_read() {
    // https://c2sp.org/tlog-checkpoint; its key is not published.
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let (checkpoint, note) = Checkpoint::parse_note(text).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.to_text(), note.text);
    assert_eq!(note.to_text(), text);
    println!("{checkpoint:?}");
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let root = STANDARD.encode([7; 32]);
    assert_eq!(Checkpoint::parse(&format!("o\n0\n{root}\n")).unwrap().size, 0);
    assert_eq!(
        Checkpoint::parse(&format!("o\n18446744073709551615\n{root}\nmore\nlines\n")).unwrap().size,
        u64::MAX
    );
    for (what, text) in [
        ("no line end", format!("o\n1\n{root}")),
        ("no origin", format!("\n1\n{root}\n")),
        ("no root", "o\n1\n".to_owned()),
        ("no size", "o\n".to_owned()),
        ("leading zero", format!("o\n01\n{root}\n")),
        ("a sign", format!("o\n+1\n{root}\n")),
        ("too large", format!("o\n18446744073709551616\n{root}\n")),
        ("not decimal", format!("o\n1f\n{root}\n")),
        ("an empty size", format!("o\n\n{root}\n")),
        ("a short root", format!("o\n1\n{}\n", STANDARD.encode([7; 31]))),
        ("no padding", format!("o\n1\n{}\n", root.trim_end_matches('='))),
        ("an empty extension", format!("o\n1\n{root}\n\n")),
        ("a carriage return", format!("o\n1\n{root}\r\n")),
    ] {
        let read = Checkpoint::parse(&text);
        println!("{what}: {read:?}");
        assert!(read.is_err(), "{what}");
    }
}

proptest! {
    #[test]
    fn checkpoints_read_as_they_were_written(origin in "[a-z./ +]{1,20}", size: u64, root: [u8; 32]) {
        let checkpoint = Checkpoint { origin, size, root };
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()).unwrap(), checkpoint);
    }
}
