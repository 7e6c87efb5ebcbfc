//! The engine's own routes: `/health`, and what an application leaves to the engine.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::super::joint::Joint;
use super::{refusal, reply};

/// Whether the engine answers this request itself, before the application is asked.
pub(super) fn is_engines(method: &Method, path: &str) -> bool {
    path == "/health" && (method == Method::GET || method == Method::HEAD)
}

/// The routes as axum has them.
pub(super) fn engine_routes(joint: Arc<Joint>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/", get(root))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .with_state(joint)
}

/// Asks the engine's routes.
pub(super) async fn answer(routes: Router, method: Method, path: &str) -> reply::Draft {
    let mut request = Request::new(axum::body::Body::empty());
    *request.method_mut() = method;
    let Ok(uri) = path.parse() else { return reply::error(404) };
    *request.uri_mut() = uri;
    let Ok(response) = routes.oneshot(request).await;
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => http::Response::from_parts(parts, body.to_bytes()),
        Err(_) => reply::error(500),
    }
}

async fn health(State(joint): State<Arc<Joint>>) -> Response {
    let (status, body) = joint.health();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, Bytes::from(body.to_string())).into_response()
}

async fn root() -> Response {
    let body = serde_json::json!({
        "framework": "Lyger",
        "version": env!("CARGO_PKG_VERSION"),
        "message": "Hello from Rust! 🦀",
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn nothing() -> Response {
    let body = refusal::body(404, refusal::message(404));
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
