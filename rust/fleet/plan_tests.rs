use super::Action::*;
use super::*;

/// A plan whose first generation serves with workers 1 and 2.
fn serving() -> Plan {
    let mut plan = Plan::new(2);
    assert_eq!(plan.reload(0), [StartZygote(1), Fork(1, 1)]);
    assert_eq!(plan.ready(1, 0), [Fork(1, 2)]);
    assert_eq!(plan.ready(2, 0), [Serving(1)]);
    plan
}

#[test]
fn a_dead_worker_is_replaced_at_once() {
    let mut plan = serving();
    assert_eq!(plan.ended(1, true, 5), [Lost { worker: 1, killed_from_outside: true }, Fork(1, 3)]);
    assert_eq!(plan.ended(2, false, 5), [Lost { worker: 2, killed_from_outside: false }, Fork(1, 4)]);
    assert_eq!(plan.ended(2, false, 6), [], "a death is heard of once");
}

#[test]
fn a_reload_retires_the_old_when_all_the_new_have_come() {
    let mut plan = serving();
    assert_eq!(plan.next_generation(), 2);
    assert_eq!(plan.reload(0), [StartZygote(2), Fork(2, 3)], "one goes ahead");
    assert_eq!(plan.ready(3, 0), [Fork(2, 4)]);
    assert_eq!(plan.ready(4, 0), [Serving(2), Retire(1), Retire(2)]);
    assert_eq!(plan.ended(1, false, 0), [Lost { worker: 1, killed_from_outside: false }]);
    let last = plan.ended(2, false, 0);
    assert_eq!(last, [Lost { worker: 2, killed_from_outside: false }, EndZygote(1)]);
}

#[test]
fn deaths_in_the_middle_of_a_reload_are_made_good_in_both_generations() {
    let mut plan = serving();
    plan.reload(0);
    assert_eq!(plan.ended(1, true, 0), [Lost { worker: 1, killed_from_outside: true }, Fork(1, 4)]);
    assert_eq!(plan.ready(3, 0), [Fork(2, 5)]);
    assert_eq!(plan.ended(3, true, 0), [Lost { worker: 3, killed_from_outside: true }]);
    assert_eq!(plan.ready(5, 0), [Fork(2, 6)], "it is ahead now");
    assert_eq!(plan.ready(6, 0), [Serving(2), Retire(2), Retire(4)]);
}

#[test]
fn code_that_does_not_boot_leaves_the_old_generation_serving() {
    let mut plan = serving();
    plan.reload(0);
    plan.ready(3, 0);
    assert!(!plan.is_given_up(2));
    let failed = plan.ended(4, false, 0);
    assert_eq!(failed, [Lost { worker: 4, killed_from_outside: false }, Retire(3), ReloadFailed(2)]);
    assert!(plan.is_given_up(2) && !plan.is_given_up(1));
    assert_eq!(plan.ended(3, false, 0), [Lost { worker: 3, killed_from_outside: false }, EndZygote(2)]);
    assert_eq!(plan.ended(1, true, 0), [Lost { worker: 1, killed_from_outside: true }, Fork(1, 5)]);
    assert_eq!(plan.reload(0), [StartZygote(3), Fork(3, 6)]);
}

#[test]
fn code_that_does_not_boot_is_tried_by_one_worker_only() {
    let mut plan = serving();
    plan.reload(0);
    let failed = plan.ended(3, false, 0);
    assert_eq!(failed, [Lost { worker: 3, killed_from_outside: false }, ReloadFailed(2), EndZygote(2)]);
}

#[test]
fn a_reload_that_was_asked_for_while_another_failed_is_done() {
    let mut plan = serving();
    plan.reload(0);
    assert_eq!((plan.reload(0), plan.next_generation()), (vec![], 3));
    let failed = plan.ended(3, false, 0);
    assert_eq!(
        failed,
        [Lost { worker: 3, killed_from_outside: false }, ReloadFailed(2), StartZygote(3), Fork(3, 4), EndZygote(2)]
    );
    plan.ready(4, 0);
    assert_eq!(plan.ready(5, 0), [Serving(3), Retire(1), Retire(2)]);
}

#[test]
fn a_first_generation_that_does_not_boot_ends_it_all() {
    let mut plan = Plan::new(2);
    plan.reload(0);
    let failed = plan.ended(1, false, 0);
    assert_eq!(failed[..2], [Lost { worker: 1, killed_from_outside: false }, ReloadFailed(1)]);
    assert!(failed.contains(&End));
}

