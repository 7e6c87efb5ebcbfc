//! `--io blocking`: as many clients at once as there are threads; the others are told.

use lyger::resp::Io;

use crate::servers::Lyger;

#[test]
fn as_many_clients_as_threads_are_served_and_the_others_told_so() {
    let lyger = Lyger::with(|settings| settings.io = Io::Blocking);
    let (mut one, mut two) = (lyger.client(), lyger.client());
    assert_eq!((one.say("SET k v"), two.say("GET k")), ("+OK\r\n".to_owned(), "$1\r\nv\r\n".to_owned()));
    let refused = String::from_utf8(lyger.client().reply()).unwrap();
    assert!(
        refused.starts_with("-ERR max number of clients reached: --io blocking serves one client a thread"),
        "{refused}"
    );
    assert!(one.say("SUBSCRIBE c").starts_with("-ERR channels are not possible with --io blocking"));
    let large = "v".repeat(3_000_000);
    assert_eq!(one.say(&format!("SET k {large}")), "+OK\r\n");
    assert_eq!(two.say("STRLEN k"), ":3000000\r\n");
    assert_eq!(two.say("QUIT"), "+OK\r\n");
    assert_eq!(two.reply(), b"");
    // Its thread has to notice first.
    let served = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        lyger.client().say_if_served("PING") == "+PONG\r\n"
    });
    assert!(served, "a thread whose client has left serves the next");
    assert_eq!(one.say("PING"), "+PONG\r\n");
    // Ends although a client is there and silent.
    lyger.server.stop().unwrap();
    assert_eq!(one.reply(), b"");
}

#[test]
fn an_idle_client_leaves_its_thread_to_the_next_where_that_is_asked_for() {
    let lyger = Lyger::with(|settings| {
        settings.io = Io::Blocking;
        settings.threads = 1;
        settings.idle_timeout_s = 1;
    });
    let mut idle = lyger.client();
    assert_eq!(idle.say("PING"), "+PONG\r\n");
    assert_eq!(idle.reply(), b"", "the connection has ended");
}
