//! A server of its own: accepts connections, closes those that dawdle, and answers what is running before it ends.
//!
//! Not axum's `serve`, which sets no limit to the time that a request's head may take nor to the number of connections.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{ServeError, Service, router};

/// Longest time for the head of a request, and for a connection that is kept open without one.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Time beyond a request's own that answers have to reach their clients when the server ends.
const LAST_TIME: Duration = Duration::from_secs(5);
/// Time before the next connection where the system gives none for now.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound address and what is served there.
#[derive(Debug)]
pub struct Server {
    listener: StdListener,
    address: SocketAddr,
    service: Service,
    stop: Handle,
}

/// Ends a server from elsewhere, such as upon a signal.
#[derive(Debug, Clone)]
pub struct Handle {
    asked: Arc<Notify>,
    service: Service,
}

impl Handle {
    /// Takes no more connections, answers what is running, and lets [`Server::run`] return.
    pub fn stop(&self) {
        self.service.stop_soon();
        self.asked.notify_one();
    }
}

impl Server {
    /// Listens on an address; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// [`ServeError::Bind`] where the system does not let it.
    pub fn bind(host: &str, port: u16, service: Service) -> Result<Self, ServeError> {
        let refused = |source: io::Error| ServeError::Bind {
            address: match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            },
            source,
        };
        let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(refused)?.collect();
        let listener = StdListener::bind(&addresses[..]).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Self {
            address: listener.local_addr().map_err(refused)?,
            listener,
            stop: Handle {
                asked: Arc::default(),
                service: service.clone(),
            },
            service,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends it.
    pub fn handle(&self) -> Handle {
        self.stop.clone()
    }

    /// Serves until it is stopped, and then until all that was running is answered, or its time is over.
    ///
    /// # Errors
    ///
    /// The system gives no threads or no network.
    pub fn run(self) -> Result<(), ServeError> {
        let runtime = runtime().map_err(ServeError::Serve)?;
        let served = runtime.block_on(self.serve());
        // Reading of bodies that is still going on has nobody who waits for it.
        runtime.shutdown_timeout(Duration::from_millis(100));
        served.map_err(ServeError::Serve)
    }

    async fn serve(self) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let options = self.service.options();
        let room = Arc::new(Semaphore::new(options.connections));
        let last = options.timeout + LAST_TIME;
        let app = router(self.service.clone());
        let graceful = GracefulShutdown::new();
        loop {
            let next = async {
                let place = Arc::clone(&room).acquire_owned().await;
                (listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                next = next => next,
                () = self.stop.asked.notified() => break,
            };
            match (accepted, place) {
                (Ok((stream, _)), Ok(place)) => {
                    // An answer is one small write, which is not to wait for the client's acknowledgement of another.
                    let _ = stream.set_nodelay(true);
                    connection(TokioIo::new(stream), app.clone(), &graceful, place);
                }
                // The client has gone, or there are no more files; either passes.
                (Err(_), _) => tokio::time::sleep(PAUSE).await,
                (_, Err(_)) => break,
            }
        }
        drop(listener);
        let _ = tokio::time::timeout(last, graceful.shutdown()).await;
        Ok(())
    }
}

/// Whether a name or address means this machine alone, so that nobody else reaches what listens there.
pub fn is_loopback(host: &str) -> bool {
    let addresses = (host, 0).to_socket_addrs();
    addresses.is_ok_and(|mut all| all.all(|address| address.ip().is_loopback()))
}

fn connection(
    io: TokioIo<tokio::net::TcpStream>,
    app: Router,
    graceful: &GracefulShutdown,
    place: OwnedSemaphorePermit,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let connection = http.serve_connection(io, TowerToHyperService::new(app));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // A client that breaks off is its own affair.
        let _ = connection.await;
        drop(place);
    });
}

/// A few threads: requests wait most of the time, and what computes has threads of its own.
fn runtime() -> io::Result<Runtime> {
    let threads = available_parallelism().map_or(1, NonZero::get).min(4);
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("http")
        .enable_io()
        .enable_time()
        .build()
}