#[test]
fn a_reload_that_comes_during_another_follows_it_once() {
    let mut plan = serving();
    plan.reload(0);
    assert_eq!(plan.reload(0), []);
    assert_eq!(plan.reload(0), []);
    plan.ready(3, 0);
    let actions = plan.ready(4, 0);
    assert_eq!(actions, [Serving(2), Retire(1), Retire(2), StartZygote(3), Fork(3, 5)]);
}

#[test]
fn a_worker_that_wants_to_leave_stays_until_its_replacement_has_come() {
    let mut plan = serving();
    assert_eq!(plan.leaving(1, 0), [Fork(1, 3)]);
    assert_eq!(plan.leaving(1, 0), []);
    assert_eq!(plan.tick(0), []);
    assert_eq!(plan.ready(3, 0), [Retire(1)]);
    assert_eq!(plan.ended(1, false, 0), [Lost { worker: 1, killed_from_outside: false }]);
}

#[test]
fn a_worker_that_dies_before_its_replacement_has_come_is_not_replaced_twice() {
    let mut plan = serving();
    plan.leaving(1, 0);
    assert_eq!(plan.ended(1, true, 0), [Lost { worker: 1, killed_from_outside: true }]);
    assert_eq!(plan.ready(3, 0), []);
}

#[test]
fn an_overdue_worker_gets_a_second_to_end_and_is_replaced_meanwhile() {
    let mut plan = serving();
    assert_eq!(plan.overdue(1, 1000), [Retire(1), Terminate(1), Fork(1, 3)]);
    assert_eq!(plan.overdue(1, 1001), []);
    assert!(plan.is_waiting(1001));
    assert_eq!(plan.tick(1999), []);
    assert_eq!(plan.tick(2000), [Kill(1)]);
    assert_eq!(plan.tick(3000), []);
    assert_eq!(plan.ended(1, true, 3000), [Lost { worker: 1, killed_from_outside: false }]);
}

