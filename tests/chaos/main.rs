//! The promises of the fleet, each with a test that breaks something for real: processes are killed, code is replaced, clients
//! are slow, while requests run over real sockets.
//!
//! Tests assert outcomes: who got which answer, what is left running. `LYGER_CHAOS_SECONDS` is how long a test may go on (3
//! by default; `make chaos` runs the full lengths). One runs at a time.
//!
//! | promise | who holds it |
//! |---|---|
//! | **1** kill -9 of a worker every second for 60 s: no failed request, all workers back, no connection reset | `deaths::killed_workers_lose_no_idempotent_request`, `all_workers_killed_at_once_again_and_again_lose_no_idempotent_request` |
//! | a GET or HEAD is tried once more, everything else gets a 502 at once; a route can opt out | `deaths::a_killed_workers_get_is_run_once_more_and_its_post_is_refused_at_once`, `a_route_that_opted_out_is_refused_at_once_when_its_worker_is_killed` |
//! | with several under way in one worker each is treated by its own right (and promise 2) | `fibers::killed_with_several_under_way_each_is_treated_by_its_own_right`, `a_crash_of_one_costs_that_one_and_the_others_are_run_again` |
//! | what had not begun is nobody's loss | `deaths::what_a_killed_worker_had_not_begun_goes_to_another_whatever_it_is` |
//! | **2** a segfault, the memory limit, a fatal error cost one request: 500 or 502, no retry, never a third run | `deaths::a_handler_that_dies_costs_its_own_request_and_no_other` |
//! | `exit()` is as under FPM | `deaths::exit_is_as_under_fpm_wherever_it_is_called_and_keeps_its_worker`, `a_worker_bears_any_number_of_exits` |
//! | **3** a handler that loops or sleeps gets its 504 at the deadline; SIGTERM, a second later SIGKILL | `deadlines::a_handler_without_an_end_gets_a_504_and_its_worker_is_ended`, `a_client_that_goes_away_does_not_free_its_handler_from_the_deadline` |
//! | and so does one that hangs in a query | `end_to_end::fleet_sql::a_deadline_that_passes_amid_a_query_ends_the_worker_and_frees_its_connection` |
//! | what waits behind it is served, and the fleet comes back | `deadlines::what_waits_behind_an_endless_request_is_answered_by_another_worker`, `a_fleet_whose_workers_are_all_stuck_again_and_again_comes_back` |
//! | **4** 100 reloads in 60 s under load: no failed request, the new code runs | `reloads::a_hundred_reloads_under_load_lose_no_request_and_run_the_new_code`, `a_burst_of_reloads_ends_with_the_newest_code_and_loses_no_request` |
//! | new workers first, then the old are drained | `reloads::a_reload_waits_for_no_handler_and_the_old_worker_finishes_its_own` |
//! | code that doesn't boot: the old serves on, the error is shown in full | `reloads::code_that_does_not_boot_is_told_of_and_the_old_serves_on`, `a_reload_that_fails_after_its_first_worker_has_come_loses_no_request`, `an_application_that_never_booted_is_told_of_and_ends_with_4` |
//! | and so it does when the system has no descriptors left | `scarcity::without_descriptors_what_serves_goes_on_and_what_is_missing_comes_once_there_are_some` |
//! | `rawr reload`, `--watch` | `orders`, `watching` |
//! | **5** SIGTERM: accept no more, finish what runs, exit 0 | `drains::a_server_that_ends_refuses_connections_at_once_and_requests_with_a_word`, `an_end_under_load_answers_every_request_that_it_took`, `a_signal_to_the_whole_process_group_drains_like_one_to_the_master` |
//! | 1,000 slow responses in flight, none truncated | `drains::a_thousand_slow_responses_survive_the_end_of_the_server` (every byte is compared) |
//! | what it finishes is counted, what it cuts off is named | `drains::a_drain_says_how_much_it_finishes_and_names_what_it_does_not`, `of_many_requests_that_a_drain_cuts_off_it_names_some_and_counts_the_others`, `end_to_end::fleet_sql::a_query_that_outlives_the_drain_is_cut_off_and_named_whoever_waits_for_it` |
//! | 30 s, and not longer | `drains::what_takes_longer_than_the_drain_is_cut_off_and_told_of_and_nothing_is_left`, `a_second_signal_ends_at_once`; `reloads::an_end_in_the_middle_of_a_reload_is_an_end`, `drains::an_end_while_the_front_is_dead_is_an_end`, `a_zygote_that_hangs_keeps_no_server_from_its_end` |
//! | **6** at 50 requests each under load: no failures, the replacement starts first | `recycling::workers_that_have_served_enough_are_replaced_before_they_go`, `a_worker_whose_replacement_does_not_boot_serves_on` |
//! | jittered | `recycling::workers_that_began_together_do_not_leave_together` |
//! | `--max-memory` | `recycling::workers_that_grow_are_replaced_before_they_go` |
//! | **7** a bounded queue, past it 503 with Retry-After without touching PHP | `overload::past_the_queue_requests_are_refused_without_touching_php`, `clients_that_go_away_leave_room_for_others` |
//! | the wait of accepted requests stays below the deadline | `overload::under_overload_who_is_taken_is_served_in_time_and_who_is_refused_never_reaches_php`, `what_waits_longer_than_the_queues_deadline_is_refused_and_never_run` |
//! | **8** slow requests keep no others; the figures are the benches' | all of `head_of_line` |
//! | **9** 5,000 connections that send a byte a second and 5,000 that don't read: good clients are served, no worker waits, at most 1.2x a bare server's memory | `slow_clients::slow_clients_keep_no_worker_and_no_good_client_and_take_little_memory` |
//! | and they end at their deadlines; the number of connections is the system's to limit | `slow_clients::clients_that_are_too_slow_are_ended_at_their_deadlines`, `the_front_takes_as_many_connections_as_the_system_lets_it` |
//! | **10** state between requests, foreign tokens | `state::no_user_sees_a_token_of_another` |
//! | **11** 1% of each fault: all others right; descriptors and memory flat over 10 minutes | `faults::a_little_of_everything_going_wrong_harms_nothing_else_and_leaves_nothing`, `requests_between_faults_are_answered_whatever_their_method_while_code_and_processes_change` |
//! | random numbers of their own | `state::workers_draw_numbers_of_their_own_although_they_are_copies_of_one_process` |
//! | **12** front killed: back on the same sockets within a second, no orphan, no answer of the old front's requests | `fronts::a_killed_front_is_back_on_its_socket_within_a_second`, `a_killed_front_costs_connections_and_never_mixes_up_answers`, `an_answer_to_a_dead_fronts_request_reaches_nobody`, `who_connects_while_there_is_no_front_is_served_by_the_next` |
//! | workers and front find together again, or go | `fronts::a_worker_that_never_comes_back_to_a_new_front_is_replaced`, `a_worker_that_was_leaving_leaves_although_the_front_has_died` |
//! | a killed zygote costs no request, whenever it is killed | `fronts::a_killed_zygote_costs_nothing_and_workers_are_replaced_after_it`, `a_zygote_that_is_killed_as_it_forks_costs_nothing` |
//! | one that hangs costs no later reload | `fronts::a_zygote_that_hangs_as_it_forks_ends_when_its_reload_is_given_up` |
//! | when the master dies nothing stays behind | `fronts::when_the_master_is_killed_nothing_stays_behind`, `when_zygote_and_master_are_killed_together_nothing_stays_behind` |
//! | what all workers share is there for who comes | `shared_cache::all_workers_share_one_cache_which_outlives_workers_and_code`; killed writers: rust/cache/deaths_tests.rs |
//! | Redis clients have the workers' cache; a killed front or worker costs no value and no waiting connection | `redis::redis_clients_and_workers_share_one_cache_that_outlives_the_front`, `a_worker_that_is_killed_keeps_no_redis_client_from_writing` |
//! | what was saved is there again; what is missing is told | `redis::what_was_saved_at_the_end_is_there_after_the_next_start`, `an_address_that_cannot_be_had_is_told_by_the_exit_code`, `who_connects_to_a_server_that_has_drained_is_refused_at_once`, `a_worker_without_the_shared_cache_is_told_of` |
#![cfg(target_os = "linux")]

mod bare;
mod client;
mod crowd;
mod fleet;
#[path = "../support/front.rs"]
mod front;
mod load;
mod processes;
mod slow;

mod deadlines;
mod deaths;
mod drains;
mod faults;
mod fibers;
mod fronts;
mod head_of_line;
mod orders;
mod overload;
mod recycling;
mod redis;
mod reloads;
mod scarcity;
mod shared_cache;
mod slow_clients;
mod state;
mod tracing;
mod watching;

#[test]
fn the_table_of_promises_names_tests_that_exist() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let folders = ["chaos", "end_to_end"].map(|folder| tests.join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten().map(|file| file.path()));
    let sources: String =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).map(read).collect();
    let table = read(tests.join("chaos/main.rs"));
    let table = table.lines().filter(|line| line.starts_with("//! | "));
    let words = table.flat_map(|line| line.split('`').skip(1).step_by(2));
    // Other words between backticks are short.
    let names: Vec<&str> = words.filter_map(|word| word.rsplit("::").next()).filter(|name| name.len() > 20).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(sources.contains(&format!("fn {name}()")), "no test is called {name}");
    }
}
