use bgtask_core::Refusal;
use bgtask_wire::ErrorKind;

/// Whose fault a refusal is, in the words of the contract.
pub const fn error_kind(refusal: &Refusal) -> ErrorKind {
    match refusal {
        Refusal::UnknownApp(_) => ErrorKind::UnknownApp,
        Refusal::UnknownTask(_) | Refusal::NotRunning(_) => ErrorKind::UnknownTask,
        Refusal::UnknownApplication(..) | Refusal::InvalidArgument(_) | Refusal::NotACommand(_) => {
            ErrorKind::InvalidArgument
        }
        Refusal::EntryPointNotDeclared { .. }
        | Refusal::TaskTypeNotDeclared { .. }
        | Refusal::ClassNotDeclared { .. }
        | Refusal::NoProgram(_) => ErrorKind::NotDeclared,
        Refusal::MayNotRaise { .. } | Refusal::OnlyForCommands(_) => ErrorKind::AccessDenied,
        Refusal::NotSupported { .. } => ErrorKind::NotSupported,
        Refusal::NameTaken(_) => ErrorKind::NameTaken,
        Refusal::LimitReached(_) => ErrorKind::LimitReached,
        Refusal::SocketIdTaken(_) => ErrorKind::SocketIdTaken,
        Refusal::UnknownSocket(_) => ErrorKind::SocketNotFound,
        Refusal::SocketInUse(_) => ErrorKind::SocketInUse,
        Refusal::Stopping => ErrorKind::StoreUnavailable,
    }
}
