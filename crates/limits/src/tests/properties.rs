//! Whatever happens, in whatever order.

use super::{Table, want};
use crate::{Late, Ledger, Refusal, Snapshot, Want, slice_ms};
use proptest::prelude::*;
use std::sync::Arc;

const NOW: u64 = 1_800_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// Two wants; `commit`: its changes could be stored.
    Reserve {
        wants: [(u8, u8, u64); 2],
        invocation: u8,
        enforced: bool,
        commit: bool,
    },
    Again(prop::sample::Index),
    Settle(prop::sample::Index, u64),
    Release(prop::sample::Index),
    Keep(prop::sample::Index, bool),
    Sweep,
    Restart,
    Window(u8, u64),
}

fn one_step(retries: bool, windows: bool) -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    let reserve = (
        prop::array::uniform2((0_u8..3, 0_u8..2, 0_u64..40)),
        if retries { 0_u8..4 } else { 0_u8..1 },
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(wants, invocation, enforced, commit)| Step::Reserve {
            wants,
            invocation,
            enforced,
            commit,
        });
    prop_oneof![
        4 => prop_oneof![0_u64..3_000, 0_u64..120_000, 0_u64..2_000_000].prop_map(Step::Wait),
        8 => reserve,
        1 => index().prop_map(Step::Again),
        4 => (index(), 0_u64..=100).prop_map(|(call, percent)| Step::Settle(call, percent)),
        3 => index().prop_map(Step::Release),
        2 => (index(), any::<bool>()).prop_map(|(call, late)| Step::Keep(call, late)),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
        u32::from(windows) => (0_u8..3, prop::sample::select(vec![60_000_u64, 100_000, 3_600_000]))
            .prop_map(|(limit, window)| Step::Window(limit, window)),
    ]
}

/// Everything that one count was asked for, and what of it stands.
#[derive(Debug)]
struct Event {
    limit: u8,
    key: u8,
    call: usize,
    at: u64,
    amount: u64,
}

struct World {
    now: u64,
    calls: usize,
    ledger: Ledger,
    table: Table,
    windows: [u64; 3],
    /// The shortest that each limit had: what that forgot a longer one does not know again.
    shortest: [u64; 3],
    events: Vec<Event>,
}

