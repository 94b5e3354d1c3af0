//! Searching from the command line, and an index that is lost while nobody looks.

use super::*;

/// How many calls of that operation the server counts; it does not count before it has an index.
fn counted(server: &Server) -> String {
    let mut count = String::new();
    wait_until("the search index", || {
        let output = run(&mut server.client(&["audit", "search", "--operation", "Conv*", "--count"]));
        count = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        output.status.success()
    });
    count
}

#[test]
fn searches_count_and_survive_the_loss_of_their_index() {
    let (_dir, data, bundle) = dirs();
    let mut server = Server::start(&data, &bundle, &[]);
    for at in 0..5 {
        server.decide(&format!("call-{at}")).unwrap();
    }
    assert_eq!(counted(&server), "5");
    let facets = stdout(&run(&mut server.client(&["audit", "facets", "region"])));
    println!("{facets}");
    assert_eq!(facets, "DECISIONS  REGION\n        5  eu-central-1\n");
    let csv =
        stdout(&run(&mut server.client(&["audit", "search", "--call-id", "call-3", "--output", "csv"])));
    println!("{csv}");
    assert!(csv.starts_with("time,kind,verdict,"), "{csv}");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let wrong = run(&mut server.client(&["audit", "facets", "colour"]));
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("principal, tenant"));

    // Killed or stopped, its index whole, broken, or gone: what is found is the same, and calls are decided at once.
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 3] = [
        ("nothing happened to it", |_| {}),
        ("it is gone", |path| std::fs::remove_file(path).unwrap()),
        ("it is broken", |path| {
            std::fs::write(path, "no database, and longer than one of its headers".repeat(9)).unwrap()
        }),
    ];
    for (at, (name, harm)) in harms.into_iter().enumerate() {
        server.signal(if at == 1 { "KILL" } else { "TERM" });
        server.child.wait().unwrap();
        if at > 0 {
            for side in ["search.db-wal", "search.db-shm"] {
                let _ = std::fs::remove_file(data.join(side));
            }
        }
        harm(&data.join("search.db"));
        server = Server::start(&data, &bundle, &[]);
        assert_eq!(server.decide(&format!("after-{at}")).unwrap().0, 200, "{name}");
        assert_eq!(counted(&server), (6 + at).to_string(), "{name}");
        wait_until("a ready index", || server.get("/readyz").1["search"]["state"] == "ready");
    }
}
