//! A bare hyper server in a process of its own: what connections cost at least.

use std::convert::Infallible;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;

use crate::crowd;
use crate::fleet::eventually;

/// Where the process that is the server writes its port. Only that process has it.
const PORT_FILE: &str = "LYGER_CHAOS_BARE_PORT_FILE";

/// The process; it ends with this value, and with the one that started it.
pub(crate) struct Bare {
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Bare {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bare::a_bare_server_answers_as_the_application_does"])
            .env(PORT_FILE, &file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut bare = Self { child, port: 0, _folder: folder };
        eventually("the bare server", || {
            bare.port = std::fs::read_to_string(&file).ok().and_then(|port| port.parse().ok()).unwrap_or(0);
            bare.port != 0
        });
        bare
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers `/big/TOKEN?times=N` as the application does, anything else with 200, when the request's body is here.
async fn answer(request: http::Request<hyper::body::Incoming>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let (parts, mut body) = request.into_parts();
    // Its bytes are copied together: each frame, however short, keeps the whole buffer alive that it was read into. Who goes
    // away in the middle gets no answer anyway.
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        frame.data_ref().into_iter().for_each(|data| bytes.extend_from_slice(data));
    }
    let token = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let times = parts.uri.query().and_then(|query| query.strip_prefix("times=")?.parse().ok()).unwrap_or(1);
    Ok(http::Response::new(Full::new(format!("{token}\n").repeat(times).into())))
}

fn serve(port_file: &Path) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]); // to its end, which is its parent's
        std::process::exit(0);
    });
    crowd::block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let new = port_file.with_extension("new");
        std::fs::write(&new, listener.local_addr().unwrap().port().to_string()).unwrap();
        std::fs::rename(&new, port_file).unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let service = hyper::service::service_fn(answer);
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(connection);
        }
    });
}

/// Is the server, and never returns, in the process that is to be one.
pub(crate) fn serve_if_told() {
    if let Some(port_file) = std::env::var_os(PORT_FILE) {
        serve(port_file.as_ref());
    }
}

#[test]
fn a_bare_server_answers_as_the_application_does() {
    serve_if_told();
    let bare = Bare::start();
    crowd::block_on(async {
        let mut stream = crowd::connect(bare.port, false).await.unwrap();
        for token in ["one", "another"] {
            crowd::ask_lines(&mut stream, token, 5_000, crowd::Pace::FULL).await.unwrap();
        }
    });
}
