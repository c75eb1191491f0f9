//! Serves `/health` and `/metrics`.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::actor::{Handle, stopped};
use crate::metrics;

/// A node that does not answer for so long is not serving.
const PATIENCE: Duration = Duration::from_secs(2);

/// What open requests have once the node stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// The type of the text format that [`metrics`] writes.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) async fn serve(listener: TcpListener, handle: Handle, mut stop: watch::Receiver<bool>) {
    let app = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(all_metrics))
        .with_state(handle);
    let mut stopping = stop.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stopped(&mut stop).await;
    });
    let farewell = async {
        stopped(&mut stopping).await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        served = server => if let Err(error) = served {
            tracing::error!(%error, "HTTP is not served any more");
        },
        () = farewell => {}
    }
}

/// 200 if the node answers, whether or not it has peers: one that is cut off serves, too. Else 503.
async fn health(State(handle): State<Handle>) -> Response {
    let look = handle.look(|inside| {
        json!({
            "serving": true,
            "origin": inside.replica.origin().to_string(),
            "peers": inside.peers.len(),
            "in_sync": inside.peers_in_sync(),
            "unflushed": inside.replica.unflushed(),
            "engine_open": inside.link.is_open(),
        })
    });
    match timeout(PATIENCE, look).await {
        Ok(Ok(health)) => (StatusCode::OK, axum::Json(health)).into_response(),
        Ok(Err(error)) => not_serving(&error.to_string()),
        Err(_) => not_serving("the node does not answer"),
    }
}

fn not_serving(reason: &str) -> Response {
    let body: Json = json!({"serving": false, "reason": reason});
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

async fn all_metrics(State(handle): State<Handle>) -> Response {
    match timeout(PATIENCE, handle.look(|inside| metrics::text(inside))).await {
        Ok(Ok(Ok(text))) => ([(header::CONTENT_TYPE, METRICS)], text).into_response(),
        Ok(Ok(Err(_))) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
