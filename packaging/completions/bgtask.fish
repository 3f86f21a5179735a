# The program completes itself: it knows its commands, and asks the broker for tasks and apps.
COMPLETE=fish bgtask | source
