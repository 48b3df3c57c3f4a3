//! `kill -9` of the scheduler, then of a worker, at each step of the life of a task: the task
//! completes, no stake is lost, and the app runs no more often than needed.
//!
//! The steps are the failpoints that the binaries list. A process dies at one, is started again and
//! dies at another that comes later in the same task's life, until a whole task has gone by; what
//! lies on the way of no good task has scenarios of its own, and so has the settlement lane. Every
//! point listed must be reached.

mod containers;
mod fleet;
mod lane;
mod mortal;
mod points;
mod scheduler;
mod worker;
