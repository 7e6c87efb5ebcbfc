//! X-Forwarded-* is believed from trusted proxies and from nobody else.

use crate::front_stage::Stage;

fn seen(config: &str, headers: &str) -> String {
    let stage = Stage::open(config);
    let answer = stage.exchange(format!("GET /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"));
    stage.close();
    answer.lines().find(|line| line.starts_with("http ") || line.starts_with("https ")).expect("a line").to_owned()
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let config = r#"{"trusted_proxies": ["127.0.0.0/8"]}"#;
    let headers = "X-Forwarded-For: 6.6.6.6, 203.0.113.7, 127.0.0.9\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(seen(config, headers), "https 203.0.113.7 0");
    assert_eq!(seen(config, ""), "http 127.0.0.1 1");
}

#[test]
fn nobody_else_does() {
    let headers = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(seen("{}", headers), "http 127.0.0.1 1");
    assert_eq!(seen(r#"{"trusted_proxies": ["10.0.0.0/8", "::1"]}"#, headers), "http 127.0.0.1 1");
}
