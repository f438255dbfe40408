//! Work beside ours: tasks, which only this crate and the binaries start.

use tokio::task::JoinHandle;

/// A task that is dropped where it is when this is dropped.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Starts `work`.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Whether it has ended, also by a panic.
    pub fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    /// Ready once it has ended. Cancel safe, the task goes on.
    pub async fn ended(&mut self) {
        // A panic has been reported by the panic hook.
        (&mut self.0).await.ok();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_task_ends() {
        let (held, mut gone) = tokio::sync::mpsc::channel::<()>(1);
        let task = Task::start(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        assert!(!task.has_ended());
        drop(task);
        assert_eq!(gone.recv().await, None, "what it held is dropped");
        let mut short = Task::start(async {});
        short.ended().await;
        assert!(short.has_ended());
    }
}
