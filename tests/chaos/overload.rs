//! Promise 7: more requests than can be served are refused early, and those that are taken are served in time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::fleet::{Fleet, eventually, length};

fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn past_the_queue_requests_are_refused_without_touching_php() {
    let fleet = Fleet::serve(2, &["--queue-max=8", "--queue-timeout-ms=60000"]);
    let holding = ["one", "two"].map(|token| {
        let holding = fleet.ask_meanwhile("GET", format!("/hold/{token}"));
        eventually("a held request", || fleet.noted(token).len() == 1);
        holding
    });
    // In the order of their coming: eight wait, whether in the queue or in the lanes, and the others are refused.
    let mut waiting = Vec::new();
    let mut refused = 0;
    for number in 0..30 {
        let mut client = fleet.client();
        let request = format!("POST /job/w{number} HTTP/1.1\r\nHost: chaos\r\nContent-Length: 1\r\n\r\n1");
        client.send(request.as_bytes()).unwrap();
        if number < 8 {
            // Two turns of the front's: what came before has been taken.
            (0..2).for_each(|_| drop(fleet.get("/health").unwrap()));
            waiting.push((number, client));
            continue;
        }
        let reply = client.reply("POST").unwrap();
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "number {number}: {}", reply.text());
        assert!(fleet.noted(&format!("w{number}")).is_empty(), "PHP has seen none of it");
        refused += 1;
    }
    assert_eq!((waiting.len(), refused), (8, 22));
    fleet.release("one");
    fleet.release("two");
    for (number, mut client) in waiting {
        assert!(client.reply("POST").unwrap().text().starts_with(&format!("w{number} ")));
    }
    holding.into_iter().for_each(|holding| assert_eq!(holding.join().unwrap().unwrap().status, 200));
    fleet.finish();
}

#[test]
fn what_waits_longer_than_the_queues_deadline_is_refused_and_never_run() {
    let fleet = Fleet::serve(2, &["--queue-timeout-ms=300"]);
    let holding = ["one", "two"].map(|token| {
        let holding = fleet.ask_meanwhile("GET", format!("/hold/{token}"));
        eventually("a held request", || fleet.noted(token).len() == 1);
        holding
    });
    // Some of them in the workers' lanes, the others in the queue.
    let waiting: Vec<_> = (0..20).map(|number| fleet.ask_meanwhile("GET", format!("/job/w{number}"))).collect();
    for waiting in waiting {
        let reply = waiting.join().unwrap().unwrap();
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    }
    fleet.release("one");
    fleet.release("two");
    holding.into_iter().for_each(|holding| assert_eq!(holding.join().unwrap().unwrap().status, 200));
    assert_eq!(fleet.get("/job/after").unwrap().status, 200);
    for number in 0..20 {
        assert!(fleet.noted(&format!("w{number}")).is_empty(), "number {number} was run all the same");
    }
    fleet.finish();
}

#[test]
fn under_overload_who_is_taken_is_served_in_time_and_who_is_refused_never_reaches_php() {
    // Eighty clients without a pause, for two workers that do ten requests a second: without a deadline each would wait for
    // eight seconds.
    let fleet = Fleet::serve(2, &["--queue-max=70", "--queue-timeout-ms=700"]);
    let answers = Arc::new(Mutex::new((0_usize, 0_usize, 0_f64)));
    let until = Instant::now() + length(60);
    let clients: Vec<_> = (0..80)
        .map(|client| {
            let (mut connection, answers) = (fleet.client(), Arc::clone(&answers));
            std::thread::spawn(move || {
                for number in 0.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let (token, asked) = (format!("c{client}n{number}"), seconds_now());
                    let reply = connection.ask("GET", &format!("/job/{token}?us=200000"), b"").unwrap();
                    let mut answers = answers.lock().unwrap();
                    if reply.status == 200 {
                        let text = reply.text();
                        let (whose, began) = text.split_once(' ').unwrap();
                        assert_eq!(whose, token);
                        answers.0 += 1;
                        answers.2 = answers.2.max(began.parse::<f64>().unwrap() - asked);
                        continue;
                    }
                    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{}", reply.text());
                    answers.1 += 1;
                    drop(answers);
                    std::thread::sleep(Duration::from_millis(20)); // it was asked to come back later
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let (served, refused, longest) = *answers.lock().unwrap();
    assert!(served > 5 && refused > 5, "{served} served, {refused} refused");
    assert_eq!(fleet.noted("work").len(), served, "PHP has seen those that were served and no others");
    // Far more than the deadline and the machine's whims take, and less than who waits without one.
    assert!(longest < 5.0, "somebody waited for {longest} seconds");
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn clients_that_go_away_leave_room_for_others() {
    let fleet = Fleet::serve(1, &["--queue-max=10", "--queue-timeout-ms=60000"]);
    let held = fleet.ask_meanwhile("GET", "/hold/held".to_owned());
    eventually("a held request", || fleet.noted("held").len() == 1);
    for round in 0..20 {
        for number in 0..10 {
            let mut client = fleet.client();
            client.send(format!("GET /job/gone{round}x{number} HTTP/1.1\r\nHost: chaos\r\n\r\n").as_bytes()).unwrap();
            client.reset();
        }
    }
    // Two turns of the front's, in which it hears that they have gone.
    (0..2).for_each(|_| drop(fleet.get("/health").unwrap()));
    let waiting = fleet.ask_meanwhile("GET", "/echo/stays?q=q".to_owned());
    fleet.release("held");
    assert_eq!(held.join().unwrap().unwrap().status, 200);
    assert_eq!(waiting.join().unwrap().unwrap().text(), "stays q none");
    fleet.await_whole();
    assert!(fleet.noted("work").len() < 20, "who has gone is not served: {}", fleet.noted("work").len());
    fleet.finish();
}
