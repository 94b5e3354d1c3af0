//! Every order of events, with random answers. What must hold is checked by [`World`] after each step.

use super::world::{Answer, BODY, Request, World};
use crate::fault::Fault;
use crate::metric::Metric;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    Request(Request),
    Body { bytes: usize, end: bool },
    Junk { end: bool },
    Trailers,
    Answer(Answer),
    Stray(u32, Answer),
    Wait(u64),
    Response { status: u16, upstream: bool, end: bool },
    ResponseBody { end: bool },
    ResponseTrailers,
    Close { flags: u64 },
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        6 => Just(Request::converse()),
        1 => Just(Request::converse().ended()),
        1 => Just(Request::converse().with("content-length", "5000")),
        1 => Just(Request::converse().with("content-encoding", "gzip")),
        2 => Just(Request::malformed()),
        1 => Just(Request::malformed().ended()),
        2 => Just(Request::bidirectional()),
        1 => Just(Request::post("/unknown")),
        1 => Just(Request { method: "GET", ..Request::post("/model/x/converse") }.ended()),
        1 => Just(Request::post("/.portcullis/selftest").with("x-portcullis-selftest", "1")),
        1 => Just(Request::post("/.portcullis/selftest").with("x-portcullis-selftest", "1").ended()),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![2 => Just(Answer::Allow), 2 => Just(Answer::NeedText), 2 => (0..100_u32).prop_map(Answer::Hold), 6 => proptest::sample::select(&Answer::ALL[..])]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => request().prop_map(Act::Request),
        4 => (1..BODY.len() + 1, any::<bool>()).prop_map(|(bytes, end)| Act::Body { bytes, end }),
        1 => any::<bool>().prop_map(|end| Act::Junk { end }),
        1 => Just(Act::Trailers),
        4 => answer().prop_map(Act::Answer),
        1 => (0..4_u32, answer()).prop_map(|(token, answer)| Act::Stray(token, answer)),
        2 => (0..3_000_u64).prop_map(Act::Wait),
        1 => (0..60_000_u64).prop_map(Act::Wait),
        2 => (200..600_u16, any::<bool>(), any::<bool>())
            .prop_map(|(status, upstream, end)| Act::Response { status, upstream, end }),
        2 => any::<bool>().prop_map(|end| Act::ResponseBody { end }),
        1 => Just(Act::ResponseTrailers),
        1 => proptest::sample::select(&[0_u64, 0x4000, 0x40, 0x20][..]).prop_map(|flags| Act::Close { flags }),
    ]
}

fn world() -> impl Strategy<Value = fn() -> World> {
    prop_oneof![
        Just((|| World::pass_through("closed")) as fn() -> World),
        Just((|| World::pass_through("open")) as fn() -> World),
        Just(World::resign as fn() -> World),
    ]
}

