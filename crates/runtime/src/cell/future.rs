//! Handler futures: born in a worker's scratch block, never moved, kept only when pending.
//!
//! A handler that is ready at its first poll costs no allocation: its future lives in a block that
//! the worker uses again for the next message. On `Pending` the block goes with the actor.

use super::Header;
use crate::call::CallHead;
use crate::clock::Time;
use crate::worker::Worker;
use crate::{Actor, Context, ExitReason};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::{NonNull, null_mut};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

/// What became of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    Ready,
    /// The block is attached to the cell.
    Pending,
}

/// Where the outcome of a handler goes.
pub(crate) trait Completion<T> {
    /// What is handled: the Rust path of the message's type, or of the runtime's own.
    const MESSAGE: fn() -> &'static str;

    /// The handler is done.
    ///
    /// # Safety
    /// Owner only.
    unsafe fn complete(self, cell: NonNull<Header>, value: T);

    /// The handler will never be done.
    fn abandon(self, reason: &ExitReason);

    /// The call that is being answered, if it is one.
    #[inline]
    fn call(&self) -> Option<NonNull<CallHead>> {
        None
    }
}

/// The common beginning of every future block.
#[repr(C, align(16))]
pub(crate) struct Block {
    operations: &'static BlockOperations,
    /// In the low byte the size class. Above it, once the future awaits, since which millisecond of
    /// the system's clock.
    marks: u64,
}

const CLASS_BITS: u32 = 8;

impl Block {
    fn class(&self) -> usize {
        (self.marks & ((1 << CLASS_BITS) - 1)) as usize
    }

    fn await_since(&mut self, now: Time) {
        self.marks = self.class() as u64 | now.millis() << CLASS_BITS;
    }
}

pub(crate) struct BlockOperations {
    poll: unsafe fn(NonNull<Header>, NonNull<Block>, &'static RawWakerVTable) -> Ran,
    subject: unsafe fn(NonNull<Block>) -> Subject,
    /// Drops the future and tells whoever waits; the memory stays.
    abandon: unsafe fn(NonNull<Block>, &ExitReason),
    layout: Layout,
    message: fn() -> &'static str,
}

impl BlockOperations {
    /// What is handled: the Rust path of the message's type, or of the runtime's own.
    pub(crate) fn message(&self) -> &'static str {
        (self.message)()
    }
}

/// What a block is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) cell: NonNull<Header>,
    /// The call that its handler answers.
    pub(crate) call: Option<NonNull<CallHead>>,
}

#[repr(C)]
struct FutureBlock<A, F, D> {
    block: Block,
    done: ManuallyDrop<D>,
    context: ManuallyDrop<Context<A>>,
    future: ManuallyDrop<F>,
}

/// Sizes of the blocks that workers keep; a larger future has a block of its own.
const CLASS_BYTES: [usize; 7] = [128, 192, 256, 384, 512, 1024, 4096];
const OWN: usize = (1 << CLASS_BITS) - 1;
/// Spare blocks a worker keeps per class: one in use by a handler, one by an `init` it runs inside.
const SPARE_MAX: usize = 2;

const fn class_of(layout: Layout) -> usize {
    if layout.align() > 16 {
        return OWN;
    }
    let mut class = 0;
    while class < CLASS_BYTES.len() {
        if layout.size() <= CLASS_BYTES[class] {
            return class;
        }
        class += 1;
    }
    OWN
}

const fn class_layout(class: usize) -> Layout {
    match Layout::from_size_align(CLASS_BYTES[class], 16) {
        Ok(layout) => layout,
        Err(_) => panic!("class sizes are small"),
    }
}

/// The spare blocks of one worker.
pub(crate) struct Blocks([[Cell<*mut Block>; SPARE_MAX]; CLASS_BYTES.len()]);

impl Blocks {
    pub(crate) fn new() -> Self {
        Self([const { [const { Cell::new(null_mut()) }; SPARE_MAX] }; CLASS_BYTES.len()])
    }

    #[inline]
    fn take(&self, class: usize, layout: Layout) -> NonNull<Block> {
        let mut layout = layout;
        if class != OWN {
            for spare in &self.0[class] {
                if let Some(block) = NonNull::new(spare.replace(null_mut())) {
                    return block;
                }
            }
            layout = class_layout(class);
        }
        // SAFETY: a future block is never empty.
        let memory = unsafe { alloc(layout) };
        NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
    }

