//! To whom a table belongs, and what becomes of it when its owner ends.

use vaxel_actor::{AnyRef, Message, Pid, Recipient};

/// Tells an heir that a table is its own now.
#[derive(Debug)]
pub struct Inherited<T> {
    /// The table.
    pub table: T,
    /// Whose it was.
    pub from: Pid,
}

impl<T: Send + 'static> Message for Inherited<T> {
    type Reply = ();
}

/// A table that can belong to an actor.
pub trait Owned: Clone + Send + 'static {
    /// Deletes all rows. Nothing is written any more; readers find nothing.
    fn delete(&self);

    /// Makes an actor the owner: the table is deleted when its current incarnation ends.
    fn owned_by(&self, owner: &AnyRef) {
        let (table, exit) = (self.clone(), owner.exit());
        let watching = owner.system().spawn_future(async move {
            exit.await;
            table.delete();
        });
        drop(watching);
    }

    /// Makes an actor the owner: when its current incarnation ends, the table goes to the heir,
    /// which is told, and may make itself the owner. Where the heir has ended too, or its mailbox
    /// is full, the table is deleted.
    fn owned_by_with_heir(&self, owner: &AnyRef, heir: Recipient<Inherited<Self>>) {
        let (table, exit, from) = (self.clone(), owner.exit(), owner.pid());
        let watching = owner.system().spawn_future(async move {
            exit.await;
            let inherited = Inherited {
                table: table.clone(),
                from,
            };
            if heir.cast(inherited).is_err() {
                table.delete();
            }
        });
        drop(watching);
    }
}
