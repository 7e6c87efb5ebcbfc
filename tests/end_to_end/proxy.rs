//! A proxy between the engine and a database that does to their bytes what networks do.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done to a connection from its begin.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Plan {
    /// Cut both ways once so many bytes have come from the server.
    pub(crate) cut_down_after: Option<usize>,
    /// Cut both ways once so many bytes have gone to the server.
    pub(crate) cut_up_after: Option<usize>,
    /// Hand on nothing of what the server says after so many bytes, and keep the connection.
    pub(crate) silent_after: Option<usize>,
    /// Hand on byte by byte.
    pub(crate) trickles: bool,
    /// Wait before each piece.
    pub(crate) delay: Duration,
}

/// A listening proxy; it ends with the test's process.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    plan: Mutex<Plan>,
    refuses: AtomicBool,
    /// Both ends of what is open, by the connection's number.
    open: Mutex<HashMap<usize, [TcpStream; 2]>>,
}

impl Proxy {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { plan: Mutex::default(), refuses: AtomicBool::new(false), open: Mutex::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
                if !shared.refuses.load(Ordering::SeqCst) {
                    serve(&shared, number, client, server);
                }
            }
        });
        Self { port, state }
    }

    /// The plan for connections from now on.
    pub(crate) fn plan(&self, plan: Plan) {
        *self.state.plan.lock().unwrap() = plan;
    }

    /// The server is gone: what is open is cut, and who connects is cut at once.
    pub(crate) fn go(&self) {
        self.state.refuses.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// The server is back.
    pub(crate) fn come_back(&self) {
        self.state.refuses.store(false, Ordering::SeqCst);
    }

    /// Cuts what is open.
    pub(crate) fn cut(&self) {
        for (_, streams) in self.state.open.lock().unwrap().drain() {
            for stream in streams {
                let _ = stream.shutdown(Shutdown::Both); // it may be gone
            }
        }
    }
}

fn serve(state: &Arc<State>, number: usize, client: TcpStream, server: SocketAddr) {
    let Ok(upstream) = TcpStream::connect(server) else { return };
    let plan = *state.plan.lock().unwrap();
    for stream in [&client, &upstream] {
        stream.set_nodelay(true).unwrap();
    }
    let ends = [client.try_clone().unwrap(), upstream.try_clone().unwrap()];
    state.open.lock().unwrap().insert(number, ends);
    let up = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
    std::thread::spawn(move || pass(up.0, up.1, plan.cut_up_after, None, Plan { trickles: false, ..plan }));
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        pass(upstream, client, plan.cut_down_after, plan.silent_after, plan);
        state.open.lock().unwrap().remove(&number);
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream, cut_after: Option<usize>, silent_after: Option<usize>, plan: Plan) {
    let mut passed = 0;
    let mut buffer = [0; 4096];
    while let Ok(len) = from.read(&mut buffer) {
        if len == 0 {
            break;
        }
        let room = cut_after.map_or(len, |cut| cut.saturating_sub(passed).min(len));
        let heard = silent_after.map_or(room, |silent| silent.saturating_sub(passed).min(room));
        let step = if plan.trickles { 1 } else { heard.max(1) };
        for piece in buffer[..heard].chunks(step) {
            std::thread::sleep(plan.delay);
            if to.write_all(piece).is_err() {
                return;
            }
        }
        passed += len;
        if cut_after.is_some_and(|cut| passed >= cut) {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)); // either may be gone
}