fn run(world: &mut World, acts: &[Act]) {
    let mut sent = 0;
    for act in acts {
        match act {
            Act::Request(request) => world.request(request),
            Act::Body { bytes, end } => {
                let upto = if *end { BODY.len() } else { (sent + bytes).min(BODY.len()) };
                world.body(&BODY[sent..upto], *end);
                sent = upto;
            }
            Act::Junk { end } => world.body(b"\xff{,", *end),
            Act::Trailers => world.trailers(),
            Act::Answer(answer) => world.answer(*answer),
            Act::Stray(token, answer) => world.stray_answer(*token, *answer),
            Act::Wait(millis) => world.wait(*millis),
            Act::Response { status, upstream, end } => world.response(*status, *upstream, *end),
            Act::ResponseBody { end } => world.response_body(br#"{"__type": "a#B"}"#, *end),
            Act::ResponseTrailers => world.response_trailers(),
            Act::Close { flags } => world.close("", *flags),
        }
    }
    world.close("", 0);
    world.close("", 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    /// Orders that a host would produce, headers first.
    #[test]
    fn in_any_order_after_the_headers(make in world(), first in request(), text: bool, acts in prop::collection::vec(act(), 0..16)) {
        let mut world = make();
        world.wants_text = text;
        world.request(&first);
        run(&mut world, &acts);
    }

    /// Orders that no host would produce.
    #[test]
    fn in_any_order_at_all(make in world(), acts in prop::collection::vec(act(), 0..16)) {
        run(&mut make(), &acts);
    }

    /// Each fault leads to the failure mode's verdict: a refusal when closed, a loud permit when open.
    #[test]
    fn every_fault_goes_through_the_failure_mode(open: bool, text: bool, bidirectional: bool, faulty in answer(), late: bool) {
        let mut world = World::pass_through(if open { "open" } else { "closed" });
        world.wants_text = text;
        world.request(&if bidirectional { Request::bidirectional() } else { Request::converse() });
        world.body(BODY, true);
        prop_assert!(!world.is_malformed());
        if late {
            world.wait(1_000);
        } else {
            world.answer(faulty);
            // Asked again, and once more for the same.
            world.answer(if matches!(faulty, Answer::Hold(_)) { faulty } else { Answer::NeedText });
        }
        let held = world.waits_for_approval();
        let fault = Fault::ALL.iter().map(|fault| Metric::from(*fault)).find(|metric| world.counted.contains(metric));
        match fault {
            Some(_) if open && !held => {
                prop_assert_eq!(world.resumed, 1);
                prop_assert_eq!(world.unaudited, 1);
                prop_assert!(world.counted.contains(&Metric::FailOpen));
            }
            Some(_) => {
                prop_assert_eq!(world.reply(), (503, "ServiceUnavailableException"));
                prop_assert_eq!(world.unaudited, 0);
            }
            None => {
                let verdict = matches!(faulty, Answer::Allow | Answer::Deny | Answer::Throttle | Answer::Pending);
                prop_assert!(!late && verdict, "a fault that was not counted");
            }
        }
        world.close("", 0);
    }

    /// Text once and a hold once, in any order, and nothing is lost of what was asked.
    #[test]
    fn text_and_a_hold_in_any_order(text_first: bool, text: bool, seconds in 0..100_u32, upload in 0..120_000_u64) {
        let mut world = World::pass_through("closed");
        world.gate.body_timeout_us = 300_000_000;
        world.wants_text = text;
        world.request(&Request::converse());
        world.wait(upload);
        world.body(BODY, true);
        let mut wanted = vec![Answer::Hold(seconds)];
        if !text {
            wanted.insert(usize::from(!text_first), Answer::NeedText);
        }
        for answer in &wanted {
            world.answer(*answer);
        }
        prop_assert_eq!(world.questions.len(), 1 + wanted.len());
        let last = world.questions.last().unwrap();
        prop_assert_eq!(&last["body"]["text"]["text"], "hello");
        prop_assert_eq!(&last["held"], "ap-1");
        let timeout = world.timeouts.last().copied().unwrap();
        prop_assert_eq!(&last["wait_ms"], timeout);
        // What is left of the fifty seconds; an ordinary decision's second always is.
        prop_assert_eq!(timeout, u64::from(seconds * 1_000 + 5_000).min(50_000_u64.saturating_sub(upload).max(1_000)));
        for question in &mut world.questions {
            for key in ["held", "wait_ms"] {
                question.as_object_mut().unwrap().remove(key);
            }
            question["body"].as_object_mut().unwrap().remove("text");
        }
        prop_assert!(world.questions.windows(2).all(|two| two[0] == two[1]), "it is the same question");
        world.answer(Answer::Allow);
        prop_assert_eq!(world.resumed, 1);
    }

    /// A malformed call never gets out, whatever is answered and whatever the mode.
    #[test]
    fn a_malformed_call_stays_in(open: bool, said in answer(), again in answer()) {
        let mut world = World::pass_through(if open { "open" } else { "closed" });
        world.request(&Request::malformed().ended());
        prop_assert!(world.is_malformed());
        world.answer(said);
        world.answer(again);
        world.wait(5_000);
        prop_assert_eq!(world.resumed, 0);
        prop_assert_eq!(world.reply(), (400, "ValidationException"));
        world.close("", 0);
    }
}
