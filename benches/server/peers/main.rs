//! `peer axum|hyper|ntex PORT`: `/plaintext` by one thread, as the documents of each say it is done best.

use std::convert::Infallible;
use std::io;

use axum::serve::ListenerExt;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const BODY: &str = "Hello, World!";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, peer, port] = &arguments[..] else { return Err(io::Error::other("usage: peer axum|hyper|ntex PORT")) };
    let port = port.parse().map_err(io::Error::other)?;
    match peer.as_str() {
        "axum" => on_one_thread(serve_axum(port)),
        "hyper" => on_one_thread(serve_hyper(port)),
        "ntex" => serve_ntex(port),
        other => Err(io::Error::other(format!("no peer is called {other}"))),
    }
}

fn on_one_thread(serve: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve)
}

async fn serve_axum(port: u16) -> io::Result<()> {
    let router = axum::Router::new().route("/plaintext", axum::routing::get(|| async { BODY }));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await
}

/// With an accept loop of its own and `pipeline_flush`, without which pipelined answers leave one by one.
async fn serve_hyper(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = hyper::service::service_fn(|_| async {
            let response = hyper::Response::builder().header("content-type", "text/plain");
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(BODY.as_bytes()))).expect("it is valid"))
        });
        let mut connections = hyper::server::conn::http1::Builder::new();
        tokio::task::spawn_local(connections.pipeline_flush(true).serve_connection(TokioIo::new(stream), service));
    }
}

fn serve_ntex(port: u16) -> io::Result<()> {
    use ntex::web;
    ntex::rt::System::new("peer").block_on(async move {
        let answer = || async { web::HttpResponse::Ok().content_type("text/plain").body(BODY) };
        web::server(move || web::App::new().route("/plaintext", web::get().to(answer)))
            .workers(1)
            .bind(("127.0.0.1", port))?
            .run()
            .await
    })
}
