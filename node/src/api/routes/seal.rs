//! The keys that seal gossip, changed while the node runs.

use crate::api::App;
use crate::api::extract::Json;
use crate::api::problem::{Kind, Problem};
use crate::seal::{Key, KeyId, Keyring, KeysError};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct SealKey {
    /// Its identity: a fingerprint.
    id: String,
    /// Whether it seals what this node sends. All keys open what arrives.
    seals: bool,
}

/// The keys of a node.
#[derive(Serialize, ToSchema)]
pub(crate) struct SealKeys {
    keys: Vec<SealKey>,
}

fn keyring(app: &App) -> Result<Keyring, Problem> {
    app.config.keyring.clone().ok_or_else(|| {
        Problem::new(Kind::NotFound, "the gossip of this node is not sealed")
            .next("Start the node with `seal = true` to have keys.")
    })
}

fn id(text: &str) -> Result<KeyId, Problem> {
    KeyId::parse(text).ok_or_else(|| {
        Problem::new(Kind::Invalid, format!("`{text}` is no identity of a key; nothing was changed"))
            .next("`GET /v1/keys` lists the keys of this node.")
    })
}

impl From<KeysError> for Problem {
    fn from(error: KeysError) -> Self {
        let kind = match error {
            KeysError::Missing(_) => Kind::NotFound,
            KeysError::Io { .. } => Kind::Internal,
            _ => Kind::Invalid,
        };
        Self::new(kind, format!("{error}; nothing was changed"))
    }
}

/// Changes the keyring where writing to disk holds nobody up.
async fn change<T: Send + 'static>(
    app: &App,
    change: impl FnOnce(&Keyring) -> Result<T, KeysError> + Send + 'static,
) -> Result<T, Problem> {
    let keyring = keyring(app)?;
    let changed = tokio::task::spawn_blocking(move || change(&keyring)).await;
    let changed = changed.map_err(|_| Problem::new(Kind::Internal, "the keyring was not changed"))?;
    changed.map_err(Problem::from)
}

/// The identities of the keys that seal gossip.
#[utoipa::path(
    get, path = "/v1/keys", tag = "seal", security(("token" = [])),
    responses((status = 200, body = SealKeys), (status = 404, body = Problem))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<axum::Json<SealKeys>, Problem> {
    let ids = keyring(&app)?.ids();
    let keys =
        ids.iter().enumerate().map(|(at, id)| SealKey { id: id.to_string(), seals: at == 0 }).collect();
    Ok(axum::Json(SealKeys { keys }))
}

/// A key to install.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// The key, as `heck keys generate` prints it. It is a secret: send it over loopback or TLS.
    key: String,
}

/// Adds a key, which opens from now on. To change keys without a break: install the new one on all nodes, use it on
/// all, remove the old one from all.
#[utoipa::path(
    post, path = "/v1/keys", tag = "seal", request_body = NewKey, security(("token" = [])),
    responses((status = 201, body = SealKey), (status = 422, body = Problem))
)]
pub(crate) async fn install(
    State(app): State<App>,
    Json(given): Json<NewKey>,
) -> Result<(StatusCode, axum::Json<SealKey>), Problem> {
    // The error does not repeat the key.
    let key = Key::parse(given.key.trim())
        .map_err(|error| Problem::new(Kind::Invalid, format!("`key`: {error}; nothing was changed")))?;
    let id = change(&app, move |keyring| keyring.install(key)).await?;
    let seals = keyring(&app)?.ids().first() == Some(&id);
    Ok((StatusCode::CREATED, axum::Json(SealKey { id: id.to_string(), seals })))
}

/// Seals with this key from now on. Every node should have it by then.
#[utoipa::path(
    post, path = "/v1/keys/{id}/use", tag = "seal", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 204), (status = 404, body = Problem))
)]
pub(crate) async fn use_key(State(app): State<App>, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id = id(&text)?;
    change(&app, move |keyring| keyring.use_key(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens nothing with this key any more. No node should seal with it by then.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "seal", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem))
)]
pub(crate) async fn remove(State(app): State<App>, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id = id(&text)?;
    change(&app, move |keyring| keyring.remove(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