    #[inline]
    fn give(&self, block: NonNull<Block>, class: usize, layout: Layout) {
        if class != OWN {
            for spare in &self.0[class] {
                if spare.get().is_null() {
                    spare.set(block.as_ptr());
                    return;
                }
            }
        }
        free_block(block, class, layout);
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for (class, spares) in self.0.iter().enumerate() {
            for spare in spares {
                if let Some(block) = NonNull::new(spare.get()) {
                    free_block(block, class, class_layout(class));
                }
            }
        }
    }
}

fn free_block(block: NonNull<Block>, class: usize, layout: Layout) {
    let layout = if class == OWN {
        layout
    } else {
        class_layout(class)
    };
    // SAFETY: allocated in `take` with the layout of its class or its own.
    unsafe { dealloc(block.as_ptr().cast(), layout) };
}

struct Typed<A, F, D>(std::marker::PhantomData<(A, F, D)>);

impl<A: Actor, F: Future, D: Completion<F::Output>> Typed<A, F, D> {
    const LAYOUT: Layout = Layout::new::<FutureBlock<A, F, D>>();
    const CLASS: usize = class_of(Self::LAYOUT);
    const OPERATIONS: &'static BlockOperations = &BlockOperations {
        poll: poll_typed::<A, F, D>,
        subject: subject_typed::<A, F, D>,
        abandon: abandon_typed::<A, F, D>,
        layout: Self::LAYOUT,
        message: D::MESSAGE,
    };
}

/// Makes a future and polls it once. On `Pending` it is attached to the cell.
///
/// # Safety
/// The caller owns the cell, which is one of `A`'s and has no attached future; `make` may touch the
/// state only if there is one (S3).
#[inline]
pub(crate) unsafe fn drive<A, F, D>(
    cell: NonNull<Header>,
    worker: &Worker,
    done: D,
    make: impl FnOnce(NonNull<Header>, &'static mut Context<A>) -> F,
) -> Ran
where
    A: Actor,
    F: Future,
    D: Completion<F::Output>,
{
    let class = Typed::<A, F, D>::CLASS;
    let block = worker.blocks.take(class, Typed::<A, F, D>::LAYOUT);
    let typed = block.cast::<FutureBlock<A, F, D>>().as_ptr();
    // SAFETY: fresh or spare memory of sufficient size; the future is made from the context at its
    // final address and never moves (S5). If `make` panics, nothing written so far needs a drop
    // but `done`, which the guard abandons.
    let polled = unsafe {
        (&raw mut (*typed).block).write(Block {
            operations: Typed::<A, F, D>::OPERATIONS,
            marks: class as u64,
        });
        (&raw mut (*typed).context).write(ManuallyDrop::new(Context::new(cell, done.call())));
        let guard = Unborn::<F::Output, D> {
            block,
            done: Some(done),
            worker,
            layout: Typed::<A, F, D>::LAYOUT,
            output: std::marker::PhantomData,
        };
        let future = make(cell, &mut *(&raw mut (*typed).context).cast());
        (&raw mut (*typed).done).write(ManuallyDrop::new(guard.born()));
        (&raw mut (*typed).future).write(ManuallyDrop::new(future));
        worker.poll(cell, block)
    };
    if polled == Ran::Ready {
        worker.blocks.give(block, class, Typed::<A, F, D>::LAYOUT);
    } else {
        let now = worker.core().rough_now();
        // SAFETY: the block is ours, and so is the cell (S2).
        unsafe {
            (*block.as_ptr()).await_since(now);
            cell.as_ref().side_or_new().future = block.as_ptr();
        }
    }
    polled
}

/// Between taking a block and the first poll: if `make` panics, the block goes back and whoever
/// waits for the outcome is told.
struct Unborn<'a, T, D: Completion<T>> {
    block: NonNull<Block>,
    done: Option<D>,
    worker: &'a Worker,
    layout: Layout,
    output: std::marker::PhantomData<fn(T)>,
}

impl<T, D: Completion<T>> Unborn<'_, T, D> {
    #[inline]
    fn born(mut self) -> D {
        // The guard is armed until here, so this cannot fail.
        self.done
            .take()
            .unwrap_or_else(|| unreachable!("a future is born once"))
    }
}

impl<T, D: Completion<T>> Drop for Unborn<'_, T, D> {
    #[inline]
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done.abandon(&crate::panic::current());
            // SAFETY: the head was written by `drive`.
            let class = unsafe { self.block.as_ref() }.class();
            self.worker.blocks.give(self.block, class, self.layout);
        }
    }
}

