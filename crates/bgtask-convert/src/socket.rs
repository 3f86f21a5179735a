//! Sockets that apps hand over, between wire and core.

use std::collections::HashMap;
use std::time::Duration;

use bgtask_core::{
    AppId, Details, NewSocket, Request, Socket, SocketActivityConnectedStandbyAction, SocketKey, SocketKind,
    SocketState, TaskId,
};
use bgtask_wire::{SocketInfo, TransferOptions};
use zbus::{OwnedVariant, Variant};

/// The request to hand a socket over.
pub fn transfer_request(
    app: AppId,
    task: TaskId,
    id: String,
    (key, kind, again): (SocketKey, SocketKind, Option<SocketKey>),
    options: TransferOptions,
) -> Request {
    use SocketActivityConnectedStandbyAction as Action;
    let new = NewSocket {
        key,
        task,
        id,
        kind,
        context: Details(options.context.unwrap_or_default().into()),
        keep_alive: options.keep_alive.map(Duration::from_micros),
        action: if options.wake == Some(true) { Action::Wake } else { Action::DoNotWake },
        again,
    };
    Request::TransferSocket(app, new)
}

/// A socket as the contract describes it.
pub fn socket_info(socket: &Socket) -> SocketInfo {
    let state = match socket.state {
        SocketState::Watched => "watched",
        SocketState::Told { held: true, .. } => "told",
        SocketState::Told { held: false, .. } => "lost",
        SocketState::Taken | SocketState::Kept | SocketState::Gone => "kept",
    };
    SocketInfo {
        app: socket.app.to_string(),
        id: socket.id.to_string(),
        task: socket.task.to_string(),
        kind: socket.kind.number(),
        context: socket.context.0.to_vec(),
        state: state.to_owned(),
        keep_alive: socket.keep_alive.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
    }
}

/// What the task of a socket hears of it (`SocketActivityTriggerDetails`): `reason` and `kind` (u), `id` (s), `context` (ay), and
/// whether the broker has `lost` the socket (b).
pub(crate) fn socket_details(socket: &Socket) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let reason = socket.state.reason().map_or(0, |reason| reason.number());
    let fields: [(&str, Variant<'static>); 5] = [
        ("reason", reason.into()),
        ("kind", socket.kind.number().into()),
        ("id", socket.id.to_string().into()),
        ("context", socket.context.0.to_vec().into()),
        ("lost", (!socket.state.is_held()).into()),
    ];
    fields.into_iter().map(|(name, value)| Ok((name.to_owned(), OwnedVariant::try_from(value)?))).collect()
}
