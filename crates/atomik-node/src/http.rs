//! Serves `/health` and `/metrics`.

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::accept::Acceptor;
use crate::handle::Handle;
use crate::metrics;
use crate::newcomers::{Asked, Newcomers};
use crate::stop::StopSignal;

/// A node that does not answer within this time is not serving.
const PATIENCE: Duration = Duration::from_secs(2);

/// Simultaneous connections.
const CONNECTIONS: usize = 64;

/// How long a connection may take, from its first byte to its last. It serves one request.
const CONNECTION: Duration = Duration::from_secs(10);

/// The longest header in bytes.
const MAX_HEADER: usize = 16 * 1024;

/// How long open requests may take after the node has stopped.
const FAREWELL: Duration = Duration::from_secs(2);

/// The content type of [`metrics::text`].
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until the stop signal, then until open requests are answered.
pub(crate) async fn serve(listener: TcpListener, handle: Handle, mut stop: StopSignal) {
    let mut app = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(all_metrics))
        .with_state(handle);
    let local = listener.local_addr();
    if local.is_ok_and(|address| address.ip().to_canonical().is_loopback()) {
        app = app.layer(middleware::from_fn(only_this_machine));
    }
    let mut acceptor = Acceptor::new("HTTP");
    let mut open = Newcomers::new(CONNECTIONS);
    loop {
        tokio::select! {
            () = stop.wait() => break,
            _ = open.next() => {}
            (stream, _) = acceptor.next(|| listener.accept()) => {
                open.add(|asked| serve_one(stream, app.clone(), asked)).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(FAREWELL, open.finish()).await;
}

/// Serves one request.
async fn serve_one(stream: TcpStream, app: Router, asked: Asked) {
    let app = TowerToHyperService::new(app);
    let app = service_fn(move |request| {
        asked.set();
        app.call(request)
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(stream), app);
    // A client that sends no request, or does not read its answer, is not worth a log line.
    let _ = timeout(CONNECTION, connection).await;
}

/// Refuses requests for a name that is not this machine's: a page in a browser can make its own
/// name point here, and would then be allowed to read the answers.
async fn only_this_machine(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let named = hosts.all(|host| host.to_str().is_ok_and(is_this_machine));
    let aimed = request.uri().host().is_none_or(is_this_machine);
    if named && aimed {
        return next.run(request).await;
    }
    let next = "ask for the address of this node, or for localhost\n";
    (StatusCode::MISDIRECTED_REQUEST, next).into_response()
}

/// Whether a host of a request, with or without a port, is an address or localhost.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// 200 if the node answers, even without peers: an isolated node still serves. 503 if it does not
/// answer, or accepts no more changes.
async fn health(State(handle): State<Handle>) -> Response {
    let health = handle.query(|state| {
        if let Some(reason) = state.stopped_text() {
            return Err(reason);
        }
        Ok(json!({
            "serving": true,
            "origin": state.replica.origin().to_string(),
            "peers": state.peers.list.len(),
            "in_sync": state.peers.in_sync(),
            "unflushed": state.replica.unflushed(),
            "engine_open": state.link.is_open(),
        }))
    });
    match timeout(PATIENCE, health).await {
        Ok(Ok(Ok(health))) => (StatusCode::OK, axum::Json(health)).into_response(),
        Ok(Ok(Err(reason))) => not_serving(&reason),
        Ok(Err(error)) => not_serving(&error.to_string()),
        Err(_) => not_serving("the node does not answer"),
    }
}

fn not_serving(reason: &str) -> Response {
    let body: Json = json!({"serving": false, "reason": reason});
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

async fn all_metrics(State(handle): State<Handle>) -> Response {
    match timeout(PATIENCE, handle.query(|state| metrics::text(state))).await {
        Ok(Ok(Ok(text))) => ([(header::CONTENT_TYPE, METRICS)], text).into_response(),
        Ok(Ok(Err(_))) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
