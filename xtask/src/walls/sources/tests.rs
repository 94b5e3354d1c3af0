use super::*;

fn found(source: &str) -> Vec<String> {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let paths = list(&["std::env", "std::fs", "std::time::Instant", "std::time::SystemTime"]);
    let (macros, static_types) = (list(&["println", "thread_local"]), list(&["Mutex", "AtomicUsize"]));
    let forbidden = Forbidden { paths: &paths, macros: &macros, static_types: &static_types };
    let violations = violations_of("x.rs", &syn::parse_file(source).unwrap(), &forbidden, "of a reason");
    let found: Vec<_> =
        violations.iter().map(|violation| format!("{} {}", violation.place, violation.what)).collect();
    println!("{source}\n    -> {found:?}");
    found
}

#[test]
fn each_way_to_say_it_is_found() {
    for (source, expected) in [
        ("fn f() { std::env::var(\"X\"); }", "x.rs:1 says `std::env::var`"),
        ("use std::fs;\nfn f() {}", "x.rs:1 says `std::fs`"),
        ("use std::{collections::HashMap, time::{Duration, Instant}};", "x.rs:1 says `std::time::Instant`"),
        ("use std::time::SystemTime as Clock;", "x.rs:1 says `std::time::SystemTime`"),
        ("use std::time;\nfn f() { time::Instant::now(); }", "x.rs:2 says `std::time::Instant::now`"),
        ("use std::time::{self};\nfn f() { time::Instant::now(); }", "x.rs:2 says `std::time::Instant::now`"),
        ("use std as s;\nfn f() { s::fs::read(\"x\"); }", "x.rs:2 says `std::fs::read`"),
        ("use std::time::*;", "x.rs:1 says `std::time::*`"),
        ("use std::*;", "x.rs:1 says `std::*`"),
        ("fn f(at: std::time::SystemTime) {}", "x.rs:1 says `std::time::SystemTime`"),
        ("fn f() { let x = format!(\"{:?}\", [std::env::args()]); }", "x.rs:1 says `std::env::args`"),
        ("fn f() { println!(); }", "x.rs:1 says `println!`"),
        ("fn f() { vec![println!()]; }", "x.rs:1 says `println!`"),
        ("thread_local! { static X: u8 = 1; }", "x.rs:1 says `thread_local!`"),
        ("static mut X: u8 = 1;", "x.rs:1 has the global variable `X`"),
        ("static X: std::sync::Mutex<u8> = std::sync::Mutex::new(1);", "x.rs:1 has the global variable `X`"),
        ("mod inner { fn f() { std::fs::read(\"x\"); } }", "x.rs:1 says `std::fs::read`"),
        ("fn f() { use std::fs::File; }", "x.rs:1 says `std::fs::File`"),
        ("#[cfg(not(test))]\nfn f() { std::fs::read(\"x\"); }", "x.rs:2 says `std::fs::read`"),
    ] {
        assert_eq!(found(source), [expected], "{source}");
    }
}

#[test]
fn what_is_no_violation() {
    for source in [
        "// std::env::var\n/// `std::fs`\nfn f() { let x = \"std::env\"; }",
        "use std::time::Duration;\nfn f(d: Duration) {}",
        "static NAMES: &[&str] = &[\"a\"];",
        "static TABLE: std::sync::LazyLock<u8> = std::sync::LazyLock::new(|| 1);",
        "#[cfg(test)]\nmod tests { use std::fs; static mut X: u8 = 1; }",
        "#[test]\nfn f() { println!(); }",
        "mod fs { pub fn read() {} }\nfn f() { fs::read(); }",
        "fn f() { format!(\"{}\", environment::fs::read()); }",
    ] {
        assert!(found(source).is_empty(), "{source}");
    }
}

#[test]
fn files_that_only_tests_compile_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod a;\n#[cfg(test)]\nmod cases;");
    write("a.rs", "#[cfg(test)]\nmod tests;\nmod b;");
    write("a/b.rs", "");
    write("a/tests.rs", "use std::fs;");
    write("cases.rs", "mod more;");
    write("cases/more.rs", "use std::fs;");
    let read = sources(folder.path()).unwrap();
    let mut names: Vec<_> = read
        .iter()
        .map(|(file, _)| file.strip_prefix(folder.path()).unwrap().display().to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["a.rs", "a/b.rs", "lib.rs"]);
}