const MAX: [u64; 3] = [60, 100, 37];

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: NOW,
            calls: 0,
            ledger: Ledger::new(),
            table: Table::default(),
            windows: [60_000, 3_600_000, 90_000],
            shortest: [60_000, 3_600_000, 90_000],
            events: Vec::new(),
        };
        world.configure();
        world
    }

    fn configure(&mut self) {
        for (limit, window) in self.windows.iter().enumerate() {
            self.ledger.configure(&limit.to_string(), MAX[limit], *window);
        }
    }

    fn want(&self, (limit, key, amount): (u8, u8, u64), invocation: u8, enforced: bool) -> Want {
        let place = usize::from(limit);
        Want {
            enforced,
            // Limits of calls have no other amounts.
            retry_of: (invocation > 0 && limit == 2).then(|| Arc::from(format!("i{invocation}"))),
            ..want(&limit.to_string(), &key.to_string(), amount, MAX[place], self.windows[place])
        }
    }

    fn open(&self, index: &prop::sample::Index) -> Option<String> {
        let open = self.ledger.export().open;
        (!open.is_empty()).then(|| index.get(&open).call.to_string())
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(time) => self.now += time,
            Step::Reserve { wants, invocation, enforced, commit } => {
                self.calls += 1;
                let call = self.calls.to_string();
                let wants = wants.map(|one| self.want(one, *invocation, *enforced));
                let before = self.ledger.clone();
                match self.ledger.reserve(self.now, &call, &wants) {
                    Ok(reservation) if *commit => {
                        self.table.apply(&reservation.changes);
                        self.remember(&wants);
                    }
                    Ok(reservation) => {
                        let changes = self.ledger.undo(self.now, &call, &reservation);
                        self.table.apply(&changes);
                    }
                    Err(Refusal::Exceeded { exceeded, .. }) => {
                        assert!(*enforced);
                        for over in exceeded {
                            self.check_refusal(&before, &wants, &over);
                        }
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Again(index) => {
                if let Some(call) = self.open(index) {
                    let wants = [self.want((0, 0, 5), 0, true)];
                    let again = self.ledger.reserve(self.now, &call, &wants).unwrap();
                    assert!(!again.fresh && again.changes.is_empty());
                    assert_eq!(self.ledger.undo(self.now, &call, &again), []);
                }
            }
            Step::Settle(index, percent) => {
                if let Some(call) = self.open(index) {
                    let part = |amount: u64| amount * percent / 100;
                    let changes = self.ledger.settle(self.now, &call, |entry| part(entry.amount));
                    self.table.apply(&changes);
                    self.events
                        .iter_mut()
                        .filter(|event| event.call.to_string() == call)
                        .for_each(|event| event.amount = part(event.amount));
                }
            }
            Step::Release(index) => {
                if let Some(call) = self.open(index) {
                    let changes = self.ledger.release(self.now, &call);
                    self.table.apply(&changes);
                    self.events.retain(|event| event.call.to_string() != call);
                }
            }
            Step::Keep(index, late) => {
                if let Some(call) = self.open(index) {
                    let late = if *late { Late::MayCome } else { Late::No };
                    let changes = self.ledger.keep(self.now, &call, late);
                    self.table.apply(&changes);
                }
            }
            Step::Sweep => {
                let changes = self.ledger.sweep(self.now);
                self.table.apply(&changes);
            }
            Step::Restart => {
                self.ledger = Ledger::restore(self.table.snapshot());
                self.configure();
            }
            Step::Window(limit, window) => {
                let place = usize::from(*limit);
                self.windows[place] = *window;
                self.shortest[place] = self.shortest[place].min(*window);
                self.configure();
            }
        }
        self.check_rows();
    }

    fn remember(&mut self, wants: &[Want]) {
        for want in wants {
            self.events.push(Event {
                limit: want.limit.parse().unwrap(),
                key: want.key.parse().unwrap(),
                call: self.calls,
                at: self.now,
                amount: want.amount,
            });
        }
    }

    fn sum(&self, limit: u8, key: u8, after: u64, until: u64) -> u64 {
        let within = |event: &&Event| {
            (event.limit, event.key) == (limit, key) && event.at > after && event.at <= until
        };
        self.events.iter().filter(within).map(|event| event.amount).sum()
    }

    /// No window, wherever it ends, has more than was allowed.
    fn check_windows(&self) {
        for event in &self.events {
            let place = usize::from(event.limit);
            let sum =
                self.sum(event.limit, event.key, event.at.saturating_sub(self.windows[place]), event.at);
            assert!(sum <= MAX[place], "{sum} of limit {place} in the window that ends at {}", event.at);
        }
    }

    /// What was refused would have been too much in a window that is one slice longer; and waiting as long as was said
    /// helps, less does not.
    fn check_refusal(&self, before: &Ledger, wants: &[Want; 2], over: &crate::Exceeded) {
        let (limit, key): (u8, u8) = (over.limit.parse().unwrap(), over.key.parse().unwrap());
        let own: Vec<Want> = wants
            .iter()
            .filter(|want| (&want.limit, &want.key) == (&over.limit, &over.key))
            .cloned()
            .collect();
        if own.len() > 1 || own[0].retry_of.is_some() {
            return;
        }
        let window = self.windows[usize::from(limit)];
        let sum = self.sum(limit, key, self.now.saturating_sub(window + slice_ms(window)), self.now);
        assert!(sum + own[0].amount.max(1) > over.max, "refused with {sum} used: {over:?}");
        match over.retry_after_ms {
            None => assert!(own[0].amount.max(1) > over.max),
            Some(after) => {
                let fits = |at| before.clone().reserve(at, "other", &own).is_ok();
                assert!(after > 0 && fits(self.now + after) && !fits(self.now + after - 1), "{over:?}");
            }
        }
    }

    /// The stored rows are the ledger's, but for what no window reaches.
    fn check_rows(&self) {
        assert_eq!(self.reached(self.table.snapshot()), self.reached(self.ledger.export()));
    }

    fn reached(&self, mut snapshot: Snapshot) -> Snapshot {
        snapshot.uses.retain(|row| {
            let window = self.shortest[row.limit.parse::<usize>().unwrap()];
            row.slice_end > self.now.saturating_sub(window)
        });
        snapshot
    }
}

proptest! {
    /// Enforced limits, every outcome at most what was reserved: never more than max in any window.
    #[test]
    fn no_window_ever_has_more_than_max(steps in prop::collection::vec(one_step(false, false), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            match step {
                Step::Reserve { wants, invocation, commit, .. } => {
                    world.step(&Step::Reserve { wants: *wants, invocation: *invocation, enforced: true, commit: *commit });
                }
                other => world.step(other),
            }
            world.check_windows();
        }
    }

    /// Retries, shadow limits, other windows, failed commits and restarts: the rows stay the ledger's.
    #[test]
    fn rows_mirror_the_ledger(steps in prop::collection::vec(one_step(true, true), 1..150)) {
        let mut world = World::new();
        for step in &steps {
            let Step::Reserve { wants, invocation, enforced, commit } = step else {
                world.step(step);
                continue;
            };
            // What a shadow limit lets pass is no event of the other test.
            world.events.clear();
            world.calls += 1;
            let call = world.calls.to_string();
            let wants = wants.map(|one| world.want(one, *invocation, *enforced));
            if let Ok(reservation) = world.ledger.reserve(world.now, &call, &wants) {
                let changes = if *commit {
                    reservation.changes
                } else {
                    world.ledger.undo(world.now, &call, &reservation)
                };
                world.table.apply(&changes);
            }
            world.check_rows();
        }
        // A ledger of the stored rows answers as this one does.
        world.windows = world.shortest;
        world.configure();
        let mut other = Ledger::restore(world.table.snapshot());
        std::mem::swap(&mut other, &mut world.ledger);
        world.configure();
        prop_assert_eq!(world.ledger.usage(world.now), other.usage(world.now));
        let later = world.now + 2 * crate::KEPT_MS;
        for row in world.ledger.export().open {
            world.table.apply(&world.ledger.keep(later, &row.call, Late::MayCome));
        }
        world.table.apply(&world.ledger.sweep(later));
        prop_assert_eq!(world.table.snapshot(), Snapshot::default());
        prop_assert_eq!(world.ledger.export(), Snapshot::default());
    }
}