#[inline]
unsafe fn poll_typed<A: Actor, F: Future, D: Completion<F::Output>>(
    cell: NonNull<Header>,
    block: NonNull<Block>,
    waker: &'static RawWakerVTable,
) -> Ran {
    let typed = block.cast::<FutureBlock<A, F, D>>().as_ptr();
    let raw = RawWaker::new(cell.as_ptr().cast_const().cast(), waker);
    // SAFETY: the waker borrows the cell for this poll only; clones count.
    let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
    let mut context = std::task::Context::from_waker(&waker);
    // SAFETY: S5: the future is at its final address and ours.
    let future = unsafe { Pin::new_unchecked(&mut *(*typed).future) };
    match future.poll(&mut context) {
        Poll::Pending => Ran::Pending,
        Poll::Ready(value) => {
            // SAFETY: ready: the future is dropped once, here, and `done` is taken once.
            unsafe {
                ManuallyDrop::drop(&mut (*typed).future);
                ManuallyDrop::take(&mut (*typed).done).complete(cell, value);
            }
            Ran::Ready
        }
    }
}

unsafe fn subject_typed<A: Actor, F: Future, D: Completion<F::Output>>(
    block: NonNull<Block>,
) -> Subject {
    let typed = block.cast::<FutureBlock<A, F, D>>().as_ptr();
    // SAFETY: the block is being polled, so its context and completion are there.
    unsafe {
        Subject {
            cell: (*typed).context.cell(),
            call: (*typed).done.call(),
        }
    }
}

unsafe fn abandon_typed<A: Actor, F: Future, D: Completion<F::Output>>(
    block: NonNull<Block>,
    reason: &ExitReason,
) {
    let typed = block.cast::<FutureBlock<A, F, D>>().as_ptr();
    // SAFETY: the caller gives the block up. The future goes first: it may borrow from `done`. A
    // panic in its drop must not leave anybody waiting.
    unsafe {
        crate::panic::contain(|| ManuallyDrop::drop(&mut (*typed).future));
        ManuallyDrop::take(&mut (*typed).done).abandon(reason);
    }
}

/// Polls an attached future again.
///
/// # Safety
/// Owner only; the block is attached to this cell.
#[inline]
pub(crate) unsafe fn poll(
    cell: NonNull<Header>,
    block: NonNull<Block>,
    waker: &'static RawWakerVTable,
) -> Ran {
    // SAFETY: what this needs is what the caller has promised.
    unsafe { (block.as_ref().operations.poll)(cell, block, waker) }
}

/// What a block that is being polled is about.
///
/// # Safety
/// The block is being polled, on this thread.
#[inline]
pub(crate) unsafe fn subject(block: NonNull<Block>) -> Subject {
    // SAFETY: what this needs is what the caller has promised.
    unsafe { (block.as_ref().operations.subject)(block) }
}

/// What can be done with an attached future.
///
/// # Safety
/// Owner only; the block is attached to the cell.
pub(crate) unsafe fn operations(block: NonNull<Block>) -> &'static BlockOperations {
    // SAFETY: what this needs is what the caller has promised.
    unsafe { block.as_ref() }.operations
}

/// Since when an attached future awaits, to a millisecond of what the watchdog has seen.
///
/// # Safety
/// Owner only; the block is attached to the cell.
pub(crate) unsafe fn awaits_since(block: NonNull<Block>) -> Time {
    // SAFETY: what this needs is what the caller has promised.
    Time::from_millis(unsafe { block.as_ref() }.marks >> CLASS_BITS)
}

/// Gives back the memory of a future that is over.
///
/// # Safety
/// The future has been dropped; the block is not used again.
pub(crate) unsafe fn recycle(worker: &Worker, block: NonNull<Block>) {
    // SAFETY: the head of a block stays valid until its memory is given back.
    let (class, layout) = unsafe { (block.as_ref().class(), block.as_ref().operations.layout) };
    worker.blocks.give(block, class, layout);
}

/// Drops a future that will not be polled again, tells whoever waits, and frees the block.
///
/// # Safety
/// The caller owns the block and nothing else refers to it.
pub(crate) unsafe fn abandon(block: NonNull<Block>, reason: &ExitReason) {
    // SAFETY: what this needs is what the caller has promised.
    let (operations, class) = unsafe { (block.as_ref().operations, block.as_ref().class()) };
    // SAFETY: what this needs is what the caller has promised.
    unsafe { (operations.abandon)(block, reason) };
    free_block(block, class, operations.layout);
}
