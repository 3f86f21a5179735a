//! The launcher: confines itself and becomes the program of a task.
fn main() {
    bgtask_host::launcher::main()
}
