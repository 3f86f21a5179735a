//! The child's whole life before it is the program.

use std::ffi::{CStr, CString, c_char, c_int};

use super::step::{Step, errno, perform};

/// What the child reads, from the parent's memory.
pub(super) struct Plan<'a> {
    pub(super) steps: &'a [Step<'a>],
    pub(super) programs: &'a [CString],
    pub(super) args: *const *const c_char,
    pub(super) env: *const *const c_char,
    /// The arguments of a shell, with a gap for the script; null if there is no shell.
    pub(super) shell: *mut *const c_char,
    /// Where it writes what failed if it cannot execute; closed by `execve`.
    pub(super) excuse: c_int,
}

/// What failed, and the errno.
pub(super) type Excuse = [u32; 2];

/// The child's whole life before it is the program.
pub(super) extern "C" fn become_program(plan: *const Plan<'_>) -> ! {
    // SAFETY: `plan` and all that it points to outlive this function, because the parent is
    // stopped, or because this is a copy of its memory. Nothing else uses it meanwhile.
    let plan = unsafe { &*plan };
    let excuse = excuse_of(plan);
    // SAFETY: async-signal-safe calls on valid arguments.
    unsafe {
        libc::write(plan.excuse, excuse.as_ptr().cast(), size_of::<Excuse>());
        libc::_exit(crate::launcher::FAILED)
    }
}

/// Returns only if the child cannot become the program.
fn excuse_of(plan: &Plan<'_>) -> Excuse {
    let mut place = 0;
    for step in plan.steps {
        if let Err(errno) = perform(step, plan.excuse) {
            return [place, errno.cast_unsigned()];
        }
        place += 1;
    }
    let mut telling = [place, libc::ENOENT.cast_unsigned()];
    for program in plan.programs {
        let errno = execute(program, plan);
        match errno {
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            // One further down the path may do.
            libc::EACCES => telling = [place, errno.cast_unsigned()],
            _ => return [place, errno.cast_unsigned()],
        }
        place += 1;
    }
    telling
}

fn execute(program: &CStr, plan: &Plan<'_>) -> c_int {
    // SAFETY: the arrays and what they point to are valid and end with a null. The gap in the shell's arguments is theirs
    // at 1, and only this child uses it.
    unsafe {
        libc::execve(program.as_ptr(), plan.args, plan.env);
        if errno() == libc::ENOEXEC && !plan.shell.is_null() {
            *plan.shell.add(1) = program.as_ptr();
            libc::execve(*plan.shell, plan.shell, plan.env);
        }
    }
    errno()
}
