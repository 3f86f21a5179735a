//! Sockets, push messages and the orders of a fleet.

use super::*;

pub(super) fn sockets() -> Vec<Socket> {
    let told = SocketActivityTriggerReason::ALL.iter().map(|reason| SocketState::Told { reason: *reason, held: true });
    let lost = SocketState::Told { reason: SocketActivityTriggerReason::SocketClosed, held: false };
    let states =
        [SocketState::Watched, SocketState::Taken, SocketState::Kept, SocketState::Gone, lost].into_iter().chain(told);
    let socket = |(number, state)| Socket {
        key: SocketKey(number),
        app: app_id(),
        task: TASK,
        id: format!("chat {number}").into(),
        kind: SocketKind::ALL[number as usize % 3],
        context: Details([0, 255].into()),
        keep_alive: (number == 1).then_some(Duration::from_secs(60)),
        due: (number == 1).then_some(WALL),
        action: SocketActivityConnectedStandbyAction::DoNotWake,
        state,
    };
    (1..).zip(states).map(socket).collect()
}

pub(super) fn new_socket() -> NewSocket {
    NewSocket {
        key: SocketKey(5),
        task: TASK,
        id: "chat".into(),
        kind: SocketKind::StreamSocket,
        context: Details([1, 2].into()),
        keep_alive: Some(Duration::from_secs(60)),
        action: SocketActivityConnectedStandbyAction::Wake,
        again: Some(SocketKey(4)),
    }
}

pub(super) fn channel() -> PushChannel {
    PushChannel { app: app_id(), uri: Some("mqtt://h/bgtask/m/a".into()), expires: WALL }
}

pub(super) fn pushes() -> Vec<Push> {
    vec![Push { line: Some(details()), ticket: Some(PushTicket(7)) }, Push { line: None, ticket: None }]
}

pub(super) fn order_id() -> OrderId {
    OrderId::new("3f2a").unwrap()
}

pub(super) fn new_order() -> NewOrder {
    let (task, spread) = ("backup".into(), Duration::from_secs(600));
    NewOrder {
        id: order_id(),
        app: app_id(),
        task,
        spread,
        opened: true,
        reply: Some("a 00".into()),
        ticket: PushTicket(7),
    }
}

pub(crate) fn fleet_orders() -> Vec<FleetOrder> {
    let order = |(number, state): (usize, OrderState)| FleetOrder {
        id: OrderId::new(&format!("3f2a-{number}")).unwrap(),
        app: app_id(),
        task: "backup".into(),
        at: WALL,
        share: Duration::from_secs(7),
        opened: true,
        reply: Some("a 00".into()),
        state,
        came_of: None,
    };
    let result = |result| OrderState::Answering { at: WALL, result };
    let states = [
        OrderState::Held { due: WALL },
        OrderState::Fired(INSTANCE),
        result(OrderResult::Ran(Outcome::Succeeded)),
        result(OrderResult::Refused("it is not there".into())),
        result(OrderResult::Dropped),
        OrderState::Over,
    ];
    states.into_iter().enumerate().map(order).collect()
}
