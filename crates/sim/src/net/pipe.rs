//! Connections: two lines of octets, each with its own pace.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use platform::{BoxFuture, Clock, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Reach, SimNet};
use crate::clock::Alarm;

/// Octets that may be under way in one direction before the writer waits, as a window of TCP.
const WINDOW_OCTETS: usize = 64 * 1024;

/// What both ends share: after so many octets the connection breaks off.
#[derive(Clone)]
pub(super) struct Fuse(Arc<Mutex<Option<u64>>>);

impl Fuse {
    pub(super) fn new(octets: Option<u64>) -> Self {
        Self(Arc::new(Mutex::new(octets)))
    }

    /// Burns down; whether it is still whole.
    fn passes(&self, octets: u64) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *left {
            None => true,
            Some(left) => {
                let whole = *left > octets;
                *left = left.saturating_sub(octets);
                whole
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.passes(0)
    }
}

/// Octets in one direction. Clones are the same line.
#[derive(Clone)]
pub(super) struct Line {
    net: SimNet,
    /// Whose way it is.
    host: IpAddr,
    state: Arc<Mutex<LineState>>,
}

#[derive(Default)]
struct LineState {
    /// With the time at which they arrive.
    under_way: VecDeque<(Duration, Vec<u8>)>,
    octets: usize,
    /// When the line is free for more.
    free_at: Duration,
    /// The writer is done, or gone.
    ended: bool,
    /// The reader is gone.
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Line {
    pub(super) fn new(net: SimNet, host: IpAddr) -> Self {
        Self { net, host, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let mut state = self.state();
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// One end of a connection.
pub(super) struct SimStream {
    local: SocketAddr,
    peer: SocketAddr,
    input: Line,
    output: Line,
    fuse: Fuse,
    alarm: Alarm,
    /// Waits for the end of a partition.
    partition: Option<Mutex<BoxFuture<'static, Reach>>>,
}

impl SimStream {
    pub(super) fn new(
        local: SocketAddr,
        peer: SocketAddr,
        input: Line,
        output: Line,
        fuse: Fuse,
    ) -> Self {
        let alarm = Alarm::new(&input.net.0.clock);
        Self { local, peer, input, output, fuse, alarm, partition: None }
    }

    /// Ready when no partition holds up what has arrived.
    fn poll_reached(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.partition.is_none() {
            if self.input.net.way(self.input.host).reach != Reach::Silent {
                return Poll::Ready(());
            }
            let (net, host) = (self.input.net.clone(), self.input.host);
            self.partition = Some(Mutex::new(Box::pin(async move { net.reached(host).await })));
        }
        let Some(partition) = &mut self.partition else { return Poll::Ready(()) };
        let partition = partition.get_mut().unwrap_or_else(PoisonError::into_inner);
        if partition.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.partition = None;
        Poll::Ready(())
    }
}

impl Stream for SimStream {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.fuse.is_whole() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if this.poll_reached(context).is_pending() {
            this.input.state().reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut state = this.input.state();
        // Set in any case: a break wakes those who wait for the time, too.
        state.reader = Some(context.waker().clone());
        let Some((arrives_at, octets)) = state.under_way.front_mut() else {
            return if state.ended { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        if !this.alarm.has_come(*arrives_at, context.waker()) {
            return Poll::Pending;
        }
        let taken = octets.len().min(buffer.remaining());
        buffer.put_slice(octets.get(..taken).unwrap_or_default());
        octets.drain(..taken);
        if octets.is_empty() {
            state.under_way.pop_front();
        }
        state.octets = state.octets.saturating_sub(taken);
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let way = this.output.net.way(this.output.host);
        let now = this.output.net.0.clock.monotonic();
        let mut state = this.output.state();
        if state.ended || state.unread {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW_OCTETS.saturating_sub(state.octets);
        if room == 0 {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let piece = octets.get(..octets.len().min(room)).unwrap_or_default();
        let count = piece.len() as u64;
        if !this.fuse.passes(count) {
            drop(state);
            this.input.wake();
            this.output.wake();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let takes = count.saturating_mul(1_000_000).checked_div(way.octets_per_second);
        let takes = Duration::from_micros(takes.unwrap_or(0));
        state.free_at = state.free_at.max(now).saturating_add(takes);
        let arrives_at = state.free_at.saturating_add(way.latency);
        state.under_way.push_back((arrives_at, piece.to_vec()));
        state.octets = state.octets.saturating_add(piece.len());
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes our direction only; the other end may go on talking.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.state().ended = true;
        self.output.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.output.state().ended = true;
        self.input.state().unread = true;
        self.output.wake();
        self.input.wake();
        self.input.net.state().standing.remove(&(self.local, self.peer));
    }
}
