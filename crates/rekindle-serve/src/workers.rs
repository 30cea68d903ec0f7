//! Threads that do one job after another. Owns their start, their end, and that a job that panics ends no thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::ServeError;

type Job = Box<dyn FnOnce() + Send>;

/// A number of threads with one queue, which has no bound of its own: whoever adds a job holds a place for it.
#[derive(Debug)]
pub(crate) struct Workers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// The system starts no more threads.
    pub fn start(name: &str, count: usize) -> Result<Self, ServeError> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let start = |_| {
            let queue = Arc::clone(&queue);
            let thread = Builder::new().name(name.into());
            thread.spawn(move || work(&queue))
        };
        let threads = (0..count).map(start).collect::<Result<_, _>>();
        Ok(Self {
            jobs: Some(jobs),
            threads: threads.map_err(ServeError::Thread)?,
        })
    }

    /// Adds a job. It is dropped where the threads are gone.
    pub fn add(&self, job: impl FnOnce() + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Box::new(job));
        }
    }
}

impl Drop for Workers {
    /// Waits for the jobs that are left.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else {
            return;
        };
        // Whoever waits for the job sees that its sender is gone.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_jobs_are_done_before_the_threads_end_and_none_ends_them() {
        let done = Arc::new(AtomicUsize::new(0));
        let workers = Workers::start("test", 2).unwrap();
        for number in 0..100 {
            let done = Arc::clone(&done);
            workers.add(move || {
                done.fetch_add(1, Ordering::SeqCst);
                if number % 10 == 0 {
                    std::panic::resume_unwind(Box::new("a mistake"));
                }
            });
        }
        drop(workers);
        assert_eq!(done.load(Ordering::SeqCst), 100);
    }
}