#[test]
fn replacements_that_do_not_boot_are_tried_ever_more_slowly() {
    let mut plan = serving();
    plan.ended(1, true, 0);
    let mut pauses = Vec::new();
    let mut now_ms = 0;
    for number in 3..12 {
        assert_eq!(
            plan.ended(number, false, now_ms),
            [Lost { worker: number, killed_from_outside: false }, BootFailed(number)]
        );
        let failed_ms = now_ms;
        while plan.tick(now_ms).is_empty() {
            now_ms += 50;
        }
        pauses.push(now_ms - failed_ms);
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
}

#[test]
fn a_zygotes_death_brings_a_new_generation_and_costs_no_worker() {
    let mut plan = serving();
    assert_eq!(plan.zygote_ended(1, 0), [StartZygote(2), Fork(2, 3)]);
    assert_eq!(plan.ended(1, true, 0), [Lost { worker: 1, killed_from_outside: true }], "nobody can fork it");
    plan.ready(3, 0);
    assert_eq!(plan.ready(4, 0), [Serving(2), Retire(2)]);
}

#[test]
fn a_zygotes_death_while_the_code_is_broken_is_made_good_later() {
    let mut plan = serving();
    plan.zygote_ended(1, 0);
    plan.ended(3, false, 0);
    assert_eq!(plan.tick(99), []);
    assert_eq!(plan.tick(100), [StartZygote(3), Fork(3, 4)]);
    plan.zygote_ended(3, 100);
    assert_eq!(plan.tick(299), []);
    assert_eq!(plan.tick(300), [StartZygote(4), Fork(4, 5)]);
}

#[test]
fn a_worker_that_wants_to_leave_gets_another_replacement_when_the_first_does_not_boot() {
    let mut plan = serving();
    plan.leaving(1, 0);
    plan.ended(3, false, 0);
    assert_eq!(plan.tick(100), [Fork(1, 4)]);
    assert_eq!(plan.ready(4, 100), [Retire(1)]);
    assert_eq!(plan.retired().collect::<Vec<_>>(), [1]);
}

#[test]
fn nobody_is_forked_by_a_zygote_that_has_gone() {
    let mut plan = serving();
    plan.zygote_ended(1, 0);
    assert_eq!(plan.leaving(1, 0), []);
}

#[test]
fn a_kill_from_outside_says_nothing_against_the_code_unless_it_is_the_rule() {
    let mut plan = serving();
    plan.reload(0);
    for number in 3..11 {
        assert_eq!(
            plan.ended(number, true, 0),
            [Lost { worker: number, killed_from_outside: true }, Fork(2, number + 1)]
        );
    }
    assert!(plan.ended(11, true, 0).contains(&ReloadFailed(2)));
}

#[test]
fn a_boot_that_hangs_is_given_up() {
    let mut plan = serving();
    plan.reload(0);
    plan.ready(3, 10);
    assert_eq!(plan.tick(60_009), []);
    assert_eq!(plan.tick(60_010), [Retire(4), Retire(3), ReloadFailed(2)]);
    assert_eq!(plan.tick(61_010), [Kill(4)]);
    plan.ended(3, true, 61_011);
    plan.ended(4, true, 61_011);
    plan.ended(1, true, 61_012);
    assert_eq!(plan.tick(121_012), [Retire(5), BootFailed(5)]);
    assert_eq!(plan.tick(121_112), [Fork(1, 6)]);
    assert_eq!(plan.tick(122_012), [Kill(5)]);
    assert_eq!(plan.ended(5, true, 122_013), [Lost { worker: 5, killed_from_outside: false }]);
}

#[test]
fn the_end_waits_for_all_and_kills_who_is_stuck() {
    let mut plan = serving();
    assert_eq!(plan.end(0), []);
    assert_eq!(plan.ended(1, false, 10), [Lost { worker: 1, killed_from_outside: false }]);
    assert_eq!(plan.tick(1000), [Kill(2)]);
    assert_eq!(
        plan.ended(2, true, 1001),
        [Lost { worker: 2, killed_from_outside: false }, EndZygote(1), End]
            .into_iter()
            .filter(|action| *action != EndZygote(1))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_generation_that_hangs_gives_way_to_the_next() {
    let mut plan = serving();
    plan.reload(0);
    assert_eq!(plan.reload(SUPERSEDED_AFTER_MS - 1), [], "it may still come");
    let superseded = plan.reload(SUPERSEDED_AFTER_MS);
    assert_eq!(superseded, [Retire(3), ReloadFailed(2), StartZygote(3), Fork(3, 4)]);
    assert_eq!(plan.ready(4, SUPERSEDED_AFTER_MS), [Fork(3, 5)]);
    assert_eq!(plan.ready(5, SUPERSEDED_AFTER_MS), [Serving(3), Retire(1), Retire(2)]);
}

#[test]
fn a_generation_whose_first_worker_has_come_is_waited_for() {
    let mut plan = serving();
    plan.reload(0);
    plan.ready(3, 0);
    assert_eq!(plan.reload(SUPERSEDED_AFTER_MS), []);
    assert_eq!(plan.ready(4, SUPERSEDED_AFTER_MS).last(), Some(&Fork(3, 5)), "and then it is its turn");
}

#[test]
fn a_worker_that_is_given_up_as_it_comes_ends_what_it_was_given() {
    let mut plan = serving();
    plan.reload(0);
    assert_eq!(plan.zygote_ended(2, 0), [Retire(3), ReloadFailed(2)]);
    assert!(plan.is_waiting(0));
    assert_eq!(plan.ready(3, 0), [], "the front's word was on its way");
    assert_eq!(plan.tick(KILL_AFTER_MS), []);
    assert_eq!(plan.ended(3, false, 1001), [Lost { worker: 3, killed_from_outside: false }]);
}

#[test]
fn a_worker_that_is_given_up_and_does_not_come_is_killed() {
    let mut plan = serving();
    plan.reload(0);
    plan.zygote_ended(2, 0);
    assert_eq!(plan.tick(KILL_AFTER_MS - 1), []);
    assert_eq!(plan.tick(KILL_AFTER_MS), [Kill(3)]);
}

#[test]
fn an_end_gives_nobody_more_time_who_comes_late() {
    let mut plan = serving();
    plan.reload(0);
    plan.zygote_ended(2, 0);
    plan.end(0);
    plan.ready(3, 1);
    assert_eq!(plan.tick(KILL_AFTER_MS), [Kill(1), Kill(2), Kill(3)]);
}

#[test]
fn a_replacement_that_hangs_is_made_good_by_one_other() {
    let mut plan = serving();
    assert_eq!(plan.leaving(1, 0), [Fork(1, 3)]);
    assert_eq!(plan.tick(60_000), [Retire(3), BootFailed(3)]);
    assert_eq!(plan.tick(60_100), [Fork(1, 4)]);
    assert_eq!(plan.tick(61_000), [Kill(3)]);
    assert_eq!(plan.ended(3, true, 61_001), [Lost { worker: 3, killed_from_outside: false }]);
    assert_eq!(plan.ready(4, 61_002), [Retire(1)]);
}
